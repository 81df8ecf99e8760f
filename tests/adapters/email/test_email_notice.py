"""A notice reaches the person as one mail that can do no harm, or the duty says why not."""

import datetime as dt
import email
import ipaddress
import ssl
from dataclasses import replace
from email.header import decode_header, make_header
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from post_office import make_channel, make_mail
from pydantic import ValidationError

from adapters.email.notice import EmailNotifier, open_notice
from adapters.email.settings import NoticeSettings
from adapters.email.simulator import PASSWORD, USERNAME, MailServer, open_mail_server
from gateway.contract.draft import Address, AddressKind
from gateway.contract.errors import Ignored, Misconfigured, Rejected, TryLater
from gateway.contract.ports import Notice, Notifier, Purpose
from gateway.contract.receipt import make_receipt
from tests.contract.house import make_house
from tests.ports import find_port

RECEIPT = make_receipt(47_110_815_424)
CUSTOMERS_ID = "<tencent_" + "0123456789ABCDEF" * 6 + "@qq.com>"
"""Longer than a line of a header should be, as QQ's and Outlook's are."""

ACKNOWLEDGEMENT = Notice(
    id="n-1",
    purpose=Purpose.ACKNOWLEDGEMENT,
    to=Address(AddressKind.EMAIL, "wang@example.cn", CUSTOMERS_ID),
    subject="我们已收到，受理编号 4711 0815 4243",
    text="您好：\n\n您说的事我们已经收到。\n.\n查看进度：https://huiyin.bank.example/r/471108154243",
    receipt=RECEIPT,
)
WARNING = replace(
    ACKNOWLEDGEMENT, id="n-2", purpose=Purpose.WARNING, to=Address(AddressKind.EMAIL, "duty@bank.example")
)


def make_notifier(folder: Path, port: int, **settings: object) -> EmailNotifier:
    given = {
        "host": "127.0.0.1",
        "port": port,
        "tls": "none",
        "from_address": "complaints@bank.example",
        "timeout_s": 5,
    }
    return open_notice("duty", NoticeSettings.model_validate(given | settings), make_house(folder))


async def send(folder: Path, server: MailServer, notice: Notice = ACKNOWLEDGEMENT, **settings: object) -> str:
    return await make_notifier(folder, server.port, **settings).send(notice)


def address_to(value: str, thread: str = "") -> Notice:
    return replace(ACKNOWLEDGEMENT, to=Address(AddressKind.EMAIL, value, thread))


