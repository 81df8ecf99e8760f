"""A mail server that hands a mail over gets its 250 when the mail is durable, and never before."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import aiosmtplib
import pytest
from post_office import FULL_DISK_MB, TO, Mailbox, dial, make_channel, make_mail, open_mailbox

from gateway.contract.envelope import Accepted, Envelope
from gateway.contract.receipt import parse_receipt
from gateway.intake.accept import Acceptance
from gateway.intake.scrub.envelope import Scrub
from tests.keyring import mark


async def send(mailbox: Mailbox, raw: bytes, *, sender: str = "wang@example.cn", to: str = TO) -> str:
    """By a well-behaved client; the text of the 250."""
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=mailbox.port, start_tls=False) as client:
        _, text = await client.sendmail(sender, [to], raw)
    return text


def read_receipt(answer: str) -> str:
    receipt = parse_receipt(answer.rpartition("receipt ")[2])
    assert receipt, answer
    return receipt


async def test_any_client_gets_its_250_with_the_receipt_and_the_very_bytes_are_kept(tmp_path: Path) -> None:
    raw = make_mail()
    async with open_mailbox(tmp_path) as mailbox:
        receipt = read_receipt(await send(mailbox, raw))
        (kept,) = await mailbox.read_kept()
        assert kept.raw == raw
        assert await mailbox.store.trace(receipt)


async def test_the_same_mail_twice_gets_the_same_receipt_and_is_kept_once(tmp_path: Path) -> None:
    async with open_mailbox(tmp_path) as mailbox:
        receipts = {read_receipt(await send(mailbox, make_mail())) for _ in range(3)}
        assert len(receipts) == 1
        assert len(await mailbox.read_kept()) == 1


async def test_two_mails_get_two_receipts_even_in_one_session(tmp_path: Path) -> None:
    async with open_mailbox(tmp_path) as mailbox, dial(mailbox.port) as line:
        await line.read()
        receipts = set()
        for number in (1, 2):
            await line.begin()
            receipts.add(read_receipt(await line.say(make_mail(number=number) + b".\r\n")))
        assert len(receipts) == 2


async def test_a_store_that_cannot_commit_makes_the_sender_keep_the_mail(tmp_path: Path) -> None:
    async with open_mailbox(tmp_path, min_free_mb=FULL_DISK_MB) as mailbox, dial(mailbox.port) as line:
        await line.read()
        for _ in range(2):  # the session goes on
            await line.begin()
            assert (await line.say(make_mail() + b".\r\n")).startswith("451 4.3.0")
        assert await mailbox.read_kept() == []


async def test_a_failure_nobody_thought_of_makes_the_sender_keep_the_mail_and_the_session_goes_on(
    tmp_path: Path,
) -> None:
    async with open_mailbox(tmp_path) as mailbox, dial(mailbox.port) as line:
        await line.read()
        await mailbox.store.close()
        for _ in range(2):
            await line.begin()
            assert (await line.say(make_mail() + b".\r\n")).startswith("451 4.3.0")


async def test_a_line_broken_off_in_the_middle_of_a_mail_keeps_nothing(tmp_path: Path) -> None:
    async with open_mailbox(tmp_path) as mailbox:
        async with dial(mailbox.port) as line:
            await line.read()
            await line.begin()
            line.writer.write(make_mail()[:-20])
            await line.writer.drain()
            line.writer.transport.abort()
        await send(mailbox, make_mail(number=2))
        assert [kept.raw for kept in await mailbox.read_kept()] == [make_mail(number=2)]


async def test_a_mail_sent_again_after_a_lost_answer_is_one_complaint(tmp_path: Path) -> None:
    async with open_mailbox(tmp_path) as mailbox:
        async with dial(mailbox.port) as line:
            await line.read()
            await line.begin()
            line.writer.write(make_mail() + b".\r\n")
            await line.writer.drain()
            line.writer.transport.abort()
        read_receipt(await send(mailbox, make_mail()))
        assert len(await mailbox.read_kept()) == 1


async def test_lmtp_answers_once_for_every_recipient_and_keeps_one_mail(tmp_path: Path) -> None:
    async with open_mailbox(tmp_path, protocol="lmtp") as mailbox, dial(mailbox.port) as line:
        await line.read()
        await line.begin("one@bank.example", "two@bank.example", "three@bank.example", hello="LHLO mta.example")
        answers = [await line.say(make_mail() + b".\r\n"), await line.read(), await line.read()]
        assert len({read_receipt(answer) for answer in answers}) == 1
        assert (await line.say("NOOP")).startswith("250"), "an answer too much would stand here"
        assert len(await mailbox.read_kept()) == 1


async def test_lmtp_takes_no_ehlo_and_smtp_no_lhlo(tmp_path: Path) -> None:
    for protocol, foreign in (("lmtp", "EHLO x"), ("smtp", "LHLO x")):
        folder = tmp_path / protocol
        folder.mkdir()
        async with open_mailbox(folder, protocol=protocol) as mailbox, dial(mailbox.port) as line:
            await line.read()
            assert (await line.say(foreign)).startswith("50")


async def test_a_mail_above_the_limit_gets_552_announced_or_not(tmp_path: Path) -> None:
    async with open_mailbox(tmp_path, limit_bytes=2_048) as mailbox, dial(mailbox.port) as line:
        await line.read()
        assert "SIZE 2048" in await line.say("EHLO client.example")
        assert (await line.say("MAIL FROM:<wang@example.cn> SIZE=2049")).startswith("552")
        await line.begin()
        assert (await line.say(make_mail("钱" * 2_000) + b".\r\n")).startswith("552")
        assert await mailbox.read_kept() == []
        await line.begin()
        read_receipt(await line.say(make_mail() + b".\r\n"))


async def test_an_unknown_recipient_gets_550_and_a_known_one_is_found_in_any_case(tmp_path: Path) -> None:
    async with open_mailbox(tmp_path, recipients=["Complaints@Bank.example"]) as mailbox, dial(mailbox.port) as line:
        await line.read()
        await line.say("EHLO client.example")
        await line.say("MAIL FROM:<wang@example.cn>")
        assert (await line.say("RCPT TO:<someone@bank.example>")).startswith("550 5.1.1")
        assert (await line.say("DATA")).startswith("503")
        assert (await line.say("RCPT TO:<COMPLAINTS@bank.EXAMPLE>")).startswith("250")


async def test_recipients_beyond_a_thousand_are_for_the_next_session(tmp_path: Path) -> None:
    async with open_mailbox(tmp_path) as mailbox, dial(mailbox.port) as line:
        await line.read()
        await line.say("EHLO client.example")
        await line.say("MAIL FROM:<wang@example.cn>")
        answers = [await line.say(f"RCPT TO:<r{number}@bank.example>") for number in range(1_001)]
        assert {answer[:3] for answer in answers[:-1]} == {"250"}
        assert answers[-1].startswith("452 4.5.3")


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n"])
async def test_a_mail_hidden_behind_a_bare_line_end_stays_part_of_the_first(tmp_path: Path, end: bytes) -> None:
    smuggled = b"MAIL FROM:<evil@example.cn>\r\nRCPT TO:<complaints@bank.example>\r\nDATA\r\nFrom: evil@example.cn\r\n\r\nx\r\n"
    raw = make_mail().removesuffix(b"\r\n") + end + smuggled
    async with open_mailbox(tmp_path) as mailbox, dial(mailbox.port) as line:
        await line.read()
        await line.begin()
        read_receipt(await line.say(raw + b".\r\n"))
        assert (await line.say("NOOP")).startswith("250")
        (kept,) = await mailbox.read_kept()
        assert kept.raw.endswith(smuggled)


async def test_a_line_that_begins_with_a_dot_arrives_as_it_was_written(tmp_path: Path) -> None:
    raw = make_mail(".\r\n..\r\n.合计 3000 元")
    async with open_mailbox(tmp_path) as mailbox:
        await send(mailbox, raw)
        assert [kept.raw for kept in await mailbox.read_kept()] == [raw]


async def test_a_mail_in_one_line_of_half_a_megabyte_is_not_refused(tmp_path: Path) -> None:
    async with open_mailbox(tmp_path) as mailbox:
        read_receipt(await send(mailbox, make_mail("x" * 500_000)))


async def test_a_caller_beyond_the_connections_gets_421_and_comes_in_when_one_has_left(tmp_path: Path) -> None:
    async with (
        open_mailbox(tmp_path, connections=2) as mailbox,
        dial(mailbox.port) as first,
        dial(mailbox.port) as second,
    ):
        assert (await first.read()).startswith("220")
        assert (await second.read()).startswith("220")
        async with dial(mailbox.port) as third:
            assert (await third.read()).startswith("421 4.3.2")
            assert await third.read() == ""
        await first.say("QUIT")
        assert await first.read() == ""
        async with dial(mailbox.port) as fourth:
            assert (await fourth.read()).startswith("220")


async def test_an_idle_caller_is_hung_up_on(tmp_path: Path) -> None:
    async with open_mailbox(tmp_path, idle_s=0.1) as mailbox, dial(mailbox.port) as line:
        await line.read()
        assert await line.read() == ""


async def test_addresses_and_headers_in_other_letters_are_taken(tmp_path: Path) -> None:
    raw = make_mail(From="王小明 <王小明@例子.中国>")
    async with open_mailbox(tmp_path, recipients=["投诉@bank.example"]) as mailbox:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=mailbox.port, start_tls=False) as client:
            await client.sendmail(
                "王小明@例子.中国", ["投诉@bank.example"], raw, mail_options=["SMTPUTF8", "BODY=8BITMIME"]
            )
        (kept,) = await mailbox.read_kept()
        assert mailbox.channel.draft(kept).emails == ("王小明@例子.中国",)


async def test_mail_without_a_sender_is_kept_and_never_answered(tmp_path: Path) -> None:
    async with open_mailbox(tmp_path) as mailbox, dial(mailbox.port) as line:
        await line.read()
        await line.begin(sender="<>")
        await line.say(make_mail() + b".\r\n")
        (kept,) = await mailbox.read_kept()
        draft = mailbox.channel.draft(kept)
        assert "卡被吞" in draft.text
        assert draft.acknowledge is None


async def test_a_machines_mail_is_kept_without_a_receipt(tmp_path: Path) -> None:
    async with open_mailbox(tmp_path) as mailbox:
        answer = await send(mailbox, make_mail(subject="自动回复: 投诉"))
        assert "receipt" not in answer
        (kept,) = await mailbox.read_kept()
        assert not kept.receipt_wanted


async def test_a_customers_answer_to_our_acknowledgement_joins_its_receipt(tmp_path: Path) -> None:
    async with open_mailbox(tmp_path) as mailbox:
        receipt = read_receipt(await send(mailbox, make_mail()))
        answer = make_mail("还有一件事", number=2, In_Reply_To=f"<ack-{receipt}.0a1b2c@bank.example>")
        assert read_receipt(await send(mailbox, answer)) == receipt


async def test_closing_waits_for_the_mail_that_is_all_here_and_hangs_up_on_the_rest(tmp_path: Path) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()
    async with open_mailbox(tmp_path) as mailbox:
        accept = Acceptance(mailbox.store, Scrub(mark), lambda: None)

        async def accept_when_told(envelopes: Sequence[Envelope]) -> Sequence[Accepted]:
            started.set()
            await go_on.wait()
            return await accept(envelopes)

        channel = make_channel(tmp_path, port=0)
        await channel.listen(accept_when_told)
        assert channel.port
        async with dial(channel.port) as busy, dial(channel.port) as idle:
            await busy.read()
            await idle.read()
            await busy.begin()
            answer = asyncio.create_task(busy.say(make_mail() + b".\r\n"))
            await started.wait()
            closing = asyncio.create_task(channel.close())
            await asyncio.sleep(0)
            go_on.set()
            read_receipt(await answer)
            await closing
            assert await idle.read() == ""


async def test_a_hundred_mails_at_once_are_all_kept_once(tmp_path: Path) -> None:
    async with open_mailbox(tmp_path) as mailbox:
        answers = await asyncio.gather(*(send(mailbox, make_mail(number=number)) for number in range(100)))
        assert len({read_receipt(answer) for answer in answers}) == 100
        assert len(await mailbox.read_kept()) == 100


async def test_what_is_no_smtp_takes_nothing_down(tmp_path: Path) -> None:
    async with open_mailbox(tmp_path) as mailbox:
        for noise in (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"\xff" * 5_000 + b"\r\n",
        ):
            async with dial(mailbox.port) as line:
                await line.read()
                assert (await line.say(noise))[:1] == "5"
        read_receipt(await send(mailbox, make_mail()))
