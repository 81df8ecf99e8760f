"""A draft, or the error in its place, as the samples' `.out.json` writes them."""

import hashlib
import json
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from gateway.contract.draft import Draft
from gateway.contract.envelope import Envelope
from gateway.contract.errors import Ignored, Unreadable
from gateway.contract.ports import Channel


def describe(channel: Channel, envelope: Envelope) -> dict[str, Any]:
    try:
        draft = channel.draft(envelope)
    except (Unreadable, Ignored) as error:
        return {"error": {"type": type(error).__name__, "code": error.code}}
    defaults = asdict(Draft())
    given = {field.name: asdict(draft)[field.name] for field in fields(Draft)}
    changed = {name: value for name, value in given.items() if value != defaults[name]}
    described: dict[str, Any] = json.loads(json.dumps(changed, default=_to_json))
    return described


def _to_json(value: object) -> object:
    match value:
        case BaseModel():
            return value.model_dump(mode="json")
        case datetime():
            return value.isoformat()
        case bytes():
            return {"size": len(value), "sha256": hashlib.sha256(value).hexdigest()}
        case _:
            raise TypeError(f"a draft holds a {type(value).__name__}")
