import asyncio
import json
import logging

import pytest

from gateway.contract.receipt import parse_receipt
from tests.intake.conftest import LIMIT, Open, Party, Site

PROBLEM = "application/problem+json"


def read_problem(headers: dict[str, str], body: bytes) -> dict[str, object]:
    assert headers["Content-Type"] == PROBLEM
    problem = json.loads(body)
    assert {"type", "title", "status", "code"} <= problem.keys()
    return problem


async def count_kept(site: Site) -> int:
    return sum(standing.count for standing in await site.store.totals())


# --- addresses -----------------------------------------------------------------------------------------------------


async def test_an_unknown_address_is_told_so(open_site: Open):
    site = await open_site(Party())
    status, headers, body = await site.ask("POST", "/nowhere")
    assert (status, read_problem(headers, body)["code"]) == (404, "not_found")


async def test_a_wrong_method_is_told_which_ones_the_address_takes(open_site: Open):
    site = await open_site(Party(methods=("GET", "POST")), Party("other", paths=("/b/{token}",)))
    for path, takes in (("/intake/party", "GET, HEAD, POST"), ("/b/x", "POST")):
        status, headers, body = await site.ask("DELETE", path)
        assert (status, headers["Allow"]) == (405, takes)
        assert read_problem(headers, body)["code"] == "method_not_allowed"


async def test_head_is_answered_like_get_without_its_body(open_site: Open):
    party = Party(methods=("GET",))
    site = await open_site(party)
    status, headers, body = await site.ask("HEAD", "/intake/party")
    assert (status, body, headers["Content-Length"]) == (200, b"", str(len(b"page of party")))
    assert party.calls[0].method == "GET"


async def test_placeholders_take_one_part_of_the_path_and_fixed_addresses_go_first(open_site: Open):
    general, special = Party("general", paths=("/b/{token}",)), Party("special", paths=("/b/fixed",))
    site = await open_site(general, special)
    assert (await site.ask("POST", "/b/qr1.%E9%95%BF", b"x"))[0] == 201
    assert general.calls[0].params == {"token": "qr1.长"}
    assert (await site.ask("POST", "/b/fixed", b"y"))[0] == 201
    assert len(special.calls) == 1
    assert (await site.ask("POST", "/b/x/y", b"z"))[0] == 404
    assert (await site.ask("POST", "/b/", b"z"))[0] == 404


async def test_of_two_channels_with_one_address_the_first_has_it_and_both_keep_their_own(open_site: Open):
    first, second = (
        Party("a", paths=("/intake/hotline", "/intake/a")),
        Party("b", paths=("/intake/hotline", "/intake/b")),
    )
    site = await open_site(first, second)
    for path in ("/intake/hotline", "/intake/a", "/intake/b"):
        assert (await site.ask("POST", path, path.encode()))[0] == 201
    assert [call.path for call in first.calls] == ["/intake/hotline", "/intake/a"]
    assert [call.path for call in second.calls] == ["/intake/b"]


async def test_the_adapter_sees_the_public_address_with_its_query_as_it_was_sent(open_site: Open):
    party = Party()
    site = await open_site(party)
    await site.talk(
        b"POST /intake/party?signature=a%2Fb&x=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Content-Type: Text/Plain; charset=UTF-8\r\nContent-Length: 1\r\n\r\nx"
    )
    (call,) = party.calls
    assert call.url == "https://echo.bank.example/intake/party?signature=a%2Fb&x=1"
    assert call.query["signature"] == "a/b"
    assert (call.media_type, call.headers["content-type"]) == ("text/plain", "Text/Plain; charset=UTF-8")


# --- sizes ---------------------------------------------------------------------------------------------------------


async def test_a_body_of_the_limit_is_kept_and_one_byte_more_is_not(open_site: Open):
    site = await open_site(Party())
    assert (await site.ask("POST", "/intake/party", b"x" * LIMIT))[0] == 201
    status, headers, body = await site.ask("POST", "/intake/party", b"x" * (LIMIT + 1))
    assert (status, read_problem(headers, body)["code"]) == (413, "too_large")
    assert await count_kept(site) == 1


