"""The commands. Exit status: 0 done, 1 something was refused (said on stderr in one line), 2 wrong usage."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from config.load import SettingsError
from gateway.roles import Role, read_roles

POSTER_FORMATS = ("svg", "png", "pdf")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _build_parser()
    options = parser.parse_args(arguments)
    if options.command == "replay" and not (options.ids or options.channel or options.since or options.until):
        parser.error("replay: name envelopes, or choose some with --channel, --since, --until")
    from gateway.commands import COMMANDS, Refusal
    from gateway.store.port import StoreUnavailable

    try:
        status = COMMANDS[options.command](options)
        sys.stdout.flush()
    except (SettingsError, Refusal, StoreUnavailable) as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output went away (`| head`); that is no failure of ours. What is still to be written at
        # exit goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _refuse(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    return status


def _refuse(reason: str) -> int:
    print(f"huiyin: {' '.join(reason.split())}", file=sys.stderr)
    return 1


def _take_roles(text: str) -> frozenset[Role]:
    try:
        return read_roles(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"takes {','.join(Role)}") from None


def _take_positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("takes a number above 0")
    return number


def _take_formats(text: str) -> list[str]:
    formats = [part.strip() for part in text.split(",")]
    if not set(formats) <= set(POSTER_FORMATS):
        raise argparse.ArgumentTypeError(f"takes {','.join(POSTER_FORMATS)}")
    return formats


def _take_reason(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("the reason must say something: it stays in the history")
    return text.strip()


def _take_day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError:
        raise argparse.ArgumentTypeError("a day is written like 2026-11-24") from None


def _add_simulate(simulate: argparse.ArgumentParser) -> None:
    simulate.add_argument("party", metavar="PARTY", help="adapter name, e.g. wechat")
    simulate.add_argument("--account", metavar="INSTANCE", help="channel instance; default: the first of the party")
    simulate.add_argument("--rate", type=_take_positive, default=10.0, metavar="N", help="messages per second")
    simulate.add_argument("--duration", type=_take_positive, default=10.0, metavar="SECONDS")
    simulate.add_argument("--kinds", default="text", metavar="A,B", help="kinds of messages, in turn")
    simulate.add_argument("--people", type=int, default=0, metavar="N", help="how many customers; 0: one per message")
    simulate.add_argument("--url", help="where the gateway is; default: as its settings say")
    simulate.add_argument("--api-port", type=int, default=0, metavar="PORT", help="where the party's own API answers")


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="huiyin", description="Huiyin 回音: a complaint intake gateway for banks.")
    parser.add_argument("--config", type=Path, metavar="F", help="settings file (TOML)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="data directory")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, metavar="F", default=argparse.SUPPRESS, help="settings file (TOML)")
    common.add_argument("--data", type=Path, metavar="DIR", default=argparse.SUPPRESS, help="data directory")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text, parents=[common])

    serve = add("serve", "run the gateway; SIGTERM drains and exits 0")
    serve.add_argument("--roles", default="", type=_take_roles, metavar="A,B", help=f"{','.join(Role)}; default: all")
    serve.add_argument("--host", help="address to listen on")
    serve.add_argument("--port", type=int, help="port to listen on; 0: any free one")
    serve.add_argument("--demo", action="store_true", help="a demo bank: all channels on, secrets made on first start")

    check = add("check", "validate the settings and say where each value came from")
    check.add_argument("--online", action="store_true", help="reach every party once")

    migrate = add("migrate", "bring the database to this version")
    migrate.add_argument(
        "--restored", action="store_true", help="it comes from a backup: receipts given since are not given again"
    )
    add("schema", "print the JSON Schema of the complaint")

    normalize = add("normalize", "dry run: one complaint as JSON per line, nothing is stored")
    normalize.add_argument("channel", metavar="CHANNEL", help="channel instance or adapter name")
    normalize.add_argument("--format", metavar="NAME", help="format of the files, where it cannot be told from them")
    normalize.add_argument("files", nargs="+", metavar="FILE", help="files, folders, or - for standard input")

    triage = add("triage", "JSON Lines {id, text} in, verdicts out; nothing is stored")
    triage.add_argument("file", nargs="?", default="-", metavar="FILE")

    imported = add("import", "real intake of files; a second run adds nothing")
    imported.add_argument("channel", metavar="CHANNEL", help="channel instance")
    imported.add_argument("--format", metavar="NAME", help="format of the files, where it cannot be told from them")
    imported.add_argument("files", nargs="+", metavar="FILE", help="files, folders, or - for standard input")

    trace = add("trace", "the whole history of one complaint")
    trace.add_argument("receipt", metavar="RECEIPT")
    trace.add_argument("--json", action="store_true", help="as JSON")

    _add_taking_out(add)
    _add_people(add)

    add("tell", "tell a customer that there is news, the way that reaches them").add_argument(
        "receipt", metavar="RECEIPT"
    )

    _add_simulate(add("simulate", "play a party's side of the line against a running gateway, and say how it answered"))

    replay = add("replay", "read kept envelopes again with today's rules")
    replay.add_argument("ids", nargs="*", metavar="ID")
    replay.add_argument("--channel", default="", help="all envelopes of this channel")
    replay.add_argument("--since", metavar="DATE", help="received from then on (ISO 8601)")
    replay.add_argument("--until", metavar="DATE", help="received before (ISO 8601)")
    replay.add_argument("--dry-run", action="store_true", help="show what would change")

    retain = add("retain", "forget what was kept as long as the settings say ([retention] keep), as the sweep does")
    retain.add_argument("--dry-run", action="store_true", help="say what would be forgotten, and what is held by what")

    _add_audit(add, common)
    _add_keys(add("keys", "the keyring, and what is sealed under it"), common)
    _add_printing(add)

    add("channels", "what is installed, on, healthy")
    add("systems", "what is installed, on, healthy")
    return parser


def _add_taking_out(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    attachments = add("attachments", "what a complaint carries; --out writes it to files")
    attachments.add_argument("receipt", metavar="RECEIPT")
    attachments.add_argument("--out", type=Path, metavar="DIR", help="write what may leave the house to this folder")
    attachments.add_argument("--all", action="store_true", help="what is infected, unseen or over the limits as well")

    scan = add("scan", "have looked at what was attached before [scan] was switched on")
    scan.add_argument("--since", metavar="DATE", help="received from then on (ISO 8601)")

    export = add("export", "the book of a system of record that only the house can read, as CSV")
    export.add_argument("system", metavar="SYSTEM", help="system instance, e.g. ledger")
    export.add_argument("--receipt", default="", metavar="RECEIPT", help="this entry alone")
    export.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")


def _add_people(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    find = add("find", "the complaints of a person: what is looked for is asked for, or read from standard input")
    find.add_argument("way", choices=("phone", "document", "email", "openid"))
    find.add_argument("value", nargs="?", default="", help="better left out: it would stand in the shell's history")

    add("parked", "list set-aside envelopes and parked deliveries")
    release = add("release", "put parked things back to work")
    release.add_argument("ids", nargs="+", metavar="ID")
    dismiss = add("dismiss", "put parked things away for good, with the reason")
    dismiss.add_argument("ids", nargs="+", metavar="ID")
    dismiss.add_argument("--why", required=True, type=_take_reason, help="the reason, kept in the history")

    decided = add("decided", "say that the bank has given its decision: the deadline is kept, the customer sees it")
    decided.add_argument("receipts", nargs="+", metavar="RECEIPT")


def _add_audit(add: Callable[[str, str], argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    audit = add("audit", "whether the history is as it was written, and what to keep elsewhere to prove it")
    acts = audit.add_subparsers(dest="act", required=True, metavar="ACT")
    text = (
        "check the chain of the history and the daily sums; exit status 1 and the first broken link if they do not hold"
    )
    verify = acts.add_parser("verify", help=text, description=text, parents=[common])
    verify.add_argument(
        "--against", action="append", default=[], metavar="FILE", help="an earlier export: nothing of it may be missing"
    )
    verify.add_argument(
        "--key", action="append", default=[], type=Path, metavar="FILE", help="a master key that was used before"
    )
    verify.add_argument("--without-key", action="store_true", help="check what needs no key")
    text = "the signed daily sums and where the chain stands, as JSON Lines"
    export = acts.add_parser("export", help=text, description=text, parents=[common])
    export.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
    conservation = add("conservation", "accepted = registered + set aside + dismissed; owed = done + waiting + parked")
    conservation.add_argument("--format", default="table", choices=("table", "json", "csv"))
    conservation.add_argument("--recount", action="store_true", help="count everything itself as well; may take long")
    for dated in (verify, export, conservation):
        dated.add_argument("--from", dest="since", default="", type=_take_day, metavar="DAY", help="like 2026-11-24")
        dated.add_argument("--to", dest="until", default="", type=_take_day, metavar="DAY", help="that day included")


def _add_keys(keys: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    acts = keys.add_subparsers(dest="act", metavar="ACT")
    for name, text in (
        ("new", "add a new master key to the key file"),
        ("rewrap", "seal the keys of the store with the newest master key; nothing stops meanwhile"),
        ("drop", "take an old master key out of the key file, once nothing is sealed with it"),
    ):
        act = acts.add_parser(name, help=text, description=text, parents=[common])
        if name == "drop":
            act.add_argument("version", type=int, metavar="VERSION")


def _add_printing(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    qr = add("qr", "branch posters with signed addresses")
    qr.add_argument("branches", nargs="+", metavar="BRANCH", help="branch codes")
    qr.add_argument("--out", type=Path, default=Path(), metavar="DIR")
    qr.add_argument("--format", default="svg", type=_take_formats, help=",".join(POSTER_FORMATS))
    qr.add_argument("--wechat", action="store_true", help="codes of the official account, made by WeChat")
    qr.add_argument("--channel", default="", metavar="NAME", help="which account, where there are several")

    menu = add("menu", "set the menu of the official account, and print it")
    menu.add_argument(
        "channel", nargs="?", default="", metavar="CHANNEL", help="which account, where there are several"
    )
    menu.add_argument("--dry-run", action="store_true", help="print it, set nothing")
