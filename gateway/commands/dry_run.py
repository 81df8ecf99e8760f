"""`huiyin normalize` and `huiyin triage`: what the rules make of something, with no store."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import uuid_utils

from gateway.commands import Refusal
from gateway.commands.opening import STDIN, find_instance, load_settings, open_rules, walk_files
from gateway.contract.envelope import Envelope
from gateway.contract.errors import AdapterError
from gateway.contract.ports import Files
from gateway.plugins import open_channel
from gateway.stages.reading import Reader
from gateway.triage.stream import triage_lines


def run_normalize(options: argparse.Namespace) -> int:
    settings, instance = find_instance(load_settings(options).settings, options.channel)
    house, reader = open_rules(settings, kept_key=False)
    channel = open_channel(instance, settings.channels[instance], house)
    if not isinstance(channel, Files):
        raise Refusal(f"channel {options.channel} reads no files")
    if options.format and options.format not in channel.formats:
        raise Refusal(f"channel {options.channel} reads the formats {', '.join(channel.formats)}")
    failed = False
    for name, stream in walk_files(options.files):
        for envelope in channel.split(stream, Path(name).name, options.format):
            line, good = _normalize(reader, envelope, name)
            failed |= not good
            print(line, flush=True)
    return 1 if failed else 0


def run_triage(options: argparse.Namespace) -> int:
    settings = load_settings(options).settings
    _house, reader = open_rules(settings.model_copy(update={"channels": {}}), kept_key=False)
    if options.file == STDIN:
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
        source = sys.stdin
    else:
        try:
            source = Path(options.file).open(encoding="utf-8", errors="replace")  # noqa: SIM115 - closed by exit
        except OSError as error:
            raise Refusal(f"{options.file} cannot be read: {error.strerror}") from None
    with source:
        for line in triage_lines(source, reader.rules, reader.codes):
            print(line, flush=options.file == STDIN)
    return 0


def _normalize(reader: Reader, envelope: Envelope, name: str) -> tuple[str, bool]:
    try:
        draft = reader.draft(envelope)
    except AdapterError as error:
        return json.dumps(
            {"error": {"code": error.code, "message": error.detail or error.code}, "file": name}, ensure_ascii=False
        ), False
    complaint = reader.build(
        [draft],
        replace(envelope, backfill=True),
        complaint_id=uuid_utils.uuid7().hex,
        receipt=None,
        version=1,
        first_received=envelope,
    )
    return complaint.model_dump_json(by_alias=True), True