async def test_a_body_sent_in_chunks_is_measured_as_well(open_site: Open):
    site = await open_site(Party(), Party("large", paths=("/intake/large",)))

    async def chunks(count: int):
        for _ in range(count):
            yield b"x" * 1000

    assert (await site.ask("POST", "/intake/party", chunks(10)))[0] == 201
    status, headers, body = await site.ask("POST", "/intake/party", chunks(11))
    assert (status, read_problem(headers, body)["code"]) == (413, "too_large")


async def test_a_length_over_the_limit_is_refused_before_the_body_is_sent(open_site: Open):
    site = await open_site(Party())
    head = f"POST /intake/party HTTP/1.1\r\nHost: x\r\nContent-Length: {LIMIT + 1}\r\nExpect: 100-continue\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(head.encode())
    assert (await asyncio.wait_for(reader.readline(), 20)).startswith(b"HTTP/1.1 413 ")
    writer.close()


async def test_a_caller_that_waits_to_be_told_so_is_told_to_go_on(open_site: Open):
    site = await open_site(Party())
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(b"POST /intake/party HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert await asyncio.wait_for(reader.readline(), 20) == b"HTTP/1.1 100 Continue\r\n"
    assert await reader.readline() == b"\r\n"
    writer.write(b"ok")
    assert await asyncio.wait_for(reader.readline(), 20) == b"HTTP/1.1 201 Created\r\n"
    writer.close()


# --- who calls -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trusted", "forwarded", "seen"),
    [
        ((), ["203.0.113.7"], "127.0.0.1"),
        (("10.0.0.1",), ["203.0.113.7"], "127.0.0.1"),
        (("127.0.0.1",), ["203.0.113.7"], "203.0.113.7"),
        (("127.0.0.1",), ["6.6.6.6, 203.0.113.7"], "203.0.113.7"),
        (("127.0.0.1",), ["6.6.6.6", "203.0.113.7"], "203.0.113.7"),
        (("127.0.0.1", "10.0.0.1"), ["6.6.6.6, 203.0.113.7, 10.0.0.1"], "203.0.113.7"),
        (("127.0.0.1",), [""], "127.0.0.1"),
        (("127.0.0.1",), [], "127.0.0.1"),
    ],
)
async def test_only_a_trusted_proxy_is_believed_who_called(
    open_site: Open, trusted: tuple[str, ...], forwarded: list[str], seen: str
):
    party = Party()
    site = await open_site(party, trusted_proxies=trusted)
    headers = "".join(f"X-Forwarded-For: {value}\r\n" for value in forwarded)
    answer = await site.talk(
        f"POST /intake/party HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: 1\r\n\r\nx".encode()
    )
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert party.calls[0].remote == seen


async def test_too_many_calls_from_one_address_are_told_when_to_come_back_and_others_are_served(open_site: Open):
    site = await open_site(Party(public=True), per_minute=3, trusted_proxies=("127.0.0.1",))
    for number in range(3):
        assert (await site.ask("POST", "/intake/party", str(number), **{"X-Forwarded-For": "203.0.113.7"}))[0] == 201
    status, headers, body = await site.ask("POST", "/intake/party", b"4", **{"X-Forwarded-For": "203.0.113.7"})
    assert (status, headers["Retry-After"]) == (429, "60")
    assert read_problem(headers, body)["code"] == "too_many_calls"
    assert (await site.ask("POST", "/intake/party", b"5", **{"X-Forwarded-For": "203.0.113.8"}))[0] == 201


# --- when something fails ------------------------------------------------------------------------------------------


async def test_while_the_store_cannot_commit_callers_are_told_to_come_back(open_site: Open):
    site = await open_site(Party(), min_free_mb=10**9)
    status, headers, body = await site.ask("POST", "/intake/party", b"x")
    assert (status, headers["Retry-After"]) == (503, "60")
    assert read_problem(headers, body)["code"] == "store_unavailable"
    assert await count_kept(site) == 0


async def test_the_same_key_with_other_content_is_a_conflict_and_the_first_is_kept(open_site: Open):
    site = await open_site(Party())
    assert (await site.ask("POST", "/intake/party", b"one", **{"Idempotency-Key": "k"}))[0] == 201
    status, headers, body = await site.ask("POST", "/intake/party", b"two", **{"Idempotency-Key": "k"})
    assert (status, read_problem(headers, body)["code"]) == (409, "key_conflict")
    assert await count_kept(site) == 1


