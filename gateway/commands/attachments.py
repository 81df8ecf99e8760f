"""`huiyin attachments`: what a complaint carries, and its bytes for who has to look at them."""

import argparse
import asyncio
import os
from pathlib import Path

from config.settings import Settings
from gateway.commands import Refusal
from gateway.commands.opening import load_settings, open_rules, opened_store
from gateway.contract.complaint import AttachmentRef
from gateway.contract.receipt import Receipt, parse_receipt, spoken
from gateway.engines import open_blobs
from gateway.stages.attachments import Attachments, list_attachments, refuse_closed
from gateway.stages.reading import Reader
from gateway.store.vault import Erased, Tampered


def run_attachments(options: argparse.Namespace) -> int:
    receipt = parse_receipt(options.receipt)
    if receipt is None:
        raise Refusal("that is no receipt number: it has twelve digits and the last one checks the others")
    settings = load_settings(options).settings
    _, reader = open_rules(settings, kept_key=True)
    try:
        return asyncio.run(_show(settings, reader, receipt, options.out, everything=options.all))
    except (Erased, Tampered) as error:
        raise Refusal(refuse_closed(error).detail) from None


async def _show(settings: Settings, reader: Reader, receipt: Receipt, out: Path | None, *, everything: bool) -> int:
    scanning = settings.scan is not None
    async with opened_store(settings) as store:
        trace = await store.trace(receipt)
        if trace is None:
            raise Refusal(f"no complaint is registered under {spoken(receipt)}")
        if trace.forgotten:
            raise Refusal(f"what was said under {spoken(receipt)} is forgotten, with all that was attached")
        attachments = Attachments(store, open_blobs(settings, store), reader, scanning=scanning)
        kept_back = 0
        listed = list_attachments(trace)
        for number, each in enumerate(listed, 1):
            may = each.may_leave(scanning=scanning) or (everything and bool(each.sha256))
            place = _find_place(out, number, each) if out and may else None
            if place is not None:
                try:
                    content = await attachments.read(receipt, each.sha256)
                except KeyError:
                    raise Refusal(f"the bytes of attachment {number} are gone") from None
                _write(place, content)
            kept_back += bool(out) and not may
            print(f"{number:>3}  {_describe(each)}{f'  -> {place}' if place else ''}")
    if not listed:
        print("nothing is attached")
    if kept_back:
        print(f"{kept_back} kept back; --all writes them too, for who looks at them with care")
    return 0


def _find_place(out: Path, number: int, attachment: AttachmentRef) -> Path:
    """The number before the name keeps two of one name apart, and no name can be a path."""
    return out / f"{number:02}-{attachment.name}"


def _write(place: Path, content: bytes) -> None:
    """A new file that only its owner may read. Raises Refusal."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
    except OSError as error:
        raise Refusal(f"{place} cannot be written: {error.strerror}") from None


def _describe(each: AttachmentRef) -> str:
    said = f" (said to be {each.declared_type})" if each.declared_type not in ("", each.media_type) else ""
    facts = [f"{each.name}  {each.media_type}{said}  {each.size} bytes", f"sha256 {each.sha256[:12] or '-'}"]
    marks = (each.scan, each.note, "needs transcription" if each.needs_transcription else "")
    return "  ".join([*facts, *filter(None, marks)])
