"""The keyring: the master keys of one installation, by version; the highest is in use, older ones still open what they sealed.

A file of lines `VERSION KEY`, the key being 32 random bytes in hexadecimal (a line without a version is version 1; lines
that begin with # are comments), readable by its owner only and made on first start. Or what a command of the bank's prints
in the same form: so the keys may live in a key management service and never on this machine's disk.

What is kept is sealed under these keys, and links and printed codes derive from them: whoever loses them has lost all
of it. They belong in a safe place of their own, apart from the database and its backups.
"""

import hashlib
import os
import re
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from config.durable import make_folder, sync_folder
from config.load import SettingsError

KEY_BYTES = 32
COMMAND_S = 30.0
_LINE = re.compile(r"(?:(?P<version>[1-9][0-9]{0,3})\s+)?(?P<key>[0-9a-fA-F]{64})")


@dataclass(frozen=True)
class Keyring:
    """`keys`: version -> 32 bytes."""

    keys: Mapping[int, bytes] = field(repr=False)

    @cached_property
    def current(self) -> int:
        return max(self.keys)

    def newest_first(self) -> Sequence[bytes]:
        return [self.keys[version] for version in sorted(self.keys, reverse=True)]

    def __getstate__(self) -> dict[str, object]:
        return {"keys": dict(self.keys)}


def name_key(key: bytes) -> str:
    """Eight digits by which people can tell keys apart without seeing them."""
    return hashlib.sha256(b"huiyin.key name\0" + key).hexdigest()[:8]


def read_keyring(path: Path, command: Sequence[str] = ()) -> Keyring | None:
    """None: there is no file, and no command. Raises SettingsError for what is no keyring; it never holds a key."""
    if command:
        return _parse(_ask(command), f"keys.command: what {command[0]} prints")
    try:
        return _parse(path.read_text("ascii"), f"keys.file: {path}")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise SettingsError(f"settings: keys.file: {path} is no key file ({type(error).__name__})") from None


def make_keyring(path: Path) -> Keyring:
    """A new file with version 1; an existing one is left alone. Raises SettingsError when it cannot be made."""
    try:
        make_folder(path.parent)
        make_private_file(path, write_key(1))
    except OSError as error:
        raise SettingsError(f"settings: keys.file: {path} cannot be made ({type(error).__name__})") from None
    keyring = read_keyring(path)
    if keyring is None:
        raise SettingsError(f"settings: keys.file: {path} was taken away while it was being made")
    return keyring


def write_key(version: int) -> str:
    """A line with a new key."""
    return f"{version} {secrets.token_hex(KEY_BYTES)}"


def add_key(path: Path) -> int:
    """Add a new, highest version to the file; returns it. Whole or not at all. Raises SettingsError."""
    keyring = read_keyring(path)
    if keyring is None:
        raise SettingsError(f"settings: keys.file: there is no key file at {path} yet")
    version = keyring.current + 1
    _replace(path, "\n".join([*_list_lines(path, without=0), write_key(version)]))
    return version


def drop_key(path: Path, version: int) -> None:
    """Take a version out of the file. Raises SettingsError for the current one, and one that is not there."""
    keyring = read_keyring(path)
    if keyring is None or version not in keyring.keys:
        raise SettingsError(f"settings: keys.file: {path} holds no version {version}")
    if version == keyring.current:
        raise SettingsError(f"settings: keys.file: version {version} is the one in use; make a new one first")
    _replace(path, "\n".join(_list_lines(path, without=version)))


def make_private_file(path: Path, text: str) -> None:
    """Write a new file of mode 0600, whole or not at all, and durable; an existing one is left alone. Raises OSError."""
    part = _write_beside(path, text)
    try:
        os.link(part, path)
    except FileExistsError:
        pass
    finally:
        part.unlink()
    # Another process may have made it, and not synced it yet.
    sync_folder(path.parent)


def _replace(path: Path, text: str) -> None:
    try:
        _write_beside(path, text).replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise SettingsError(f"settings: keys.file: {path} cannot be written ({type(error).__name__})") from None


def _write_beside(path: Path, text: str) -> Path:
    # A name of its own: containers that share a folder have the same process ids.
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    return part


def _list_lines(path: Path, *, without: int) -> Sequence[str]:
    """The lines as they stand, but that of one version; the old form gets its number."""
    lines = []
    for line in path.read_text("ascii").splitlines():
        found = _LINE.fullmatch(line.strip())
        version = int(found["version"] or 1) if found else 0
        if found is None or version != without:
            lines.append(f"{version} {found['key']}" if found else line)
    return lines


def _parse(text: str, where: str) -> Keyring:
    keys: dict[int, bytes] = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        version = int(found["version"] or 1) if found else 0
        if found is None or version in keys:
            raise SettingsError(
                f"settings: {where} is no keyring: lines of a version and {KEY_BYTES} bytes in hexadecimal are wanted, "
                "each version once"
            )
        keys[version] = bytes.fromhex(found["key"])
    if not keys:
        raise SettingsError(f"settings: {where} holds no key")
    return Keyring(MappingProxyType(keys))


def _ask(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=COMMAND_S, stdin=subprocess.DEVNULL)  # noqa: S603 - the operator's own
        return done.stdout.decode("ascii")
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        # Not the text of the error: it may hold what was printed.
        raise SettingsError(f"settings: keys.command: {command[0]} gave no keys ({type(error).__name__})") from None
