"""What the door of every push channel promises to those outside."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from gateway.contract.call import Call, Reply
from gateway.contract.envelope import Accepted, Envelope
from gateway.contract.errors import AdapterError, Ignored, Refused, TryLater, Unreadable
from gateway.contract.ports import Channel, House, Push
from gateway.contract.receipt import make_receipt
from tests.contract.parties import PUSHES, having, load, open_push

MARKER = "蒙面超人二七一八"
PHONE = "13912345678"
TEXT = f"我要投诉，{MARKER}的卡被吞了，请回电 {PHONE}"
GUARDED = [party for party in PUSHES if party not in having("simulator.py", "\nSECRETLESS = True")]


def push(party: str, key: str = "k-1", secret: str = "right", text: str = TEXT) -> Call:
    call = load(party, "simulator").push(text=text, key=key, secret=secret)
    assert isinstance(call, Call)
    return call


def receive(channel: Push, call: Call) -> list[Envelope]:
    got = channel.receive(call)
    assert not isinstance(got, Reply), "a complaint was answered without being kept"
    assert got, "a complaint came in and nothing is kept"
    return list(got)


def damage(call: Call) -> Iterator[Call]:
    """The same call with bodies that no honest party sends."""
    luck = random.Random(20260101)
    bodies = [b"", b"\x00", b" ", b"null", b"[]", b"{}", b"<xml/>", b"1" * 5000, b"\xff\xfe\x00"]
    bodies += [call.body[: round(len(call.body) * tenth / 10)] for tenth in range(10)]
    bodies += [call.body[:-1], call.body * 2, call.body + b"\x00"]
    bodies += [luck.randbytes(luck.randrange(1, 400)) for _ in range(60)]
    bodies += [
        bytes(byte ^ (1 << luck.randrange(8)) if luck.random() < 0.01 else byte for byte in call.body)
        for _ in range(60)
    ]
    deep = 100_000
    bodies += [b"[" * deep, b'{"text":' * deep, b'{"turns":[' * deep, b"<a>" * deep]
    bodies.append(json.dumps({f"field{n}": n for n in range(20_000)} | {"text": TEXT}).encode())
    bodies.append(b"&".join(b"f%d=%d" % (n, n) for n in range(20_000)))
    bodies.append(b'{"text": "\\ud800", "call_id": "\\ud800", "id": 1e999, "turns": [{"text": 7}, null, [[]]]}')
    for body in bodies:
        yield replace(call, body=body, headers={**call.headers, "content-length": str(len(body))})


def outcomes(channel: Push, calls: Iterator[Call]) -> Iterator[tuple[Call, AdapterError]]:
    """Every named failure; any other exception breaks out and fails the test."""
    assert isinstance(channel, Channel)
    for call in calls:
        try:
            got = channel.receive(call)
        except Refused as error:
            yield call, error
            continue
        for envelope in () if isinstance(got, Reply) else got:
            try:
                channel.draft(envelope)
            except (Unreadable, Ignored) as error:
                yield call, error


@pytest.mark.parametrize("party", PUSHES)
def test_the_customers_words_arrive_in_the_draft(party: str, house: House) -> None:
    channel = open_push(party, house)
    assert isinstance(channel, Channel)
    (envelope,) = receive(channel, push(party))
    draft = channel.draft(envelope)
    assert MARKER in draft.text + "".join(turn.text for turn in draft.turns)


@pytest.mark.parametrize("party", PUSHES)
def test_a_draft_is_the_same_whenever_it_is_read(party: str, house: House) -> None:
    channel = open_push(party, house)
    assert isinstance(channel, Channel)
    (envelope,) = receive(channel, push(party))
    assert channel.draft(envelope) == channel.draft(envelope)


@pytest.mark.parametrize("party", PUSHES)
def test_the_same_push_twice_has_one_key_and_one_content(party: str, house: House) -> None:
    channel = open_push(party, house)
    first, second = receive(channel, push(party)), receive(channel, push(party))
    assert [(each.source_key, each.content_digest()) for each in first] == [
        (each.source_key, each.content_digest()) for each in second
    ]


@pytest.mark.parametrize("party", PUSHES)
def test_two_pushes_have_two_keys(party: str, house: House) -> None:
    channel = open_push(party, house)
    first, second = receive(channel, push(party, "k-1")), receive(channel, push(party, "k-2"))
    assert {each.source_key for each in first}.isdisjoint(each.source_key for each in second)


@pytest.mark.parametrize("party", PUSHES)
def test_every_push_goes_to_an_address_that_the_channel_answers(party: str, house: House) -> None:
    channel, call = open_push(party, house), push(party)
    assert any(route.method == call.method and matches(route.path, call.path) for route in channel.routes()), (
        f"{call.method} {call.path} is none of its routes"
    )


def matches(route: str, path: str) -> bool:
    ours, theirs = route.split("/"), path.split("/")
    return len(ours) == len(theirs) and all(
        mine == their or (mine.startswith("{") and their != "") for mine, their in zip(ours, theirs, strict=True)
    )


@pytest.mark.parametrize("secret", ["right", "rotated"])
@pytest.mark.parametrize("party", GUARDED)
def test_the_current_and_the_previous_secret_open_the_door(party: str, secret: str, house: House) -> None:
    assert receive(open_push(party, house), push(party, secret=secret))


@pytest.mark.parametrize("secret", ["wrong", "missing"])
@pytest.mark.parametrize("party", GUARDED)
def test_a_wrong_or_missing_secret_is_refused(party: str, secret: str, house: House) -> None:
    with pytest.raises(Refused) as refused:
        open_push(party, house).receive(push(party, secret=secret))
    assert refused.value.status in {401, 403}


@pytest.mark.parametrize("party", PUSHES)
def test_whatever_is_sent_is_kept_or_refused_in_words(party: str, house: House) -> None:
    for _, error in outcomes(open_push(party, house), damage(push(party))):
        assert not isinstance(error, Refused) or 400 <= error.status < 500
        assert error.code.replace("_", "").isalnum()
        assert error.code == error.code.lower()


@pytest.mark.parametrize("party", PUSHES)
def test_no_failure_repeats_what_the_customer_said(party: str, house: House) -> None:
    channel = open_push(party, house)
    calls = [*damage(push(party)), *(push(party, secret=each) for each in ("wrong", "missing"))]
    for call, error in outcomes(channel, iter(calls)):
        told = f"{error} {getattr(error, 'fields', {})}"
        answer = channel.refuse(call, error)
        told += answer.body.decode("utf-8", "replace") + str(answer.headers) if answer else ""
        assert MARKER not in told
        assert PHONE not in told


@pytest.mark.parametrize("party", PUSHES)
def test_a_refusal_can_always_be_answered(party: str, house: House) -> None:
    channel = open_push(party, house)
    errors: list[AdapterError] = [
        *(Refused("some_code", status=status) for status in (400, 401, 403, 409, 413, 415, 422, 429)),
        TryLater("store_unavailable", after_s=5),
    ]
    for call in (push(party), replace(push(party), body=b"\xff", headers={}, query={})):
        for error in errors:
            answer = channel.refuse(call, error)
            assert answer is None or (MARKER.encode() not in answer.body and 200 <= answer.status < 600)


@pytest.mark.parametrize("party", PUSHES)
def test_the_answer_carries_the_receipt_and_is_the_same_for_a_duplicate(party: str, house: House) -> None:
    channel, call = open_push(party, house), push(party)
    receipt = make_receipt(47_110_815_424)
    kept = [Accepted(envelope_id=f"e-{n}", receipt=receipt) for n, _ in enumerate(receive(channel, call))]
    for each in (kept, [replace(one, duplicate=True) for one in kept]):
        answer = channel.reply(call, each)
        assert 200 <= answer.status < 400
        assert MARKER.encode() not in answer.body


@pytest.mark.parametrize("party", PUSHES)
def test_a_field_nobody_knows_does_no_harm(party: str, house: House) -> None:
    channel, call = open_push(party, house), push(party)
    assert isinstance(channel, Channel)
    add = _find_adder(call)
    if add is None:
        pytest.skip(f"{party}: {call.media_type} has no place for a further field")
    (before,) = receive(channel, call)
    try:
        (after,) = receive(channel, replace(call, body=add(call.body)))
    except Refused as error:
        # Where a signature covers the body, only the party itself can add one.
        if error.status not in {401, 403}:
            raise
    else:
        assert channel.draft(after) == channel.draft(before)


def _find_adder(call: Call) -> Callable[[bytes], bytes] | None:
    if call.body.startswith(b"{"):
        return lambda body: json.dumps(json.loads(body) | {"x_new_in_2030": {"deep": [1, None]}}).encode()
    if call.body.startswith(b"<xml>"):
        return lambda body: body.replace(b"</xml>", b"<NewIn2030>1</NewIn2030></xml>")
    if "urlencoded" in call.media_type:
        return lambda body: body + b"&NewIn2030=1"
    return None
