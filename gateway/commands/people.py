"""`huiyin trace`, `parked`, `release`, `dismiss`, `decided`: for the people who look after what waits."""

import argparse
import asyncio
import getpass
import json
import os
import sys
from datetime import UTC

from config.settings import Settings
from gateway.commands import Refusal
from gateway.commands.opening import load_settings, opened_store
from gateway.contract.clock import to_datetime
from gateway.contract.complaint import Complaint
from gateway.contract.receipt import Receipt, parse_receipt, spoken
from gateway.ops.time import SystemClock
from gateway.store.rows import EnvelopeFacts, Trace
from normalizers.secret import remove_secrets

PAGE = 500


def run_trace(options: argparse.Namespace) -> int:
    receipt = _read_receipt(options.receipt)

    async def find(settings: Settings) -> Trace | None:
        async with opened_store(settings) as store:
            return await store.trace(receipt)

    trace = asyncio.run(find(load_settings(options).settings))
    if trace is None:
        raise Refusal(f"nothing was accepted under {spoken(receipt)}")
    print(json.dumps(_to_json(trace), ensure_ascii=False, indent=2) if options.json else tell(trace))
    return 0


def tell(trace: Trace) -> str:
    """The story for a person: masked by leaving the words and the person out."""
    lines = [f"Receipt {spoken(trace.receipt)}   complaint {trace.complaint_id or '(not registered yet)'}", ""]
    if trace.forgotten:
        lines += ["Forgotten: what the customer said was kept as long as the settings say ([retention] keep).", ""]
    for version, event, at, document in trace.versions:
        complaint = Complaint.model_validate_json(document)
        signals = ", ".join(f"{s.id} “{s.evidence.text[:30]}”" for s in complaint.verdict.signals) or "no signal"
        codes = complaint.classification
        lines += [
            f"Version {version} ({event}) {_time(at)}",
            f"  {complaint.kind}, verdict {complaint.verdict.level.upper()}: {signals}",
            (
                f"  business {codes.business.key if codes.business else '-'}, reason {codes.reason.key if codes.reason else '-'}, "
                f"branch {complaint.branch.code if complaint.branch else '-'}, language {complaint.language}, "
                f"{len(complaint.attachments)} attachments, decide by {complaint.due.decide_at:%Y-%m-%d}"
            ),
        ]
    lines += ["", "Envelopes"]
    lines += [
        f"  {e.id}  {e.channel} {_describe(e)}  {_time(e.received_at)}  {e.state}{_reason(e.code, e.detail)}"
        for e in trace.envelopes
    ]
    lines += ["", "Duties"]
    lines += [
        f"  {d.id}  {d.target} {d.instance}  {d.step} v{d.version}  {d.state} after {d.attempts} attempts"
        f"{_reason(d.code, d.detail)}{' at ' + _time(d.done_ms) if d.done_ms else ''}"
        for d in trace.duties
    ]
    lines += [f"  ticket at {instance}: {ticket}" for instance, ticket in trace.tickets.items()]
    lines += ["", "History"]
    lines += [
        f"  {_time(h.at)}  {h.event:<24} {h.before or '-'} -> {h.after}  {h.subject} {h.subject_id}  {h.detail}".rstrip()
        for h in trace.history
    ]
    return "\n".join(lines)


def _describe(envelope: EnvelopeFacts) -> str:
    if envelope.forgotten:
        return "(forgotten)"
    return f"({envelope.adapter})  {envelope.media_type}, {envelope.size} bytes, sha256 {envelope.sha256[:12]}"


def run_parked(options: argparse.Namespace) -> int:
    async def show(settings: Settings) -> int:
        shown = 0
        async with opened_store(settings) as store:
            last = ""
            while page := await store.parked(PAGE, last):
                for parked in page:
                    since = _time(parked.since_ms)
                    print(
                        f"{parked.id}  {parked.subject:<8} {parked.where:<14} {parked.receipt or '-':<12}  {since}  "
                        f"{parked.code}{': ' + parked.detail if parked.detail else ''}"
                    )
                shown += len(page)
                last = page[-1].id
        return shown

    if not asyncio.run(show(load_settings(options).settings)):
        print("nothing waits for a person")
    return 0


def run_release(options: argparse.Namespace) -> int:
    async def release(settings: Settings) -> list[bool]:
        async with opened_store(settings) as store:
            return list(await store.release(options.ids, who(), SystemClock().now_ms()))

    return _say(options.ids, asyncio.run(release(load_settings(options).settings)), "released")


def run_dismiss(options: argparse.Namespace) -> int:
    async def dismiss(settings: Settings) -> list[bool]:
        async with opened_store(settings) as store:
            return list(
                await store.dismiss(options.ids, remove_secrets(options.why).text, who(), SystemClock().now_ms())
            )

    return _say(options.ids, asyncio.run(dismiss(load_settings(options).settings)), "dismissed")


def run_decided(options: argparse.Namespace) -> int:
    receipts = [_read_receipt(text) for text in options.receipts]

    async def decide(settings: Settings) -> list[bool]:
        async with opened_store(settings) as store:
            return [await store.decide(receipt, who(), SystemClock().now_ms()) for receipt in receipts]

    done = asyncio.run(decide(load_settings(options).settings))
    for receipt, good in zip(receipts, done, strict=True):
        if good:
            print(f"{spoken(receipt)} decided")
        else:
            print(f"huiyin: {spoken(receipt)} is no complaint that waits for a decision", file=sys.stderr)
    return 0 if all(done) else 1


def _read_receipt(text: str) -> Receipt:
    receipt = parse_receipt(text)
    if receipt is None:
        raise Refusal("that is no receipt number: it has twelve digits and the last one checks the others")
    return receipt


def _say(ids: list[str], done: list[bool], word: str) -> int:
    for one, good in zip(ids, done, strict=True):
        if good:
            print(f"{one} {word}")
        else:
            print(f"huiyin: {one} is not waiting for a person; `huiyin parked` lists what is", file=sys.stderr)
    return 0 if all(done) else 1


def who() -> str:
    """The person at the command line, for the history."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a user without an entry, as in many containers
        return f"cli:uid-{os.getuid()}"


def _time(millis: int) -> str:
    return to_datetime(millis).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"


def _reason(code: str, detail: str) -> str:
    return f" ({code}{': ' + detail if detail else ''})" if code else ""


def _to_json(trace: Trace) -> dict[str, object]:
    from dataclasses import asdict

    told = asdict(trace)
    told["versions"] = [
        {"version": version, "event": event, "at": _time(at), "complaint": json.loads(document)}
        for version, event, at, document in trace.versions
    ]
    return told