def make_certificate(folder: Path, host: str = "127.0.0.1") -> tuple[ssl.SSLContext, Path]:
    """A server's context, and the file of the authority that its clients must trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail server of the tests")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "server.crt", folder / "server.key"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(public, private)
    return context, public


# --- what arrives


async def test_an_acknowledgement_arrives_as_an_automatic_answer_to_the_customers_mail(tmp_path: Path) -> None:
    async with open_mail_server() as server:
        sent_id = await send(tmp_path, server)
    (mail,) = server.mails
    assert (mail.sender, mail.recipients) == ("", ("wang@example.cn",))
    message = mail.message
    assert message["To"].addresses[0].addr_spec == "wang@example.cn"
    assert message["From"].addresses[0].addr_spec == "complaints@bank.example"
    assert message["From"].addresses[0].display_name == "示例银行"
    assert message["Subject"] == ACKNOWLEDGEMENT.subject
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert message["Message-ID"] == sent_id
    assert message["Date"].datetime == dt.datetime(2026, 1, 1, 10, tzinfo=dt.timezone(dt.timedelta(hours=8)))
    assert mail.text.strip() == ACKNOWLEDGEMENT.text


async def test_the_customers_message_id_comes_back_in_one_piece_however_long(tmp_path: Path) -> None:
    async with open_mail_server() as server:
        await send(tmp_path, server)
    raw = server.mails[0].raw.decode()
    assert f"In-Reply-To: {CUSTOMERS_ID}" in raw.replace("\r\n ", " ").replace("  ", " ")
    assert f"References: {CUSTOMERS_ID}" in raw.replace("\r\n ", " ").replace("  ", " ")


async def test_a_warning_is_urgent_and_comes_back_to_us_when_it_cannot_be_delivered(tmp_path: Path) -> None:
    async with open_mail_server() as server:
        await send(tmp_path, server, WARNING)
    (mail,) = server.mails
    assert mail.sender == "complaints@bank.example"
    assert (mail.message["Importance"], mail.message["X-Priority"]) == ("high", "1 (Highest)")
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert mail.message["In-Reply-To"] is None


async def test_every_line_is_crlf_ascii_and_of_a_length_that_every_server_takes(tmp_path: Path) -> None:
    long = replace(ACKNOWLEDGEMENT, subject="很长的主题" * 60, text="很长的一行" * 2_000)
    async with open_mail_server() as server:
        await send(tmp_path, server, long, from_name="某某银行股份有限公司客户投诉与消费者权益保护中心" * 3)
    (mail,) = server.mails
    assert mail.raw.isascii()
    assert b"\n" not in mail.raw.replace(b"\r\n", b"")
    assert max(len(line) for line in mail.raw.split(b"\r\n")) <= 78 + len(CUSTOMERS_ID)
    assert (mail.message["Subject"], mail.text.strip()) == (long.subject, long.text)


async def test_the_same_notice_sent_again_is_the_same_mail_to_a_mail_program(tmp_path: Path) -> None:
    async with open_mail_server() as server:
        first, second = await send(tmp_path, server), await send(tmp_path, server)
        other = await send(tmp_path, server, replace(ACKNOWLEDGEMENT, id="n-9"))
    assert first == second
    assert other != first


@pytest.mark.parametrize("notice", [ACKNOWLEDGEMENT, WARNING])
async def test_answers_and_bounces_find_back_to_the_receipt(tmp_path: Path, notice: Notice) -> None:
    async with open_mail_server() as server:
        sent_id = await send(tmp_path, server, notice)
    channel = make_channel(tmp_path)
    assert channel.make_envelope(make_mail(References=f"<x@y> {sent_id}")).joins == RECEIPT
    bounce = (
        b"From: MAILER-DAEMON@mx.example.cn\r\nSubject: Undelivered Mail\r\n"
        b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        b"--b\r\nContent-Type: text/rfc822-headers\r\n\r\n"
        + server.mails[0].raw.split(b"\r\n\r\n")[0]
        + b"\r\n--b--\r\n"
    )
    envelope = channel.make_envelope(bounce)
    assert envelope.joins == RECEIPT
    with pytest.raises(Ignored):
        channel.draft(envelope)


async def test_our_own_notice_is_never_answered_when_it_comes_back(tmp_path: Path) -> None:
    async with open_mail_server() as server:
        await send(tmp_path, server)
        await send(tmp_path, server, WARNING)
    channel = make_channel(tmp_path)
    for mail in server.mails:
        try:
            draft = channel.draft(channel.make_envelope(mail.raw))
        except Ignored:
            continue
        assert draft.acknowledge is None


# --- what cannot be smuggled in

INJECTION = "主题\r\nBcc: victim@example.com\r\n\r\n新的正文\n\x00\u2028X-Evil: 1"


async def test_a_subject_or_name_with_line_ends_adds_no_header_and_no_recipient(tmp_path: Path) -> None:
    evil = replace(ACKNOWLEDGEMENT, subject=INJECTION, language=INJECTION)
    async with open_mail_server() as server:
        await send(tmp_path, server, evil, from_name=INJECTION)
    (mail,) = server.mails
    assert mail.recipients == ("wang@example.cn",)
    assert mail.message["Bcc"] is None
    assert mail.message["X-Evil"] is None
    for name in ("Subject", "From"):
        (value,) = email.message_from_bytes(mail.raw).get_all(name, [])
        shown = str(make_header(decode_header(value)))
        assert shown.isprintable(), "no NUL, line end or other control character reaches a mail program"
    assert mail.text.strip() == ACKNOWLEDGEMENT.text


@pytest.mark.parametrize(
    "thread",
    [
        "<a@b>\r\nBcc: victim@example.com",
        "<a@b> <c@d>",
        "no id",
        "<王@b>",
        "<a\x00@b>",
        "<" + "a" * 600 + "@b>",
        "<a@b",
    ],
)
async def test_a_thread_that_is_no_message_id_adds_nothing_of_its_own(tmp_path: Path, thread: str) -> None:
    async with open_mail_server() as server:
        await send(tmp_path, server, address_to("wang@example.cn", thread))
    (mail,) = server.mails
    assert mail.message["Bcc"] is None
    assert mail.message["In-Reply-To"] in {None, "<a@b>"}


@pytest.mark.parametrize(
    "value",
    [
        "", "@", "wang", "wang@", "@example.cn", "a@b@c", "wang@example.cn\r\nRCPT TO:<x@y>", "wang@example.cn>", "<wang@example.cn",
        "wang@example.cn, x@y.cn", "wang x@example.cn", '"a b"@example.cn', "wang@" + "a" * 70 + ".cn", "wang@exa mple.cn",
        "wang@example.cn\x00", "a;b@example.cn", "wang@..cn", "x" * 65 + "@example.cn",
    ],
)  # fmt: skip
async def test_an_address_that_is_none_is_parked_and_never_reaches_the_server(tmp_path: Path, value: str) -> None:
    async with open_mail_server() as server:
        with pytest.raises(Rejected):
            await send(tmp_path, server, address_to(value))
    assert server.commands == []


async def test_an_address_in_other_letters_is_written_to_where_the_server_can(tmp_path: Path) -> None:
    async with open_mail_server() as server:
        await send(tmp_path, server, address_to("王小明@例子.cn"))
        await send(tmp_path, server, address_to("wang@例子.cn"))
    assert [mail.recipients for mail in server.mails] == [("王小明@xn--fsqu00a.cn",), ("wang@xn--fsqu00a.cn",)]
    async with open_mail_server() as server:
        server.answers["EHLO"] = "250 HELP"
        with pytest.raises(Rejected, match="email_no_smtputf8"):
            await send(tmp_path, server, address_to("王小明@例子.cn"))


# --- outcomes


@pytest.mark.parametrize("command", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("answer", ["421 4.3.2 Busy", "450 4.2.1 Later", "451 4.3.0 Later", "452 4.2.2 Full"])
async def test_a_passing_refusal_is_tried_later_and_certainly_not_sent(
    tmp_path: Path, command: str, answer: str
) -> None:
    async with open_mail_server() as server:
        server.answers[command] = answer
        with pytest.raises(TryLater) as caught:
            await send(tmp_path, server)
        assert not caught.value.uncertain
        server.answers.clear()
        await send(tmp_path, server)
    assert len(server.mails) == 1


@pytest.mark.parametrize(
    ("command", "answer", "expected"),
    [
        ("RCPT", "550 5.1.1 No such user wang@example.cn", Rejected),
        ("RCPT", "553 5.1.3 Bad address wang@example.cn", Rejected),
        ("DATA", "554 5.7.1 Message refused as spam, wang@example.cn", Rejected),
        ("DATA", "552 5.3.4 Too big", Rejected),
        ("RCPT", "554 5.7.1 <wang@example.cn>: Relay access denied", Misconfigured),
        ("RCPT", "530 5.7.0 Authentication required", Misconfigured),
        ("MAIL", "530 5.7.0 Authentication required", Misconfigured),
        ("MAIL", "553 5.7.1 Sender address rejected", Misconfigured),
        ("CONNECT", "554 5.7.1 Your address is on a list", Misconfigured),
    ],
)
async def test_a_final_refusal_parks_the_mail_or_blames_the_settings_without_naming_anybody(
    tmp_path: Path, command: str, answer: str, expected: type[Exception]
) -> None:
    async with open_mail_server() as server:
        server.answers[command] = answer
        with pytest.raises((Rejected, Misconfigured)) as caught:
            await send(tmp_path, server)
    assert type(caught.value) is expected
    assert "wang" not in str(caught.value)
    assert server.mails == []


async def test_a_connection_lost_after_the_mail_was_on_its_way_leaves_it_uncertain(tmp_path: Path) -> None:
    async with open_mail_server() as server:
        server.drops.add("DATA")
        with pytest.raises(TryLater) as caught:
            await send(tmp_path, server)
    assert caught.value.uncertain
    assert len(server.mails) == 1


@pytest.mark.parametrize("command", ["EHLO", "MAIL", "RCPT"])
async def test_a_connection_lost_before_is_certainly_not_sent(tmp_path: Path, command: str) -> None:
    async with open_mail_server() as server:
        server.drops.add(command)
        with pytest.raises(TryLater) as caught:
            await send(tmp_path, server)
    assert not caught.value.uncertain
    assert server.mails == []


@pytest.mark.parametrize(("command", "uncertain"), [("EHLO", False), ("RCPT", False), ("DATA", True)])
async def test_a_slow_server_is_given_up_at_the_time_limit(tmp_path: Path, command: str, *, uncertain: bool) -> None:
    async with open_mail_server() as server:
        server.delays[command] = 60
        with pytest.raises(TryLater) as caught:
            await send(tmp_path, server, timeout_s=0.2)
    assert caught.value.uncertain is uncertain


@pytest.mark.parametrize("how", ["answers", "drops"])
async def test_a_mail_that_was_taken_is_sent_whatever_the_server_says_to_quit(tmp_path: Path, how: str) -> None:
    async with open_mail_server() as server:
        if how == "answers":
            server.answers["QUIT"] = "500 What?"
        else:
            server.drops.add("QUIT")
        assert await send(tmp_path, server)


async def test_nobody_at_the_port_is_tried_later_and_a_host_that_is_none_is_a_setting(tmp_path: Path) -> None:
    with pytest.raises(TryLater, match="email_unreachable"):
        await make_notifier(tmp_path, find_port()).send(ACKNOWLEDGEMENT)
    with pytest.raises(Misconfigured, match="email_unknown_host"):
        await make_notifier(tmp_path, 25, host="mail.bank.invalid").check()


async def test_providers_that_refuse_an_empty_sender_are_served_by_a_setting(tmp_path: Path) -> None:
    async with open_mail_server() as server:
        server.answers["MAIL"] = "501 5.1.7 Mail from address must be same as authorization user"
        with pytest.raises(Misconfigured, match="null_sender"):
            await send(tmp_path, server)
        server.answers.clear()
        await send(tmp_path, server, null_sender=False)
    assert [mail.sender for mail in server.mails] == ["complaints@bank.example"]


# --- TLS and login


async def test_a_login_goes_over_starttls_only(tmp_path: Path) -> None:
    context, authority = make_certificate(tmp_path)
    login = {"tls": "starttls", "username": USERNAME, "password": PASSWORD, "ca_file": str(authority)}
    async with open_mail_server(login_needed=True, starttls=context) as server:
        await send(tmp_path, server, **login)
        assert len(server.mails) == 1
        with pytest.raises(Misconfigured, match="email_login_refused") as caught:
            await send(tmp_path, server, **login | {"password": "not this one"})
        assert "not this one" not in str(caught.value)
        with pytest.raises(Misconfigured, match="email_login_needed"):
            await send(tmp_path, server, tls="starttls", ca_file=str(authority))
    async with open_mail_server() as server:
        with pytest.raises(Misconfigured, match="STARTTLS"):
            await send(tmp_path, server, **login)
        assert server.mails == []


async def test_tls_from_the_first_byte(tmp_path: Path) -> None:
    context, authority = make_certificate(tmp_path)
    async with open_mail_server(login_needed=True, implicit=context) as server:
        login = {"tls": "implicit", "username": USERNAME, "password": PASSWORD, "ca_file": str(authority)}
        await send(tmp_path, server, **login)
    assert len(server.mails) == 1


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_certificate_of_an_unknown_authority_is_never_accepted(tmp_path: Path, tls: str) -> None:
    context, _ = make_certificate(tmp_path)
    way = {"starttls": context} if tls == "starttls" else {"implicit": context}
    async with open_mail_server(**way) as server:
        with pytest.raises(Misconfigured, match="email_bad_certificate"):
            await send(tmp_path, server, tls=tls)
    assert server.mails == []


async def test_a_certificate_of_another_host_is_never_accepted(tmp_path: Path) -> None:
    context, authority = make_certificate(tmp_path, "192.0.2.1")
    async with open_mail_server(implicit=context) as server:
        with pytest.raises(Misconfigured, match="email_bad_certificate"):
            await send(tmp_path, server, tls="implicit", ca_file=str(authority))


async def test_a_port_without_tls_is_a_setting(tmp_path: Path) -> None:
    async with open_mail_server() as server:
        with pytest.raises(Misconfigured, match="email_no_tls"):
            await send(tmp_path, server, tls="implicit")


# --- settings and check


async def test_a_check_greets_and_logs_in_and_sends_nothing(tmp_path: Path) -> None:
    context, authority = make_certificate(tmp_path)
    login = {"tls": "starttls", "username": USERNAME, "password": PASSWORD, "ca_file": str(authority)}
    async with open_mail_server(login_needed=True, starttls=context) as server:
        notifier = make_notifier(tmp_path, server.port, **login)
        assert isinstance(notifier, Notifier)
        assert list(notifier.serves) == ["email"]
        said = await notifier.check()
        await notifier.close()
    assert USERNAME in said
    assert PASSWORD not in said
    assert "MAIL" not in server.commands
    assert server.commands[-1] == "QUIT"


@pytest.mark.parametrize(
    "settings",
    [
        {"from_address": "no address"},
        {"from_address": "投诉@bank.example"},
        {"from_address": "a@b.cn\r\nBcc: x@y.cn"},
        {"username": "huiyin"},
        {"password": "only this"},
        {"username": "huiyin", "password": "in the clear", "tls": "none"},
        {"host": ""},
        {"timeout_s": 0},
        {"ca_file": "/no/such/file.pem"},
        {"unknown": 1},
    ],
)
def test_settings_that_cannot_work_are_refused_without_showing_the_password(settings: dict[str, object]) -> None:
    given = {"host": "mail.bank.example", "from_address": "complaints@bank.example"}
    with pytest.raises(ValidationError) as caught:
        NoticeSettings.model_validate(given | settings)
    assert "in the clear" not in str(caught.value)
    assert "only this" not in str(caught.value)
