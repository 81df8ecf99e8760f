"""Whatever a mail looks like, its words reach the complaint - or it is said why not, and nothing breaks."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from post_office import make_channel, make_mail

from adapters.email.charset import clean_text, decode_bytes
from adapters.email.keys import read_keys
from adapters.email.quoting import split_reply
from adapters.email.reading import Reader
from benchmarks.mail_reading import DATA, SHARED, are_close, compare, find_expected, walk_mails
from gateway.contract.draft import Draft
from gateway.contract.errors import Ignored, Unreadable

SAMPLES = Path(__file__).parents[3] / "adapters/email/samples"
COMPLAINT = "您好，我要投诉贵行福州湖东支行，信用卡被盗刷49994元，多次致电无人受理。"
shared = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"there is no {DATA}: real mails of others are not part of the repository"
)


def read(raw: bytes, **hints: bool) -> Draft:
    return Reader().read_draft(raw, **hints)


def try_read(raw: bytes) -> Draft | Ignored | Unreadable:
    try:
        return read(raw)
    except (Ignored, Unreadable) as error:
        return error


def write(label: str, body: bytes, *, subject: bytes = b"=?utf-8?B?5oqV6K+J?=", kind: str = "text/plain") -> bytes:
    charset = f"; charset={label}" if label else ""
    return b"From: wang@example.cn\r\nSubject: %s\r\nContent-Type: %s%s\r\n\r\n%s\r\n" % (
        subject,
        kind.encode(),
        charset.encode(),
        body,
    )


def check_sound(draft: Draft) -> None:
    """Everything in it can be stored, shown and used as a file name."""
    texts = [draft.text, draft.quoted, draft.title, draft.name, *draft.emails]
    texts += [text for attachment in draft.attachments for text in (attachment.name, attachment.media_type)]
    if draft.acknowledge:
        texts += [draft.acknowledge.value, draft.acknowledge.thread]
        assert not set("\r\n <>,;") & set(draft.acknowledge.value)
        assert not set("\r\n") & set(draft.acknowledge.thread)
    for text in texts:
        text.encode("utf-8")
        assert clean_text(text) == text
    for attachment in draft.attachments:
        assert attachment.name
        assert not set("/\\\n") & set(attachment.name)
        assert not attachment.name.startswith(".")
    for line in (draft.title, draft.name):
        assert "\n" not in line


# --- charsets (each mail is written here, in the charset it is about)


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("utf-8", "utf-8"), ("gb2312", "gb18030"), ("gbk", "gbk"), ("GB18030", "gb18030"), ("cp936", "gbk"), ("x-gbk", "gbk"), ("euc-cn", "gb2312"),
        ("hz-gb-2312", "hz"), ("utf-7", "utf-7"),
        ("gb2312", "utf-8"), ("gbk", "utf-8"), ("big5", "utf-8"), ("iso-8859-1", "utf-8"), ("us-ascii", "utf-8"), ("", "utf-8"),
        ("utf-8", "gb18030"), ("iso-8859-1", "gb18030"), ("us-ascii", "gb18030"), ("big5", "gb18030"), ("", "gb18030"),
        ("no-such-charset", "utf-8"), ("no-such-charset", "gb18030"), ("rot13", "utf-8"), ("zlib", "gb18030"),
    ],
)  # fmt: skip
def test_a_complaint_is_read_whatever_its_label_says(label: str, codec: str) -> None:
    assert read(write(label, COMPLAINT.encode(codec))).text == COMPLAINT


@pytest.mark.parametrize("label", ["big5", "big5-hkscs", "cp950", "", "gb2312", "us-ascii"])
def test_traditional_characters_in_big5_are_read_whatever_their_label_says(label: str) -> None:
    text = "您好，我要投訴貴行信用卡部，重複扣款三千元，打了很多次電話都沒有人處理。"
    assert read(write(label, text.encode("big5"))).text == text


@pytest.mark.parametrize("text", ["张喆镕", "损失€100", "𠮷野", "王䶮"])
def test_characters_outside_gb2312_survive_under_its_label(text: str) -> None:
    assert read(write("gb2312", f"我叫{text}，要投诉".encode("gb18030"))).text == f"我叫{text}，要投诉"
    # Alone as well: a name in a header is too short for anything but its label.
    assert decode_bytes(text.encode("gb18030"), "gb2312")[0] == text


@pytest.mark.parametrize("surname", "谢郑袁卢魏薛叶石姚谭陆毛史钱")
def test_a_surname_that_is_valid_utf8_in_gbk_is_not_taken_for_cyrillic(surname: str) -> None:
    assert decode_bytes(surname.encode("gbk"), "gb2312")[0] == surname
    assert decode_bytes(surname.encode("gbk"), "")[0] == surname


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("iso-8859-1", "latin-1", "Je vous écris au sujet de ma carte bloquée à Genève, très déçu."),
        ("windows-1256", "cp1256", "أريد تقديم شكوى بشأن بطاقتي المصرفية"),
        ("iso-2022-jp", "iso2022_jp", "カードが使えません"),
        ("koi8-r", "koi8-r", "Хочу пожаловаться на банк"),
    ],
)
def test_other_languages_keep_their_own_charset(label: str, codec: str, text: str) -> None:
    assert read(write(label, text.encode(codec))).text == text


def test_a_raw_subject_too_short_to_tell_is_read_as_the_body_was() -> None:
    assert read(write("", COMPLAINT.encode("big5hkscs", "replace"), subject="投訴".encode("big5"))).title == "投訴"
    assert read(write("", COMPLAINT.encode("gbk"), subject="投诉".encode("gbk"))).title == "投诉"


def test_an_encoded_subject_cut_inside_a_character_is_joined_before_it_is_read() -> None:
    half, rest = "投诉".encode()[:4].hex("="), "投诉".encode()[4:].hex("=")
    assert read(write("utf-8", b"x", subject=f"=?utf-8?Q?={half}?=\r\n =?utf-8?Q?={rest}?=".encode())).title == "投诉"


def test_html_says_its_charset_itself_where_the_header_does_not() -> None:
    markup = "<html><head><meta http-equiv=Content-Type content='text/html; charset=gb2312'></head><body>卡被吞</body></html>"
    assert read(write("", markup.encode("gbk"), kind="text/html")).text == "卡被吞"


def test_control_and_direction_characters_and_nul_do_not_get_through() -> None:
    draft = read(write("utf-8", "退\x00钱\x1b\u202e\u2066".encode(), subject="a\u202eb\x00".encode()))
    assert (draft.text, draft.title) == ("退钱", "ab")


# --- the text


@pytest.mark.parametrize("plain", ["", " \r\n\r\n", "请用支持HTML的程序查看"])
def test_a_blank_or_stub_text_beside_html_gives_way_to_it(plain: str) -> None:
    html = f"<p>{COMPLAINT}</p>"
    raw = make_mail(
        f"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{plain}\r\n--b\r\n"
        f"Content-Type: text/html; charset=utf-8\r\n\r\n{html}\r\n--b--",
        Content_Type='multipart/alternative; boundary="b"',
    )
    assert read(raw).text == COMPLAINT


def test_words_that_stand_in_the_subject_only_are_the_complaint() -> None:
    draft = read(make_mail("", subject="你们支行吞了我的卡"))
    assert draft.text == "你们支行吞了我的卡"


def test_hidden_text_of_html_is_not_read_unless_there_is_no_other() -> None:
    hidden = '<p>要投诉</p><p style="display:none">隐藏</p><script>alert(1)</script>'
    assert read(write("utf-8", hidden.encode(), kind="text/html")).text == "要投诉"
    assert read(write("utf-8", '<div style="display:none">要投诉</div>'.encode(), kind="text/html")).text == "要投诉"


def test_tags_nested_a_hundred_thousand_deep_still_give_their_text() -> None:
    assert "要投诉" in read(write("utf-8", b"<div>" * 100_000 + "要投诉".encode(), kind="text/html")).text


def attach(mail: bytes, words: str, **fields: str) -> bytes:
    return make_mail(
        f"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{words}\r\n"
        f"--b\r\nContent-Type: message/rfc822\r\n\r\n{mail.decode()}\r\n--b--",
        Content_Type='multipart/mixed; boundary="b"',
        **fields,
    )


def test_a_colleagues_mail_with_one_mail_attached_is_the_complaint_of_who_wrote_that() -> None:
    raw = attach(make_mail(COMPLAINT, subject="盗刷"), "请受理", From="clerk@bank.example")
    draft = Reader(frozenset({"bank.example"})).read_draft(raw)
    assert (draft.text, draft.title, draft.emails, draft.quoted) == (COMPLAINT, "盗刷", ("wang@example.cn",), "请受理")
    outside = Reader().read_draft(raw.replace(b"clerk@bank.example", b"clerk@elsewhere.example"))
    assert (outside.text, outside.emails) == ("请受理", ("clerk@elsewhere.example",))
    assert COMPLAINT in outside.quoted
    assert [each.media_type for each in outside.attachments] == ["message/rfc822"]


@pytest.mark.parametrize("own", [frozenset({"bank.example"}), frozenset()], ids=["domains known", "domains unknown"])
@pytest.mark.parametrize(
    "fields",
    [
        {"To": "complaints@bank.example, wang@example.cn"},
        {"To": "wang@example.cn, complaints@bank.example"},
        {"To": "complaints@bank.example", "Cc": "wang@example.cn"},
        {"To": "wang@example.cn", "Cc": "complaints@bank.example"},
    ],
    ids=str,
)
def test_a_customer_who_copies_himself_and_attaches_the_banks_mail_is_heard_and_answered_himself(
    own: frozenset[str], fields: dict[str, str]
) -> None:
    inner = make_mail("您的贷款已逾期，请尽快还款。", From="manager@bank.example", To="wang@example.cn")
    draft = Reader(own).read_draft(attach(inner, COMPLAINT, From="wang@example.cn", **fields))
    assert draft.text == COMPLAINT
    assert draft.emails == ("wang@example.cn",)
    assert draft.acknowledge is not None
    assert draft.acknowledge.value == "wang@example.cn"
    assert [each.media_type for each in draft.attachments] == ["message/rfc822"]


def test_without_settings_a_mail_inside_one_house_with_one_mail_attached_is_handed_on() -> None:
    raw = attach(make_mail(COMPLAINT), "请受理", From="clerk@bank.example", To="complaints@bank.example")
    draft = Reader().read_draft(raw)
    assert (draft.text, draft.emails, draft.quoted) == (COMPLAINT, ("wang@example.cn",), "请受理")


def test_attached_names_are_bare_file_names() -> None:
    raw = make_mail(
        "".join(
            f'--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename="{name}"\r\n\r\nx\r\n'
            for name in (
                "../../etc/passwd",
                "C:\\temp\\流水.pdf",
                "...",
                "a" * 400 + ".pdf",
                "=?utf-8?B?5rWB5rC0LnBkZg==?=",
            )
        )
        + "--b--",
        Content_Type='multipart/mixed; boundary="b"',
    )
    names = [each.name for each in read(raw).attachments]
    assert names[:2] + names[4:] == ["passwd", "流水.pdf", "流水.pdf"]
    assert names[2].startswith("attachment-")
    assert len(names[3]) <= 150


# --- what the customer writes now


@pytest.mark.parametrize(
    "history",
    [
        '------------------ 原始邮件 ------------------\n发件人: "银行" <tousu@bank.example>;\n主题: 已受理\n\n您的投诉已受理',
        '在 2026-01-01 10:05:00，"投诉受理" <tousu@bank.example> 写道：\n> 您的投诉已受理',
        "投诉受理 <tousu@bank.example> 于2026年1月1日周四 10:05写道：\n> 您的投诉已受理",
        "________________________________\n发件人: 投诉受理 <tousu@bank.example>\n发送时间: 2026年1月1日 10:05\n收件人: 张女士\n主题: 已受理\n\n您的投诉已受理",
        "On Thu, Jan 1, 2026 at 10:05 AM Bank <tousu@bank.example> wrote:\n> We have received it",
        "-----Original Message-----\nFrom: Bank\nSent: Thursday\nTo: Zhang\nSubject: Received\n\nWe have received it",
        "Am 01.01.2026 um 10:05 schrieb Bank <tousu@bank.example>:\n> Wir haben es erhalten",
    ],
)  # fmt: skip
def test_the_history_under_an_answer_is_kept_apart(history: str) -> None:
    split = split_reply(f"还是没有人联系我！\n\n{history}")
    assert split.text == "还是没有人联系我！"
    assert split.quoted.split() == history.split()


@pytest.mark.parametrize(
    "text",
    [
        "On 5 March the branch wrote:\nyour card is blocked\nand nobody helped me since.",
        "2025年3月5日，柜员写道：\n“不予办理”。\n我要求道歉。",
        "发件人不明的短信让我转账，我已经转了 3000 元。",
        "From: a friend I heard that your fees are wrong.",
    ],
)
def test_a_customers_own_sentence_is_never_taken_for_history(text: str) -> None:
    assert split_reply(text).text == text


def test_an_answer_between_the_lines_is_all_read() -> None:
    split = split_reply("> 您的投诉已受理。\n什么时候有结果？\n> 15 个工作日。\n太久了！")
    assert split.text == "什么时候有结果？\n太久了！"


def test_a_forwarded_complaint_is_the_complaint() -> None:
    forwarded = "---------- 转发的邮件 ----------\n发件人: 李四 <li@example.cn>\n主题: 盗刷\n\n我的卡被盗刷"
    assert "我的卡被盗刷" in split_reply(f"请处理\n\n{forwarded}").text
    assert "我的卡被盗刷" in read(make_mail(forwarded, subject="转发：盗刷")).text


def test_a_signature_goes_unless_it_says_how_to_reach_the_customer() -> None:
    assert split_reply("要投诉\n--\n王小明\n某某公司").text == "要投诉"
    assert "13800000000" in split_reply("要投诉\n--\n王小明\n13800000000").text
    assert split_reply("要投诉\n发自我的 iPhone").text == "要投诉"


@given(st.text(max_size=400))
@settings(max_examples=200, deadline=None)
def test_no_word_of_a_mail_gets_lost_between_text_and_quote(text: str) -> None:
    split = split_reply(text)
    assert sorted("".join((split.text + split.quoted).split())) == sorted("".join(text.split()))


# --- machines


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("auto_reply", {"Auto-Submitted": "auto-replied"}),
        ("auto_reply", {"Subject": "自动回复:投诉"}),
        ("auto_reply", {"Subject": "外出自动回复"}),
        ("auto_reply", {"Subject": "Automatic reply: complaint"}),
        ("bounce", {"Subject": "系统退信", "Return-Path": "<>"}),
        ("bounce", {"From": "MAILER-DAEMON@example.cn", "Subject": "Undelivered Mail Returned to Sender"}),
        ("bounce", {"X-Failed-Recipients": "a@b.cn"}),
        ("read_receipt", {"Subject": "已读: 投诉"}),
        ("mailing_list", {"List-Id": "<news.example.cn>", "Precedence": "bulk"}),
    ],
)
def test_a_machines_mail_is_no_complaint(code: str, fields: dict[str, str]) -> None:
    with pytest.raises(Ignored) as caught:
        read(make_mail(**fields))
    assert caught.value.code == code


@pytest.mark.parametrize(
    "fields",
    [
        {"Auto-Submitted": "auto-generated"},
        {"X-Auto-Response-Suppress": "OOF, AutoReply"},
        {"Precedence": "bulk"},
        {"List-Unsubscribe": "<mailto:x@y>"},
        {"Return-Path": "<>"},
        {"From": "no-reply@example.cn"},
        {"From": "postmaster@example.cn"},
        {"X-Loop": "1"},
    ],
)
def test_a_mail_that_may_be_a_machines_is_a_complaint_without_an_answer(fields: dict[str, str]) -> None:
    draft = read(make_mail(**fields))
    assert "卡被吞" in draft.text
    assert draft.acknowledge is None


@pytest.mark.parametrize(
    "subject", ["自动取款机吞卡", "自动扣费没有通知", "退信用卡年费", "收到系统退款失败", "Automatic payment failed", "已读你们的条款，仍要投诉", "Delivery of my card"]
)  # fmt: skip
def test_a_customers_subject_is_not_taken_for_a_machines(subject: str) -> None:
    draft = read(make_mail(subject=subject))
    assert draft.acknowledge is not None
    assert (draft.acknowledge.value, draft.acknowledge.thread) == ("wang@example.cn", "<m1@example.cn>")


def test_a_distribution_list_of_the_bank_before_the_mailbox_hides_no_complaint(tmp_path: Path) -> None:
    raw = make_mail(
        List_Id="投诉 <complaints.bank.example>", Precedence="list", List_Post="<mailto:complaints@bank.example>"
    )
    for settings_ in ({"own_lists": ["complaints.bank.example"]}, {"recipients": ["complaints@bank.example"]}):
        channel = make_channel(tmp_path, **settings_)
        envelope = channel.make_envelope(raw)
        assert envelope.receipt_wanted
        assert "卡被吞" in channel.draft(envelope).text


# --- who belongs together, and who it was


def test_a_conversation_of_one_person_is_one_thread_and_a_stranger_in_it_has_his_own() -> None:
    first = read_keys(make_mail(number=1)).thread
    answer = read_keys(
        make_mail(number=2, References="<m1@example.cn> <x@bank.example>", In_Reply_To="<x@bank.example>")
    ).thread
    stranger = read_keys(make_mail(number=3, References="<m1@example.cn>", From="li@example.cn")).thread
    assert first
    assert answer
    assert stranger
    assert first.key == answer.key != stranger.key
    assert "wang" not in first.key


@pytest.mark.parametrize(
    "subject",
    ["Re: 我们已收到，受理编号 4711 0815 4243", "回复：受理编号：471108154243", "Re: receipt number 4711-0815-4243"],
)
def test_a_receipt_number_in_the_subject_joins_its_matter(subject: str) -> None:
    assert read_keys(make_mail(subject=subject)).joins == "471108154243"


@pytest.mark.parametrize(
    "subject", ["受理编号 471108154241", "471108154243", "卡号 6217 0000 1111 2222", "受理编号 4711081542434"]
)
def test_a_number_that_is_no_receipt_joins_nothing(subject: str) -> None:
    assert read_keys(make_mail(subject=subject)).joins is None


@pytest.mark.parametrize(
    ("header", "verified"),
    [
        ("mx.bank.example; dmarc=pass header.from=example.cn", True),
        ("mx.bank.example; dkim=pass header.d=example.cn", True),
        ("mx.bank.example; dkim=pass header.d=evil.cn; dmarc=fail header.from=example.cn", False),
        ("mx.evil.example; dmarc=pass header.from=example.cn", False),
        ("mx.bank.example; spf=pass smtp.mailfrom=evil.cn", False),
        ("mx.bank.example; none", False),
    ],
)
def test_only_our_own_mail_servers_word_makes_a_sender_sure(tmp_path: Path, header: str, *, verified: bool) -> None:
    channel = make_channel(tmp_path, authserv_id="mx.bank.example")
    envelope = channel.make_envelope(make_mail(Authentication_Results=header))
    assert envelope.authenticity.verified is verified
    assert not make_channel(tmp_path).make_envelope(make_mail(Authentication_Results=header)).authenticity.verified


def test_a_result_below_our_servers_own_is_the_senders_invention(tmp_path: Path) -> None:
    raw = make_mail(Authentication_Results="mx.bank.example; dmarc=pass header.from=example.cn")
    raw = b"Authentication-Results: mx.bank.example; dmarc=fail header.from=example.cn\r\n" + raw
    assert not make_channel(tmp_path, authserv_id="mx.bank.example").make_envelope(raw).authenticity.verified


# --- nothing breaks


def damage(raw: bytes, luck: random.Random) -> Iterator[bytes]:
    yield raw[: len(raw) // 2]
    yield raw.replace(b"\r\n", b"\n")
    yield raw.replace(b"\r\n", b"\r")
    yield raw.replace(b"=", b"")
    yield raw.replace(b"--", b"-")
    yield b"\xef\xbb\xbf\r\n" + raw
    for _ in range(20):
        yield bytes(luck.randrange(256) if luck.random() < 0.02 else byte for byte in raw)


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.in.*")), ids=lambda path: path.name)
def test_a_damaged_mail_is_read_as_far_as_it_goes(tmp_path: Path, sample: Path) -> None:
    channel = make_channel(tmp_path)
    for raw in damage(sample.read_bytes(), random.Random(7)):
        envelope = channel.make_envelope(raw)
        try:
            check_sound(channel.draft(envelope))
        except (Ignored, Unreadable):
            continue


@given(st.binary(max_size=500))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_draft_or_ignored_or_unreadable(raw: bytes) -> None:
    read_keys(raw)
    outcome = try_read(raw)
    if isinstance(outcome, Draft):
        check_sound(outcome)


@shared
def test_every_real_mail_is_a_sound_draft_or_ignored_or_unreadable(tmp_path: Path) -> None:
    channel = make_channel(tmp_path)
    seen = 0
    for folder in (DATA / "redistributable/email", DATA / "evaluate-only", SHARED / "samples/email"):
        for path, _ in walk_mails(folder):
            envelope = channel.make_envelope(path.read_bytes())
            seen += 1
            try:
                check_sound(channel.draft(envelope))
            except (Ignored, Unreadable):
                continue
    assert seen > 300


@shared
def test_no_bounce_of_a_real_mail_server_is_answered_or_gets_a_receipt(tmp_path: Path) -> None:
    channel = make_channel(tmp_path)
    for path, _ in walk_mails(DATA / "redistributable/email/bounce"):
        envelope = channel.make_envelope(path.read_bytes())
        outcome = try_read(envelope.raw)
        assert isinstance(outcome, Ignored), path
        assert not envelope.receipt_wanted, path


@shared
def test_every_real_chinese_and_arabic_text_is_read_in_every_charset() -> None:
    for path, expected in walk_mails(DATA / "evaluate-only/email_derived"):
        outcome = try_read(path.read_bytes())
        assert isinstance(outcome, Draft), path
        right = compare(outcome, find_expected(expected))
        assert right == {"subject": True, "text": True}, path


@shared
def test_subjects_and_senders_of_other_projects_suites_are_read_as_they_expect() -> None:
    right = []
    for folder in ("redistributable/email/parse", "evaluate-only/email/parse"):
        for path, expected in walk_mails(DATA / folder):
            outcome = try_read(path.read_bytes())
            if isinstance(outcome, Draft):
                fits = compare(outcome, find_expected(expected))
                right += [fits[field] for field in ("subject", "sender") if field in fits]
    # What is missing to all: forwarded mails, whose complainant is who wrote the mail inside, and senders without an address.
    assert sum(right) >= 0.9 * len(right) > 0


@shared
def test_four_of_five_answers_of_other_projects_suites_are_cut_where_they_expect() -> None:
    right = []
    for expectation in sorted((DATA / "redistributable/email/reply").rglob("expected.json")):
        source = next(path for path in expectation.parent.iterdir() if path != expectation)
        raw = source.read_bytes()
        outcome = try_read(raw) if source.suffix == ".eml" else split_reply(raw.decode().replace("\r\n", "\n"))
        found = "" if isinstance(outcome, (Ignored, Unreadable)) else outcome.text
        right.append(are_close(found, json.loads(expectation.read_text("utf-8"))["reply"]))
    assert sum(right) >= 0.8 * len(right) > 0
