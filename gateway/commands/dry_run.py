"""`huiyin normalize` and `huiyin triage`: what the rules make of something, with no store."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import uuid_utils

from config.demo import lend_channel
from config.load import validate
from config.settings import InstanceSettings, Settings
from gateway.commands import Refusal
from gateway.commands.opening import (
    STDIN,
    find_configured,
    list_files,
    load_settings,
    open_file,
    open_files,
    open_rules,
)
from gateway.contract.envelope import Envelope
from gateway.contract.errors import AdapterError
from gateway.contract.ports import Files
from gateway.ops.logs import log, set_up_logs
from gateway.stages.reading import Reader
from gateway.triage.stream import triage_lines


def run_normalize(options: argparse.Namespace) -> int:
    set_up_logs(sys.stderr)
    settings, instance = _lend_settings(load_settings(options).settings, options.channel)
    house, reader = open_rules(settings, kept_key=False)
    channel = open_files(settings, instance, house, options.format)
    count = failed = 0
    for name in list_files(options.files):
        for line, good in _normalize_file(reader, channel, name, options.format):
            count += 1
            failed += not good
            print(line, flush=True)
    if failed:
        print(f"huiyin: {failed} of {count} could not be read; their lines say why", file=sys.stderr)
    return 1 if failed else 0


def run_triage(options: argparse.Namespace) -> int:
    settings = load_settings(options).settings
    _house, reader = open_rules(settings.model_copy(update={"channels": {}}), kept_key=False)
    if options.file == STDIN:
        sys.stdin.reconfigure(encoding="utf-8-sig", errors="replace")  # type: ignore[union-attr]
        source = sys.stdin
    else:
        try:
            source = Path(options.file).open(encoding="utf-8-sig", errors="replace")  # noqa: SIM115 - closed by exit
        except OSError as error:
            raise Refusal(f"{options.file} cannot be read: {error.strerror}") from None
    with source:
        for line in triage_lines(source, reader.rules, reader.codes):
            print(line, flush=options.file == STDIN)
    return 0


def _lend_settings(settings: Settings, channel: str) -> tuple[Settings, str]:
    """A dry run lets nobody in, so a party that is not in the settings is read with the demo bank's."""
    instance = find_configured(settings, channel)
    if instance is None:
        entry = validate(InstanceSettings, lend_channel(channel) or {"adapter": channel}, f"channels.{channel}")
        instance = channel
    else:
        entry = settings.channels[instance].model_copy(update={"enabled": True})
    return settings.model_copy(update={"channels": {**settings.channels, instance: entry}}), instance


def _normalize_file(reader: Reader, channel: Files, name: str, format_name: str | None) -> Iterator[tuple[str, bool]]:
    try:
        with open_file(name) as stream:
            for envelope in channel.split(stream, Path(name).name, format_name):
                yield _normalize(reader, envelope, name)
    except Refusal as error:
        yield _write_error("file_unreadable", str(error), name)


def _normalize(reader: Reader, envelope: Envelope, name: str) -> tuple[str, bool]:
    try:
        complaint = reader.build(
            [reader.draft(envelope)],
            envelope,
            complaint_id=uuid_utils.uuid7().hex,
            receipt=None,
            version=1,
            first_received=envelope,
        )
        return complaint.model_dump_json(by_alias=True), True
    except AdapterError as error:
        return _write_error(error.code, error.detail or error.code, name)
    except Exception as error:
        # As in the gateway: one piece that meets a bug must not keep the others from being read.
        log.exception("normalize.failed", file=name)
        return _write_error(f"bug_{type(error).__name__}", "This is a bug of ours; the log holds its traceback.", name)


def _write_error(code: str, message: str, name: str) -> tuple[str, bool]:
    return json.dumps({"error": {"code": code, "message": message}, "file": name}, ensure_ascii=False), False