async def test_a_bug_in_an_adapter_is_answered_without_its_words_and_the_next_call_is_served(open_site: Open):
    site = await open_site(Party())
    status, headers, body = await site.ask("POST", "/intake/party", b"bug")
    assert (status, read_problem(headers, body)["code"]) == (503, "internal_error")
    assert b"13800138000" not in body
    assert headers["Retry-After"]
    assert (await site.ask("POST", "/intake/party", b"fine"))[0] == 201


async def test_one_key_from_many_callers_at_once_is_one_receipt(open_site: Open):
    site = await open_site(Party())
    answers = await asyncio.gather(*(site.ask("POST", "/intake/party", b"same") for _ in range(30)))
    told = [json.loads(body) for _, _, body in answers]
    assert len({one["receipt"] for one in told}) == 1
    assert sorted(one["duplicate"] for one in told) == [False] + [True] * 29
    assert parse_receipt(told[0]["receipt"]) == told[0]["receipt"]


# --- bytes that are no proper request ------------------------------------------------------------------------------


async def test_slow_and_half_requests_do_not_hold_up_others(open_site: Open):
    site = await open_site(Party())
    half = []
    for sent in (
        b"",
        b"POST /intake/party HT",
        b"POST /intake/party HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nbegun",
        b"POST /intake/party HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbeg",
    ) * 25:
        _, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(sent)
        half.append(writer)
    for number in range(20):
        assert (await site.ask("POST", "/intake/party", f"whole {number}"))[0] == 201
    for writer in half:
        writer.close()
    assert await count_kept(site) == 20
    assert (await site.ask("POST", "/intake/party", b"after"))[0] == 201


async def test_a_body_that_does_not_come_is_given_up(open_site: Open):
    site = await open_site(Party(), body_limit_s=0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(b"POST /intake/party HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nbegun")
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    assert head.startswith(b"HTTP/1.1 408 ")
    assert PROBLEM.encode() in head
    writer.close()
    assert await count_kept(site) == 0


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01 13800138000\r\n\r\n",
        b"13800138000 / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n13800138000\r\n\r\n",
        b"POST /intake/party HTTP/1.1\r\nHost: x\r\nContent-Length: 13800138000x\r\n\r\n",
        b"POST /intake/party HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz13800138000\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"13800138000" * 3000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_refused_without_being_repeated(
    open_site: Open, sent: bytes, caplog: pytest.LogCaptureFixture
):
    site = await open_site(Party())
    with caplog.at_level(logging.INFO):
        answer = await site.talk(sent)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] == b"400", answer
    assert PROBLEM.encode() in head
    assert json.loads(body)["code"] == "malformed_request"
    assert b"13800138000" not in answer
    assert "13800138000" not in caplog.text
    assert (await site.ask("POST", "/intake/party", b"next"))[0] == 201


async def test_garbage_behind_good_requests_ends_the_connection_and_every_yes_stands_for_something_kept(
    open_site: Open,
):
    site = await open_site(Party())
    for number in range(5):
        kept = await count_kept(site)
        good = b"POST /intake/party HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\ngood%d" % number
        answer = await site.talk(good + b"\x00\xff garbage\r\n\r\n" + good)
        assert b" 400 Bad Request" in answer
        assert await count_kept(site) == kept + answer.count(b" 201 Created")


async def test_headers_that_are_no_utf8_are_written_out_and_stay_apart(open_site: Open):
    party = Party()
    site = await open_site(party)
    head = (
        b"POST /intake/party HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\nUser-Agent: \xb9\xfe\r\n"
    )
    for key in (b"\xb9", b"\xba", "键".encode()):
        answer = await site.talk(head + b"Idempotency-Key: " + key + b"\r\n\r\nx")
        assert answer.startswith(b"HTTP/1.1 201 "), answer
    assert [call.headers["idempotency-key"] for call in party.calls] == ["\\xb9", "\\xba", "键"]
    assert await count_kept(site) == 3


async def test_a_query_that_is_no_utf8_reaches_the_adapter_as_text(open_site: Open):
    party = Party()
    site = await open_site(party)
    answer = await site.talk(
        b"POST /intake/party?a=%B9%FE&b=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx"
    )
    assert answer.startswith(b"HTTP/1.1 201 ")
    "".join(party.calls[0].query.values()).encode()
    assert party.calls[0].query["b"] == "1"
