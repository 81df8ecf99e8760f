"""A tracking system as banks have them, in a process of its own: `python -m tests.faults.tracker JOURNAL PORT SEED MOODS`.

What it takes is in its journal, synced, before it answers; that survives its own SIGKILL. It knows deliveries by their
`webhook-id`, and misbehaves by seed in the ways of MOODS (names with commas, or empty), at most twice per delivery:

    refuse    500, not taken                       busy      429 with Retry-After, not taken
    break     takes it, then answers 500           drop      takes it, then hangs up without an answer
    late      takes it, answers after the caller   slow      takes it, answers a little later
              has given up                         nameless  takes it, answers 200 without a ticket

A document whose words hold POISON is refused for good (422).
"""

import json
import os
import random
import socket
import sys
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook as Signer

SECRET = "whsec_ZmF1bHRzLXRyYWNrZXItc2VjcmV0LTAwMDAx"
POISON = "此件必被拒收"
MOODS = ("refuse", "busy", "break", "drop", "late", "slow", "nameless")
LATE_S, SLOW_S = 1.5, 0.2


class Tracker(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, journal: Path, port: int, seed: str, moods: list[str]) -> None:
        self._lock = threading.Lock()
        self._draw = random.Random(seed)
        self._moods = moods
        self._misbehaved: dict[str, int] = {}
        self._tickets: dict[str, str] = {}
        for entry in read_journal(journal):
            self._tickets[entry["id"]] = entry["ticket"]
        self._made = sum(bool(ticket) for ticket in self._tickets.values())
        self._journal = journal.open("ab")
        self._drop_torn_end(journal)
        super().__init__(("127.0.0.1", port), _Handler)

    def _drop_torn_end(self, journal: Path) -> None:
        """A line that a SIGKILL cut off was never answered: it is as if it had not come."""
        self._journal.truncate(journal.read_bytes().rfind(b"\n") + 1)

    def choose_mood(self, identifier: str) -> str:
        with self._lock:
            count = self._misbehaved.get(identifier, 0)
            if not self._moods or count >= 2 or self._draw.random() > 0.35:
                return ""
            self._misbehaved[identifier] = count + 1
            return self._draw.choice(self._moods)

    def take(self, identifier: str, event: dict[str, Any]) -> tuple[str, bool]:
        """(its ticket, whether it was here before). Durable when it returns."""
        document = event["data"]
        with self._lock:
            if identifier in self._tickets:
                return self._tickets[identifier], True
            ticket = ""
            if event["type"] == "complaint.registered":
                # Another delivery of the same complaint would be a second ticket: this system knows only the ids.
                self._made += 1
                ticket = f"T-{self._made}"
            line = {
                "id": identifier,
                "ticket": ticket,
                "receipt": document["receipt"],
                "version": document["version"],
                "text": json.dumps(document, ensure_ascii=False),
            }
            self._journal.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            self._journal.flush()
            os.fsync(self._journal.fileno())
            self._tickets[identifier] = ticket
            return ticket, False

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that is gone before it has its answer is part of the game; anything else is a mistake of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Tracker

    def do_POST(self) -> None:
        size = self.headers.get("Content-Length", "")
        body = self.rfile.read(int(size)) if size.isdecimal() else b""
        if str(len(body)) != size:
            # Torn on the way.
            self.close_connection = True
            return
        identifier = self.headers["webhook-id"]
        if not self._is_signed(identifier, body):
            self._answer(401, {})
            return
        event = json.loads(body)
        if POISON in json.dumps(event, ensure_ascii=False):
            self._answer(422, {"error": "refused"})
            return
        mood = self.server.choose_mood(identifier)
        if mood in ("refuse", "busy"):
            self._answer(*((500, {}) if mood == "refuse" else (429, {})), retry=mood == "busy")
            return
        ticket, was_here = self.server.take(identifier, event)
        if mood == "break":
            self._answer(500, {})
        elif mood == "drop":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif mood == "nameless":
            self._answer(200, {})
        else:
            time.sleep({"late": LATE_S, "slow": SLOW_S}.get(mood, 0))
            self._answer(409 if was_here else 201, {"ticket": ticket})

    def _is_signed(self, identifier: str, body: bytes) -> bool:
        moment = datetime.fromtimestamp(int(self.headers["webhook-timestamp"]), UTC)
        return Signer(SECRET).sign(identifier, moment, body.decode()) in self.headers["webhook-signature"].split()

    def _answer(self, status: int, value: dict[str, str], *, retry: bool = False) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if retry:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        pass


def read_journal(journal: Path) -> list[dict[str, Any]]:
    """Its complete lines, in the order of taking."""
    if not journal.exists():
        return []
    return [json.loads(line) for line in journal.read_bytes().split(b"\n")[:-1]]


def main() -> None:
    journal, port, seed, moods = sys.argv[1:]
    server = Tracker(Path(journal), int(port), seed, [mood for mood in moods.split(",") if mood])
    print("ready", server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
