"""What operations ask: is it alive, is it ready, how does it stand, which addresses are there."""

import asyncio
import json
import re
from collections.abc import Callable, Sequence

from gateway.contract.call import Call, Reply, Route
from gateway.contract.complaint import Complaint
from gateway.intake.server import PROBLEM, Intake
from gateway.ops import metrics
from gateway.store.port import Store, StoreUnavailable

PROBE_LIMIT_S = 2.0
JSON = "application/json"


class Health:
    """`checks` are further conditions of readiness: each gives "" when good, else what is wrong."""

    def __init__(self, store: Store, version: str) -> None:
        self._store = store
        self.checks: dict[str, Callable[[], str]] = {}
        self._version = version
        self._routes: Sequence[tuple[str, Route]] = ()
        self.draining = False

    def add_to(self, intake: Intake) -> None:
        self._routes = intake.routes
        pages = {"/live": self._live, "/ready": self._ready, "/metrics": self._metrics, "/openapi.json": self._openapi}
        for path, answer in pages.items():
            intake.add_page("health", Route(method="GET", path=path), answer)

    async def _live(self, _call: Call) -> Reply:
        return _to_json(200, {"status": "alive", "version": self._version})

    async def _ready(self, _call: Call) -> Reply:
        found = {name: check() for name, check in self.checks.items()}
        found["store"] = await self._probe()
        found["draining"] = "shutting down" if self.draining else ""
        good = not any(found.values())
        return _to_json(
            200 if good else 503,
            {
                "status": "ready" if good else "not_ready",
                "checks": {name: text or "good" for name, text in found.items()},
            },
        )

    async def _probe(self) -> str:
        try:
            async with asyncio.timeout(PROBE_LIMIT_S):
                await self._store.probe()
        except StoreUnavailable as error:
            return str(error)
        except TimeoutError:
            return f"the store did not commit within {PROBE_LIMIT_S:g} s"
        return ""

    async def _metrics(self, _call: Call) -> Reply:
        body, content_type = metrics.render()
        return Reply(200, body, content_type)

    async def _openapi(self, _call: Call) -> Reply:
        return _to_json(200, describe_api(self._routes, self._version))


def describe_api(routes: Sequence[tuple[str, Route]], version: str) -> dict[str, object]:
    """OpenAPI 3.1 of the JSON routes."""
    problem = {
        "description": "Problem (RFC 9457)",
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    receipt = {"description": "Kept", "content": {JSON: {"schema": {"$ref": "#/components/schemas/Kept"}}}}
    paths: dict[str, dict[str, object]] = {}
    for name, route in routes:
        if route.path.startswith("/intake/"):
            paths.setdefault(route.path, {})[route.method.lower()] = {
                "summary": f"Push to channel {name}",
                "security": [{"key": []}, {"bearer": []}],
                "parameters": [
                    {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 255}},
                    *(
                        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                        for name in re.findall(r"\{(\w+)\}", route.path)
                    ),
                ],
                "requestBody": {"required": True, "content": {JSON: {"schema": {"type": "object"}}}},
                "responses": {"201": receipt, "200": receipt, "4XX": problem, "503": problem},
            }
        elif name == "health":
            paths[route.path] = {
                "get": {
                    "summary": route.path[1:],
                    "responses": {"200": {"description": "Good"}, "503": {"description": "Not good"}},
                }
            }
    schema = Complaint.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
    return {
        "openapi": "3.1.0",
        "info": {"title": "Huiyin 回音", "version": version},
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-Huiyin-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
            "schemas": {
                "Kept": {
                    "type": "object",
                    "required": ["id", "receipt", "duplicate", "status_url"],
                    "properties": {
                        "id": {"type": "string"},
                        "receipt": {"type": "string", "pattern": "^[1-9][0-9]{11}$"},
                        "duplicate": {"type": "boolean"},
                        "status_url": {"type": "string", "format": "uri"},
                    },
                },
                "Problem": {
                    "type": "object",
                    "required": ["type", "title", "status", "code"],
                    "properties": {
                        "type": {"type": "string"},
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "code": {"type": "string"},
                        "detail": {"type": "string"},
                        "fields": {"type": "object", "additionalProperties": {"type": "string"}},
                    },
                },
                **schema.pop("$defs", {}),
                "Complaint": schema,
            },
        },
    }


def _to_json(status: int, value: object) -> Reply:
    return Reply(status, json.dumps(value, ensure_ascii=False).encode(), JSON)
