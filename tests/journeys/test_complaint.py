"""A complaint's way from the door to the ledger, in a gateway as a bank would run it."""

import json
import smtplib
import urllib.error
import urllib.request
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from gateway.contract.receipt import parse_receipt
from tests.ports import find_port
from tests.running import (
    HOTLINE_AND_LEDGER,
    KEY,
    Running,
    gateway,
    read_ledger,
    run_cli,
    wait_for_ledger,
    write_config,
)

CALL = {
    "call_id": "CALL-1",
    "caller": "13800138000",
    "turns": [
        {"role": "agent", "text": "您好，请问有什么可以帮您？"},
        {"role": "customer", "text": "我的信用卡昨天晚上被盗刷了八千元，不是我本人操作，请马上帮我冻结！"},
    ],
}


def post(url: str, body: object, **headers: str) -> tuple[int, dict[str, Any]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def push(running: Running, body: object = CALL, **headers: str) -> tuple[int, dict[str, Any]]:
    return post(f"{running.url}/intake/hotline", body, **{"X-Huiyin-Key": KEY, **headers})


@pytest.fixture
def running(tmp_path: Path):
    with gateway(tmp_path, "--config", str(write_config(tmp_path))) as one:
        yield one


def test_a_call_gets_a_receipt_and_stands_in_the_ledger_with_its_verdict(running: Running, tmp_path: Path) -> None:
    status, told = push(running)
    assert status == 201
    assert parse_receipt(told["receipt"]) == told["receipt"]
    (entry,) = wait_for_ledger(tmp_path, {told["receipt"]})
    assert entry["verdict"]["level"] == "critical"
    assert entry["verdict"]["signals"]
    assert entry["complainant"]["phones"] == ["13800138000"]
    assert entry["ticket"]


def test_the_same_push_again_gives_the_same_receipt_and_one_entry(running: Running, tmp_path: Path) -> None:
    _, first = push(running)
    status, again = push(running)
    assert status == 200
    assert again["duplicate"] is True
    assert again["receipt"] == first["receipt"]
    assert len(wait_for_ledger(tmp_path, {first["receipt"]})) == 1


def test_a_fuller_transcript_of_the_same_call_supplements_the_complaint(running: Running, tmp_path: Path) -> None:
    calm = {"call_id": "CALL-2", "turns": [{"role": "customer", "text": "我想反映一下排队时间太长的问题。"}]}
    _, first = push(running, calm)
    wait_for_ledger(tmp_path, {first["receipt"]})
    more = {"role": "customer", "text": "我刚刚把五万块转给骗子了，怎么办，快帮我止付！"}
    status, second = push(running, {**calm, "turns": [*calm["turns"], more]})
    assert status in (200, 201)
    assert second["receipt"] == first["receipt"]
    for _ in range(100):
        (entry,) = wait_for_ledger(tmp_path, {first["receipt"]})
        if entry["version"] == 2:
            break
        import time

        time.sleep(0.05)
    assert entry["version"] == 2
    assert entry["verdict"]["level"] == "critical"


def test_trace_tells_the_story_of_a_receipt(running: Running, tmp_path: Path) -> None:
    _, told = push(running)
    wait_for_ledger(tmp_path, {told["receipt"]})
    story = run_cli("trace", told["receipt"], "--data", str(tmp_path))
    assert story.returncode == 0, story.stderr
    for word in ("envelope.accepted", "complaint.registered", "CRITICAL", "ticket at ledger"):
        assert word in story.stdout
    assert "13800138000" not in story.stdout


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{", {}, 400, None),
        ("\u0000".encode("utf-16"), {}, 400, None),
        (b"[" * 100_000, {}, 400, None),
        (CALL, {"X-Huiyin-Key": "wrong"}, 403, None),
        (CALL, {"X-Huiyin-Key": ""}, 401, None),
        (b" " * 3_000_000, {}, 413, "too_large"),
        ({"call_id": "x"}, {}, 422, None),
        (CALL, {"Content-Type": "image/png"}, 415, None),
    ],
)
def test_bad_input_gets_the_documented_error_and_nothing_is_stored(
    running: Running, tmp_path: Path, body: object, headers: dict[str, str], status: int, code: str | None
) -> None:
    got, problem = push(running, body, **headers)
    assert got == status, problem
    assert problem["code"] == (code or problem["code"])
    assert problem["status"] == status
    assert push(running)[0] == 201, "its neighbours are served"
    assert len(read_ledger(tmp_path)) <= 1
    with urllib.request.urlopen(f"{running.url}/metrics", timeout=10) as metrics:
        assert "huiyin_refused_total" in metrics.read().decode()


def test_the_same_key_with_other_content_is_a_conflict(running: Running) -> None:
    assert push(running, **{"Idempotency-Key": "k-1"})[0] == 201
    status, problem = push(running, {**CALL, "call_id": "CALL-9"}, **{"Idempotency-Key": "k-1"})
    assert (status, problem["code"]) == (409, "key_conflict")


def test_health_says_alive_and_ready_and_the_api_describes_itself(running: Running) -> None:
    for path in ("/live", "/ready", "/metrics", "/openapi.json"):
        with urllib.request.urlopen(running.url + path, timeout=10) as answer:
            assert answer.status == 200
    status, problem = post(f"{running.url}/nowhere", {})
    assert (status, problem["code"]) == (404, "not_found")


def test_sigterm_drains_and_exits_with_zero(running: Running, tmp_path: Path) -> None:
    _, told = push(running)
    assert running.stop() == 0
    with gateway(tmp_path, "--config", str(tmp_path / "huiyin.toml")):
        assert wait_for_ledger(tmp_path, {told["receipt"]})


def test_no_log_line_holds_what_the_customer_said(running: Running) -> None:
    push(running)
    push(running, b"{ 13800138000")
    running.stop()
    said = "".join(running.output)
    assert "13800138000" not in said
    assert "盗刷" not in said


def test_a_mail_gets_its_250_after_the_commit_and_stands_in_the_ledger(tmp_path: Path) -> None:
    port = find_port()
    config = write_config(tmp_path, HOTLINE_AND_LEDGER + f'[channels.mail]\nadapter = "email"\nport = {port}\n')
    with gateway(tmp_path, "--config", str(config)):
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = (
            "客户 <customer@example.org>",
            "complaints@bank.example",
            "投诉理财经理",
        )
        mail.set_content("理财经理隐瞒风险，我要求退还本金五万元。")
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as session:
            assert session.send_message(mail) == {}
        for _ in range(40):
            entries = read_ledger(tmp_path)
            if entries:
                break
            import time

            time.sleep(0.05)
    (entry,) = entries
    assert entry["channel"] == {"party": "email", "instance": "mail"}
    assert entry["title"] == "投诉理财经理"
