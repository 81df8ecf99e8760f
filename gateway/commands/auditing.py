"""`huiyin audit verify` and `huiyin audit export`: is the history as it was written, and what to keep elsewhere."""

import argparse
import asyncio
import sys
from pathlib import Path

from config.keys import Keyring, read_keyring
from config.settings import Settings
from gateway.commands import Refusal
from gateway.commands.opening import load_settings, open_file, opened_store
from gateway.commands.progress import Progress
from gateway.engines import find_key_file
from gateway.stages.seal import make_signer
from gateway.store.chain import Days, Signer, to_json
from gateway.store.verifying import PAGE, Broken, Verified, verify_chain, verify_export, write_export, write_head_export


def run_audit(options: argparse.Namespace) -> int:
    settings = load_settings(options).settings
    if options.act == "verify":
        asyncio.run(_verify(settings, options))
    else:
        _write(asyncio.run(_export(settings, options)), options.out)
    return 0


async def _verify(settings: Settings, options: argparse.Namespace) -> None:
    signer = None if options.without_key else _open_signer(settings, options.key)
    progress = Progress()
    days = Days(settings.bank.timezone)
    exported = 0

    def show(done: int, blocks: int) -> None:
        progress.show(f"block {done} of {blocks}")

    try:
        async with opened_store(settings, sealed=True) as store:
            found = await verify_chain(store, signer, days, since=options.since, until=options.until, show=show)
            for name in options.against:
                with open_file(name) as stream:
                    exported += await verify_export(store, signer, stream)
    except Broken as broken:
        raise Refusal(f"the chain is broken. {broken}") from None
    finally:
        progress.end()
    for line in _tell(found, exported, signed=signer is not None):
        print(line)


def _tell(found: Verified, exported: int, *, signed: bool) -> list[str]:
    if not found.number:
        return [f"nothing is sealed yet, {found.unsealed} rows wait for it"]
    begin = f" from the sum of {found.anchored} on" if found.anchored else ""
    lines = [f"the chain holds{begin}: {found.blocks} blocks, {found.rows} rows, {found.sums} daily sums"]
    lines.append(f"it ends with block {found.number}, {found.digest.hex()}")
    if exported:
        lines.append(f"it holds all that was exported ({exported} lines)")
    if found.late:
        lines.append(f"{found.late} rows appeared behind the head and were sealed late")
    if found.unsealed:
        lines.append(f"{found.unsealed} rows are not sealed yet")
    if not signed:
        lines.append("signatures were not checked: whoever can write to the database could have made all this anew")
    return lines


async def _export(settings: Settings, options: argparse.Namespace) -> list[bytes]:
    """The daily sums of these days, and where the chain stands now."""
    lines: list[bytes] = []
    previous, after = "", 0
    async with opened_store(settings, sealed=True) as store:
        head = await store.read_head()
        if head is None:
            raise Refusal("nothing is sealed yet; the gateway seals what is written within some seconds")
        while page := await store.read_sums(after, PAGE):
            for day_sum in page:
                if day_sum.day >= options.since and (not options.until or day_sum.day <= options.until):
                    lines.append(to_json(write_export(day_sum, previous)))
                previous, after = day_sum.signature, day_sum.number
    return [*lines, to_json(write_head_export(head))]


def _write(lines: list[bytes], out: Path | None) -> None:
    text = b"".join(line + b"\n" for line in lines)
    if out is None:
        sys.stdout.buffer.write(text)
        return
    # Whole or not at all: an export that breaks off would look like one of fewer days.
    part = out.with_name(f".{out.name}.part")
    part.write_bytes(text)
    part.replace(out)
    print(f"{out}: {len(lines) - 1} daily sums, and where the chain stands")


def _open_signer(settings: Settings, older: list[Path]) -> Signer:
    path = find_key_file(settings)
    keyring = read_keyring(path, settings.keys.command)
    if keyring is None:
        # One that is made now would fit no signature.
        raise Refusal(f"there is no key at {path}: name it in keys.file, or check what needs no key with --without-key")
    return make_signer(keyring, *map(_read_older, older))


def _read_older(path: Path) -> Keyring:
    keyring = read_keyring(path)
    if keyring is None:
        raise Refusal(f"there is no key at {path}")
    return keyring
