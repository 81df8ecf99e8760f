"""The master key: 32 random bytes in a file only its owner may read, made on first start.

Links, branch codes and form marks derive from it. Losing it makes printed codes useless, so it belongs in the backup.
"""

import os
import secrets
from pathlib import Path

from config.load import SettingsError

KEY_BYTES = 32


def read_or_make_key(path: Path) -> bytes:
    """Raises SettingsError when the file is no key or cannot be made."""
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            make_private_file(path, secrets.token_hex(KEY_BYTES))
        key = bytes.fromhex(path.read_text("ascii").strip())
    except (OSError, ValueError) as error:
        raise SettingsError(f"settings: keys.file: {path} is no key file ({type(error).__name__})") from None
    if len(key) != KEY_BYTES:
        raise SettingsError(f"settings: keys.file: {path} does not hold {KEY_BYTES} bytes in hexadecimal")
    return key


def make_private_file(path: Path, text: str) -> None:
    """Write a new file of mode 0600, whole or not at all; an existing one is left alone."""
    # A name of its own: containers that share a folder have the same process ids.
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    try:
        os.link(part, path)
    except FileExistsError:
        pass
    finally:
        part.unlink()
