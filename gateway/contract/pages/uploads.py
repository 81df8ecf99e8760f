"""What the pages take from strangers: kinds of files that a person at the desk can look at or listen to."""

import hashlib
from dataclasses import dataclass, field

from gateway.contract.file_type import TEXT, sniff_type

_TAKEN = ("image/", "audio/", "video/", "application/pdf", TEXT)


@dataclass(frozen=True, slots=True)
class Upload:
    """`declared` is the media type that the browser named."""

    name: str
    declared: str
    content: bytes = field(repr=False)

    def is_taken(self) -> bool:
        return (sniff_type(self.content) or "").startswith(_TAKEN)

    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()
