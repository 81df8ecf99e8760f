"""What is removed from one envelope: the same values everywhere in it, whatever part they stand in."""

from collections.abc import Callable
from dataclasses import dataclass, field

from normalizers.secret import Conversation, Secret, find_name_kind, replace_secrets, write_tag

Find = Callable[[str], list[Secret]]


@dataclass(slots=True)
class Removal:
    """`kinds`: of each value removed. `again`: the second look, which only removes the values that the first one found."""

    again: bool = False
    kinds: list[str] = field(default_factory=list)
    _values: set[str] = field(default_factory=set)

    def look_again(self) -> "Removal | None":
        """For a second look; None where there is nothing to look for."""
        return Removal(again=True, kinds=self.kinds, _values=self._values) if self._values else None

    def begin(self) -> Find:
        """What finds secrets in texts that follow one another: turns of a conversation, lines, cells."""
        conversation = Conversation(self._values)
        return conversation.find_again if self.again else conversation.find

    def replace(self, text: str, secrets: list[Secret]) -> str:
        redacted = replace_secrets(text, secrets)
        self.kinds += redacted.kinds
        return redacted.text

    def write(self, kind: str) -> str:
        return write_tag(kind)

    def remove(self, text: str) -> str:
        return self.replace(text, self.begin()(text))

    def remove_named(self, name: str, value: str) -> str | None:
        """None where the name of a field does not say that its value is a secret, or the value is none."""
        if not find_name_kind(name):
            return None
        redacted = Conversation(self._values).remove_labelled(name, value)
        if redacted is None:
            return None
        self.kinds += redacted.kinds
        return redacted.text
