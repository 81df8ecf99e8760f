"""Pushes and encrypted messages from the tests of five public libraries: each is opened, kept or refused as it should be."""

import collections
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import xmltodict
from wechat_account import open_with
from wechatpy.crypto import PrpCrypto

from adapters._tencent.crypto import NotDecrypted, decrypt, encrypt, find_token, make_signature, read_aes_key
from adapters._tencent.messages import read_message
from adapters.wechat.channel import WeChatChannel
from adapters.wechat.replies import render
from adapters.wechat.simulator import AES_KEYS, APPID, TOKENS, make_call
from config.branches import BranchEntry
from gateway.contract.envelope import Envelope
from gateway.contract.errors import Ignored, Refused, Unreadable

OWN = Path(__file__).parent / "vectors"
SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "redistributable" / "wechat"
FOLDERS = [
    pytest.param(OWN, id="own"),
    pytest.param(SHARED, id="all", marks=pytest.mark.skipif(not SHARED.is_dir(), reason="the full set is not here")),
]


def read_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def read_outcome(channel: WeChatChannel, envelope: Envelope) -> str:
    try:
        channel.draft(envelope)
    except Ignored:
        return "ignored"
    except Unreadable:
        return "for a person"
    return "draft"


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_vector_of_the_encryption_has_its_known_answer(folder):
    seen = collections.Counter()
    for row in read_rows(folder / "crypto_vectors.jsonl"):
        key, seen[row["op"]] = read_aes_key(row["aes_key"]), seen[row["op"]] + 1
        match row["op"]:
            case "check_signature":
                parts = (row["timestamp"], row["nonce"], row["cipher"])
                assert find_token((row["token"],), row["signature"], *parts) == row["token"]
                assert find_token((row["token"],), row["signature"], row["timestamp"], "437374424", parts[2]) is None
                assert decrypt(row["cipher"], (key,), row["receiver"])
            case "encrypt":
                sealed = encrypt(row["plain"].encode(), key, row["receiver"], prefix=row["random16"].encode())
                assert sealed == xmltodict.parse(row["expect_xml"])["xml"]["Encrypt"]
                signature = xmltodict.parse(row["expect_xml"])["xml"]["MsgSignature"]
                nonce = xmltodict.parse(row["expect_xml"])["xml"]["Nonce"]
                assert find_token((row["token"],), signature, row["timestamp"], nonce, sealed) == row["token"]
            case "decrypt":
                parts = (row["timestamp"], row["nonce"], row["cipher"])
                assert find_token((row["token"],), row["signature"], *parts) == row["token"]
                fields = read_message(decrypt(row["cipher"], (key,), row["receiver"])[0]).fields
                assert row["expect_fields"].items() <= fields.items()
                with pytest.raises(NotDecrypted, match="wechat_other_appid"):
                    decrypt(row["cipher"], (key,), "wx0000000000000000")
                with pytest.raises(NotDecrypted, match="wechat_undecryptable"):
                    decrypt(row["cipher"], (key[::-1],), row["receiver"])
            case other:
                raise AssertionError(f"a vector of another kind: {other}")
    assert seen == {"check_signature": 1, "encrypt": 1, "decrypt": 1}


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_push_is_read_as_another_reader_reads_it(folder):
    for row in read_rows(folder / "messages.jsonl"):
        theirs = {name: value for name, value in xmltodict.parse(row["xml"])["xml"].items() if isinstance(value, str)}
        ours = {name: value.strip() for name, value in read_message(row["xml"].encode()).fields.items()}
        assert {name: value for name, value in ours.items() if value} == theirs, row["id"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_push_is_kept_and_what_a_customer_says_gets_a_number(folder):
    channel = open_with(account="")
    outcomes = collections.defaultdict(set)
    for row in read_rows(folder / "messages.jsonl"):
        (envelope,) = channel.receive(make_call(row["xml"].encode()))
        again = channel.receive(make_call(row["xml"].encode()))[0]
        assert (envelope.source_key, envelope.content_digest()) == (again.source_key, again.content_digest())
        outcome = read_outcome(channel, envelope)
        assert envelope.receipt_wanted is (outcome == "draft"), row["id"]
        outcomes[row["kind"]].add(outcome)
    assert outcomes["event"] == {"ignored"}
    assert outcomes["message_in"] == {"draft", "for a person"}, "two are of a kind that nobody knows"
    assert outcomes["encrypted_envelope"] == {"for a person"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_an_encrypted_push_of_another_account_is_refused_at_the_door(folder):
    sealed = [row for row in read_rows(folder / "messages.jsonl") if row["kind"] == "encrypted_envelope"]
    assert sealed
    channel = open_with(account="")
    for row in sealed:
        call = make_call(row["xml"].encode(), mode="plain")
        with pytest.raises(Refused) as refused:
            channel.receive(call)
        assert refused.value.status == 403


def test_what_another_library_encrypts_for_us_arrives_whole():
    channel = open_with(account="")
    for row in read_rows(OWN / "messages.jsonl"):
        sealed = PrpCrypto(read_aes_key(AES_KEYS[0])).encrypt(row["xml"], APPID).decode()
        call = make_call(b"<xml/>")
        query = {
            **call.query,
            "msg_signature": make_signature(TOKENS[0], call.query["timestamp"], call.query["nonce"], sealed),
        }
        (envelope,) = channel.receive(replace(call, query=query, body=render("xml", {"Encrypt": sealed})))
        assert envelope.raw == row["xml"].encode(), row["id"]


SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "samples" / "wechat"


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples of every kind are not here")
def test_every_documented_kind_is_kept_and_understood():
    branches = {"BR-350100-0007": BranchEntry("BR-350100-0007", "福州湖东支行")}
    channel = open_with(account="", scenes={"123": "F0591001"}, house={"branches": branches})
    found = {}
    for path in sorted(SAMPLES.glob("*.xml")):
        (envelope,) = channel.receive(make_call(path.read_bytes()))
        found[path.stem] = (read_outcome(channel, envelope), envelope.receipt_wanted, envelope.hints.get("branch"))
    assert len(found) > 25
    for name, (outcome, wanted, _) in found.items():
        if name.startswith("msg_"):
            assert (outcome, wanted) == ("draft", True), name
        elif name.startswith("event_"):
            assert (outcome, wanted) == ("ignored", False), name
    assert {name: branch for name, (*_, branch) in found.items() if branch} == {
        "event_scan": "BR-350100-0007",
        "event_scan_int": "F0591001",
        "event_subscribe_qrscene": "BR-350100-0007",
    }
