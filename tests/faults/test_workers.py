"""A gateway that is killed leaves nothing behind: the processes that read for it end with it."""

import json
import time
import urllib.request
from pathlib import Path

from tests.running import HOTLINE_AND_LEDGER, KEY, gateway, write_config

LIMIT_S = 60.0


def push(url: str, number: int) -> None:
    body = {"call_id": f"CALL-{number}", "turns": [{"role": "customer", "text": f"排队太久了，通话 {number}"}]}
    headers = {"X-Huiyin-Key": KEY, "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/intake/hotline", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 201


def list_workers(pid: int) -> list[int]:
    """All processes that the gateway's forks have made, themselves not among them."""
    return [grandchild for child in list_children(pid) for grandchild in list_children(child)]


def list_children(pid: int) -> list[int]:
    paths = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in paths for child in path.read_text().split()]


def test_worker_processes_end_when_the_gateway_is_killed(tmp_path: Path) -> None:
    config = str(write_config(tmp_path, f"{HOTLINE_AND_LEDGER}batch = 8\nprocesses = 1\n"))
    with gateway(tmp_path, "--config", config, "--roles", "accept") as door:
        for number in range(80):
            push(door.url, number)
        assert door.stop() == 0
    with gateway(tmp_path, "--config", config) as running:
        deadline = time.monotonic() + LIMIT_S
        while not (workers := list_workers(running.process.pid)):
            assert time.monotonic() < deadline, "no worker process was started"
            time.sleep(0.01)
        running.kill()
        while left := [pid for pid in workers if Path(f"/proc/{pid}").exists()]:
            assert time.monotonic() < deadline, f"{left} stayed"
            time.sleep(0.05)
