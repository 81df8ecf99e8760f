"""A request is answered alike whichever way it takes, and answers leave in the order of their requests."""

import asyncio
import re
from contextlib import suppress

from gateway.contract.call import Reply
from gateway.intake.connection import to_bytes, to_response
from tests.intake.conftest import Open, Party

DATE = re.compile(rb"Date: [^\r]+\r\n")


def make_request(body: bytes, path: str = "/intake/party", more: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


async def read_answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    async with asyncio.timeout(20):
        head = await reader.readuntil(b"\r\n\r\n")
        found = re.search(rb"Content-Length: (\d+)", head)
        assert found
        return head, await reader.readexactly(int(found[1]))


async def read_what_comes(reader: asyncio.StreamReader) -> bytes:
    """Until nothing more comes, or the other side has hung up."""
    come = b""
    with suppress(TimeoutError, ConnectionError):
        while piece := await asyncio.wait_for(reader.read(65_536), 0.2):
            come += piece
    return come


async def test_whole_and_in_pieces_a_request_gets_the_same_answer(open_site: Open):
    party = Party(methods=("GET", "POST"))
    site = await open_site(party)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    asked = [
        make_request(b"", "/nowhere"),
        make_request(b"x" * 10_001),
        make_request(b"bug"),
        make_request(b"page").replace(b"POST", b"GET"),
        make_request(b"same"),
    ]
    writer.write(make_request(b"same"))
    await read_answer(reader)
    for request in asked:
        answers = []
        for pieces in ((request,), (request[:-2], request[-2:]), (request,)):
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0.02)
            head, body = await read_answer(reader)
            answers.append((sorted(DATE.sub(b"", head).split(b"\r\n")), body))
        assert answers[0] == answers[1] == answers[2]
    writer.close()
    first, *others = [call for call in party.calls if call.body == b"same"]
    for other in others:
        assert (other.method, other.path, other.url, other.remote) == (
            first.method, first.path, first.url, first.remote
        )  # fmt: skip
        assert dict(other.headers) == dict(first.headers)


async def test_requests_sent_ahead_are_answered_in_their_order(open_site: Open):
    site = await open_site(Party())
    bodies = [b"number %d" % number for number in range(40)]
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(make_request(b"first"))
    await read_answer(reader)
    for body in bodies:
        # One by one, so that most arrive while the one before waits for its commit.
        writer.write(make_request(body))
        await asyncio.sleep(0)
    receipts = [(await read_answer(reader))[1] for _ in bodies]
    writer.write(b"".join(map(make_request, bodies)))
    again = [(await read_answer(reader))[1] for _ in bodies]
    writer.close()
    assert [body.replace(b'"duplicate": true', b'"duplicate": false') for body in again] == receipts
    assert len(set(receipts)) == len(bodies)


async def test_who_hangs_up_before_the_answer_is_kept_all_the_same(open_site: Open):
    site = await open_site(Party())
    for number in range(20):
        _, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(make_request(b"gone %d" % number))
        await writer.drain()
        writer.close()
    for _ in range(1000):
        if sum(standing.count for standing in await site.store.totals()) == 20:
            break
        await asyncio.sleep(0.02)
    else:
        raise AssertionError("not all that was sent was kept")
    assert (await site.ask("POST", "/intake/party", b"next"))[0] == 201


async def test_http_1_0_and_a_caller_that_wants_to_part_are_answered_and_parted_from(open_site: Open):
    site = await open_site(Party())
    for request in (
        make_request(b"one", more="Connection: close\r\n"),
        make_request(b"two").replace(b"HTTP/1.1", b"HTTP/1.0"),
    ):
        answer = await site.talk(request)
        assert answer.split(b"\r\n", 1)[0].endswith(b" 201 Created")


def test_line_ends_in_an_adapters_words_begin_no_header():
    reply = Reply(200, b"x", "text/plain\r\nA: b", {"X-Name": "one\r\nSet-Cookie: two\0"})
    head = to_bytes(reply).partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert b"X-Name: oneSet-Cookie: two" in head
    assert not [line for line in head if line.startswith((b"A:", b"Set-Cookie"))]
    assert to_response(reply).headers["X-Name"] == "oneSet-Cookie: two"


async def test_a_reply_that_cannot_be_written_is_a_bug_told_to_the_caller_and_the_next_call_is_served(open_site: Open):
    site = await open_site(Party())
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(make_request(b"first"))
    await read_answer(reader)
    await asyncio.sleep(0.02)
    writer.write(make_request(b"unwritable"))
    head, body = await read_answer(reader)
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"internal_error" in body
    writer.write(make_request(b"next"))
    assert (await read_answer(reader))[0].startswith(b"HTTP/1.1 201 ")
    writer.close()


async def test_a_head_that_was_seen_before_is_read_as_it_was_the_first_time(open_site: Open):
    """Every pair of requests on one connection, after a first with the head that is remembered."""
    party = Party()
    site = await open_site(party)
    usual = make_request(b"usual", more="X-Name: one\r\n")
    others = [
        make_request(b"a longer body of the usual head", more="X-Name: one\r\n"),
        make_request(b"", more="X-Name: one\r\n"),
        make_request(b"other", more="X-Name: two\r\n"),
        make_request(b"spelt", more="X-Name: one\r\n").replace(b"Content-Length", b"content-length"),
        make_request(b"nought", more="X-Name: one\r\n").replace(b"Length: 6", b"Length: 06"),
        make_request(b"plus", more="X-Name: one\r\n").replace(b"Length: 4", b"Length: +4"),
        make_request(b"twice", more="X-Name: one\r\nContent-Length: 5\r\n"),
        make_request(b"5\r\nchunk\r\n0\r\n\r\n", more="X-Name: one\r\nTransfer-Encoding: chunked\r\n"),
        make_request(b"folded", more="X-Name: one\r\n").replace(b"Length: 6\r\n", b"Length: 6\r\n 0\r\n"),
        make_request(b"too short", more="X-Name: one\r\n").replace(b"Length: 9", b"Length: 4"),
    ]
    for other in others:
        answers = []
        for before in ((), (usual,), (usual, usual)):
            reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
            answer = b""
            for request in (*before, other, usual):
                writer.write(request)
                answer += await read_what_comes(reader)
            writer.close()
            heads = [line.split(b"\r\n", 1)[0] for line in answer.split(b"HTTP/1.1 ")[1:]]
            answers.append(heads[len(before) :])
        assert answers[0], other
        assert [len(each) for each in answers] == [len(answers[0])] * 3, other
        assert [[head[:1] for head in each] for each in answers] == [[head[:1] for head in answers[0]]] * 3, other
    bodies = {call.body for call in party.calls}
    assert {b"usual", b"a longer body of the usual head", b"other", b"spelt", b"nought"} <= bodies
    assert not {b"plus", b"twice", b"folded", b"too short"} & bodies


async def test_a_body_in_pieces_does_not_shift_the_requests_behind_it(open_site: Open):
    party = Party()
    site = await open_site(party)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    sent = []
    for number in range(60):
        request = make_request(b"body %d " % number + b"x" * number)
        sent.append(request.partition(b"\r\n\r\n")[2])
        cut = len(request) - 1 - number % 9 if number % 3 else len(request)
        for piece in (request[:cut], request[cut:]):
            writer.write(piece)
            await asyncio.sleep(0.002)
        assert (await read_answer(reader))[0].startswith(b"HTTP/1.1 201 ")
    writer.close()
    assert [call.body for call in party.calls] == sent
