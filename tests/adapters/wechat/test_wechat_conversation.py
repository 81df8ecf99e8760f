"""What people write and press in a conversation, what becomes of it, and what they read."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wechat_account import RECEIPT, accepted, open_with

from adapters._tencent.messages import Message
from adapters.wechat.intent import Wish, read_intent
from adapters.wechat.language import find_reply_language
from adapters.wechat.settings import ChannelSettings
from adapters.wechat.simulator import OPENID, SETTINGS, decrypt_reply, push
from config.branches import BranchEntry
from gateway.contract.call import Reply
from gateway.contract.clock import Millis
from gateway.contract.complaint import Kind
from gateway.contract.draft import Draft
from gateway.contract.envelope import LENT_S
from gateway.contract.errors import Ignored
from gateway.contract.progress import Ask, Progress, Untold

DEFAULTS = ChannelSettings.model_validate(SETTINGS)
BRANCH = {"F0591001": BranchEntry("F0591001", "福州五一支行")}


def say(text, **fields):
    return push(text=text, key="1", fields=fields)


def press(event, key="", **fields):
    return push(text="", key="1", fields={"MsgType": "event", "Event": event, "EventKey": key, "MsgId": "", **fields})


def receive(channel, call):
    (envelope,) = channel.receive(call)
    return envelope


def read(text, **changes):
    return read_intent(Message("xml", {"MsgType": "text", "Content": text}), DEFAULTS.model_copy(update=changes))


def words(reply):
    return decrypt_reply(reply).get("Content", "")


class TestIntent:
    @pytest.mark.parametrize(
        "text",
        [
            "取款机吞了我的卡",
            "查询余额的时候机器死机了",
            "进度太慢了",
            "我要查询",
            "表扬信寄了没人理",
            "建议书丢了",
            "咨询了三次都没人回答",
            "提交了申请没人理",
            "status of my card is wrong",
            "question is why you took my money",
            "progress has been too slow for weeks",
            "agent was rude",
            "人工服务态度太差",
            "进度 你们到底什么时候才能处理好我的事情，我已经等了三个星期了，打电话也没有人接",
            "完毕？",
            "471108154243",
            "",
            " ",
        ],
    )
    def test_words_for_a_person_are_no_order(self, text):
        assert read(text).wish is Wish.SAY
        assert read(text).kind is None

    @pytest.mark.parametrize(
        ("text", "kind"),
        [
            ("表扬：五一支行的小王", Kind.PRAISE),
            ("表扬:五一支行的小王", Kind.PRAISE),
            ("表揚 小王很熱心", Kind.PRAISE),
            ("建议\n多开一个窗口", Kind.SUGGESTION),
            ("咨询——房贷利率", Kind.INQUIRY),
            ("我要投诉：排队太久", Kind.COMPLAINT),
            ("投诉", Kind.COMPLAINT),
            ("Praise: the lady at desk 3", Kind.PRAISE),
            ("SUGGESTION - more chairs", Kind.SUGGESTION),
            ("شكوى: بطاقتي عالقة", Kind.COMPLAINT),
        ],
    )
    def test_what_it_is_can_be_said_in_front(self, text, kind):
        intent = read(text)
        assert (intent.wish, intent.kind) == (Wish.SAY, kind)

    @pytest.mark.parametrize(
        ("text", "kind"), [("表扬", Kind.PRAISE), ("建議！", Kind.SUGGESTION), ("question?", Kind.INQUIRY)]
    )
    def test_such_a_word_alone_chooses_what_comes_next(self, text, kind):
        intent = read(text)
        assert (intent.wish, intent.kind) == (Wish.CHOOSE, kind)

    @pytest.mark.parametrize(
        "text",
        [
            "查询",
            "查询进度",
            "进度？",
            "查詢",
            "進度",
            "STATUS",
            "progress?",
            "有结果了吗",
            "متابعة",
            "处理得怎么样了？",
        ],
    )
    def test_the_question_how_far_it_is(self, text):
        intent = read(text)
        assert (intent.wish, intent.receipt, intent.misspelt) == (Wish.ASK, None, False)

    @pytest.mark.parametrize(
        "text",
        [
            "查询 471108154243",
            "查询471108154243",
            "查询：4711 0815 4243",
            "查询编号4711-0815-4243",
            "查询 受理编号：471108154243",
            "進度 ４７１１０８１５４２４３",
            "status 4711 0815 4243",
            "Status no. 471108154243",
            "متابعة ٤٧١١٠٨١٥٤٢٤٣",
        ],
    )
    def test_the_question_with_a_number(self, text):
        assert read(text).receipt == RECEIPT

    @pytest.mark.parametrize("text", ["查询 471108154244", "查询 1234", "status 4711 0815"])
    def test_a_number_that_is_none_of_ours_is_still_the_question(self, text):
        intent = read(text)
        assert (intent.wish, intent.receipt, intent.misspelt) == (Wish.ASK, None, True)

    @pytest.mark.parametrize("text", ["人工", "转人工。", "人工服務", "human", "موظف"])
    def test_a_person_can_be_asked_for(self, text):
        assert read(text).wish is Wish.PEOPLE

    def test_the_banks_own_words_count_instead_whatever_their_case_and_width(self):
        own = ChannelSettings.model_validate(
            {**SETTINGS, "end_words": ["Ｂｙｅ "], "progress_words": ["Wie Weit"], "kind_words": {"praise": ["LOB"]}}
        )
        fields = {"MsgType": "text"}
        assert read_intent(Message("xml", {**fields, "Content": "bye"}), own).wish is Wish.END
        assert read_intent(Message("xml", {**fields, "Content": "wie weit?"}), own).wish is Wish.ASK
        assert read_intent(Message("xml", {**fields, "Content": "lob: x"}), own).kind is Kind.PRAISE
        assert read_intent(Message("xml", {**fields, "Content": "完毕"}), own).wish is Wish.SAY

    def test_spoken_orders_count_where_wechat_wrote_them_down(self):
        fields = {"MsgType": "voice", "MediaId": "m"}
        assert read_intent(Message("xml", {**fields, "Recognition": "查询进度。"}), DEFAULTS).wish is Wish.ASK
        assert read_intent(Message("xml", {**fields, "Recognition": "我的卡被吞了。"}), DEFAULTS).wish is Wish.SAY
        assert read_intent(Message("xml", fields), DEFAULTS).wish is Wish.SAY

    @pytest.mark.parametrize("order", ["查询", "完毕", "表扬", "人工"])
    def test_an_order_with_blank_space_before_further_words_is_no_order(self, order):
        assert read(order + " " * 300 + "，我的卡被吞了").wish is Wish.SAY
        assert read(order + " " * 100).wish is not Wish.SAY

    @given(st.text())
    def test_any_words_have_one_intent_and_long_ones_are_for_a_person(self, text):
        intent = read(text)
        assert intent.wish in (Wish.SAY, Wish.END, Wish.ASK, Wish.CHOOSE, Wish.PEOPLE)
        assert read("这是我想说的事情：" + text + "，请处理").wish is Wish.SAY


class TestMatter:
    def test_what_is_said_opens_or_joins_a_matter(self, channel):
        envelope = receive(channel, say("我的卡被吞了"))
        assert (envelope.receipt_wanted, envelope.thread.ends, envelope.hints) == (True, False, {})

    @pytest.mark.parametrize(
        "call", [say("查询"), say("查询 471108154243"), press("CLICK", "huiyin.progress"), say("完毕")]
    )
    def test_a_question_how_far_it_is_and_an_end_word_end_the_matter_and_the_choice_before_it(self, channel, call):
        envelope = receive(channel, call)
        assert (envelope.receipt_wanted, envelope.thread.key, envelope.thread.ends) == (False, OPENID, True)
        assert envelope.hints == {"kind": "", LENT_S: "1800"}

    @pytest.mark.parametrize(
        ("call", "kind"),
        [(say("表扬"), "praise"), *((press("CLICK", f"huiyin.{kind}"), kind.value) for kind in Kind)],
    )
    def test_a_choice_begins_a_new_matter_and_holds_for_it(self, channel, call, kind):
        envelope = receive(channel, call)
        assert (envelope.receipt_wanted, envelope.thread.ends) == (False, True)
        assert envelope.hints == {"kind": kind, LENT_S: "1800"}
        spoken_next = receive(channel, say("小王很热心"))
        assert channel.draft(replace(spoken_next, hints={"kind": kind})).kind == kind

    def test_what_is_said_in_front_goes_before_what_was_chosen(self, channel):
        envelope = replace(receive(channel, say("投诉：排队太久")), hints={"kind": "praise"})
        assert channel.draft(envelope).kind is Kind.COMPLAINT

    def test_a_kind_that_nobody_knows_is_none(self, channel):
        envelope = replace(receive(channel, say("x")), hints={"kind": "curse"})
        assert channel.draft(envelope).kind is None

    @pytest.mark.parametrize(
        ("call", "branch"),
        [
            (press("SCAN", "branch:F0591001", Ticket="t"), "F0591001"),
            (press("subscribe", "qrscene_branch:F0591001", Ticket="t"), "F0591001"),
            (press("scan", "1001"), "F0591002"),
            (press("subscribe", "qrscene_1001"), "F0591002"),
            (press("SCAN", "F0591001"), "F0591001"),
            (press("subscribe", "qrscene_F0591001"), "F0591001"),
        ],
    )
    def test_a_scan_lends_its_branch_and_does_not_end_a_matter(self, call, branch):
        channel = open_with(scenes={"1001": "F0591002"}, branch_window_s=3_600, house={"branches": BRANCH})
        envelope = receive(channel, call)
        assert (envelope.receipt_wanted, envelope.thread.key, envelope.thread.ends) == (False, OPENID, False)
        assert envelope.hints == {"branch": branch, LENT_S: "3600"}
        spoken_next = replace(receive(channel, say("x")), hints={"branch": branch})
        assert channel.draft(spoken_next).branch_code == branch

    @pytest.mark.parametrize(
        "call",
        [
            press("subscribe"),
            press("subscribe", "last_trade_no_branch:F0591001"),
            press("subscribe", "branch:F0591001"),
            press("SCAN", "qrscene_branch:F0591001"),
            press("SCAN", "another"),
            press("SCAN", "branch:"),
            press("SCAN", "branch:a b"),
            press("SCAN", "4294967295"),
            press("SCAN", "F0591001"),
            press("CLICK", "V1001_TODAY_MUSIC"),
            press("VIEW", "https://bank.example"),
            press("LOCATION"),
            press("unsubscribe"),
            press("event_of_2030", "huiyin.praise"),
        ],
    )
    def test_other_events_touch_no_conversation(self, channel, call):
        envelope = receive(channel, call)
        assert (envelope.receipt_wanted, envelope.thread, envelope.hints) == (False, None, {})

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("完毕", "wechat_end_word"),
            ("查询", "wechat_progress_question"),
            ("建议", "wechat_kind_word"),
            ("人工", "wechat_people_word"),
        ],
    )
    def test_orders_are_no_part_of_the_complaint(self, channel, text, code):
        with pytest.raises(Ignored) as ignored:
            channel.draft(receive(channel, say(text)))
        assert ignored.value.code == code

    def test_without_a_sender_nothing_is_a_conversation(self, channel):
        for text in ("x", "查询", "完毕", "表扬"):
            assert receive(channel, push(text=text, key="1", fields={"FromUserName": ""})).thread is None

    def test_a_file_lends_nothing(self, channel):
        import io

        scan = receive(channel, press("SCAN", "branch:F0591001"))
        (imported,) = channel.split(io.BytesIO(scan.raw), "push.xml", None)
        assert imported.hints == {}
        assert imported.source_key == scan.source_key


class TestReply:
    @pytest.mark.parametrize(
        ("text", "part"),
        [
            ("我的卡被吞了", "会有专人处理"),
            ("我的卡被吞了，請處理", "會有專人處理"),
            ("The machine kept my card", "somebody will look into it"),
            ("احتجز الصراف بطاقتي", "وسيتابعها موظف مختص"),
            ("表扬：小王", "您的表扬"),
            ("建议：多开窗口", "您的建议"),
            ("Question: what does it cost?", "Your question"),
            ("ثناء: الموظفة لطيفة", "ثناءك"),
        ],
    )
    def test_the_first_message_is_answered_in_its_language_and_kind_with_the_number(self, channel, text, part):
        told = words(channel.reply(say(text), accepted()))
        assert part in told
        assert "4711 0815 4243" in told

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("还有", "已补充到尾号 4243 的事项。"),
            ("還有這個", "已補充到尾號 4243 的事項。"),
            ("and this", "Added to your matter ending in 4243."),
            ("表扬：小王", "已补充到尾号 4243 的事项。"),
        ],
    )
    def test_a_later_message_is_told_shortly_where_it_went(self, channel, text, told):
        assert words(channel.reply(say(text), accepted(supplement=True))) == told

    def test_later_messages_are_silent_where_the_bank_wants_it_and_the_first_is_not(self):
        channel = open_with(follow_ups="silent")
        assert channel.reply(say("还有"), accepted(supplement=True)) == Reply(200)
        assert "4711 0815 4243" in words(channel.reply(say("x"), accepted()))
        assert "4711 0815 4243" in words(channel.reply(say("完毕"), accepted(supplement=True)))

    def test_the_end_is_confirmed_and_an_end_of_nothing_is_said(self, channel):
        assert "4711 0815 4243" in words(channel.reply(say("完毕"), accepted(supplement=True)))
        assert "没有正在记录的事情" in words(channel.reply(say("完毕"), accepted(receipt=None)))
        assert "nothing being noted" in words(channel.reply(say("done"), accepted(receipt=None)))

    def test_a_choice_is_answered_with_what_to_write(self, channel):
        told = {words(channel.reply(press("CLICK", f"huiyin.{kind}"), accepted(receipt=None))) for kind in Kind}
        assert len(told) == len(Kind)
        assert "" not in told

    def test_who_wants_a_person_reads_the_hotline(self, channel):
        for call in (say("人工"), press("CLICK", "huiyin.people")):
            assert "95561" in words(channel.reply(call, accepted(receipt=None)))

    @pytest.mark.parametrize("link", ["", "https://bank.example/b/qr1.x.y"])
    def test_who_scanned_is_greeted_at_the_branch_with_its_page_if_there_is_one(self, link):
        channel = open_with(house={"branches": BRANCH, "branch_link": lambda code: link if code in BRANCH else ""})
        for call in (press("SCAN", "branch:F0591001"), press("subscribe", "qrscene_branch:F0591001")):
            told = words(channel.reply(call, accepted(receipt=None)))
            assert "福州五一支行" in told
            assert (link in told) if link else ("http" not in told)
        told = words(channel.reply(press("SCAN", "branch:new"), accepted(receipt=None)))
        assert "new" in told
        assert "http" not in told

    def test_a_picture_is_answered_in_the_accounts_language(self):
        picture = {"MsgType": "image", "MediaId": "m", "Content": ""}
        assert "受理编号" in words(open_with().reply(say("", **picture), accepted()))
        assert "Your number" in words(open_with(language="en").reply(say("", **picture), accepted()))

    def test_the_banks_own_words_replace_ours_for_all_or_for_one_language(self):
        channel = open_with(texts={"received": "No. {receipt} {bank}", "supplemented": {"en": "+ {ending}"}})
        assert words(channel.reply(say("我的卡"), accepted())) == "No. 4711 0815 4243 示例银行"
        assert words(channel.reply(say("my card"), accepted(supplement=True))) == "+ 4243"
        assert words(channel.reply(say("我的卡"), accepted(supplement=True))) == "已补充到尾号 4243 的事项。"

    def test_nothing_in_a_branchs_name_is_a_placeholder_or_a_field(self):
        name = "{hotline}]]></Content><MsgType><![CDATA[news]]></MsgType>"
        channel = open_with(house={"branches": {"X": BranchEntry("X", name)}})
        fields = decrypt_reply(channel.reply(press("SCAN", "branch:X"), accepted(receipt=None)))
        assert fields["MsgType"] == "text"
        assert name in fields["Content"]

    @settings(deadline=None)
    @given(st.text(), st.booleans(), st.booleans())
    def test_no_words_of_a_customer_come_back_or_break_the_reply(self, text, supplement, numbered):
        channel = open_with()
        marked = f"蒙面超人]]></Content><MsgType>{text}"
        call = push(text=marked, key="1", form="json")
        told = accepted(receipt=RECEIPT if numbered else None, supplement=supplement)
        fields = decrypt_reply(channel.reply(call, told))
        assert "蒙面超人" not in fields.get("Content", "")
        assert fields.get("MsgType", "text") == "text"


class TestProgress:
    told = Progress(
        receipt=RECEIPT,
        steps=[
            ("received", Millis(1_790_000_000_000)),
            ("registered", Millis(1_790_000_001_000)),
            ("forwarded", Millis(1_790_000_060_000)),
            ("supplemented", Millis(1_790_000_120_000)),
        ],
        deadline=date(2026, 10, 6),
        link="https://bank.example/r/471108154243?s=secret",
    )

    def ask(self, channel, call):
        ask = channel.reply(call, accepted(receipt=None))
        assert isinstance(ask, Ask)
        return ask

    @pytest.mark.parametrize(
        ("call", "receipt"),
        [
            (say("查询"), None),
            (say("查询 4711 0815 4243"), RECEIPT),
            (say("status"), None),
            (press("CLICK", "huiyin.progress"), None),
        ],
    )
    def test_the_question_is_asked_for_the_sender_and_for_nobody_else(self, channel, call, receipt):
        ask = self.ask(channel, call)
        assert (ask.thread, ask.receipt) == (OPENID, receipt)

    def test_the_answer_says_number_step_times_and_last_day_in_the_banks_time(self, channel):
        told = words(self.ask(channel, say("查询")).write(self.told))
        assert told.splitlines() == [
            "受理编号：4711 0815 4243",
            "转交办理 2026年9月21日 22:14",
            "已转到负责的部门。",
            "收到 2026年9月21日 22:13",
            "您补充了内容 2026年9月21日 22:15",
            "最迟答复日期 2026年10月6日",
            "详情：https://bank.example/r/471108154243?s=secret",
        ]

    @pytest.mark.parametrize(
        ("text", "part"), [("查詢", "受理編號"), ("status", "Your number"), ("متابعة", "رقم المعاملة")]
    )
    def test_the_answer_is_in_the_language_of_the_question(self, channel, text, part):
        assert part in words(self.ask(channel, say(text)).write(self.told))

    @pytest.mark.parametrize(
        ("text", "told", "part"),
        [
            ("查询", Untold.UNKNOWN, "还没有在这里提交过"),
            ("查询 471108154243", Untold.UNKNOWN, "没有查到您名下的这件事"),
            ("查询", Untold.AWAY, "现在查不到进度"),
            ("查询 471108154243", Untold.AWAY, "现在查不到进度"),
        ],
    )
    def test_what_cannot_be_told_is_said(self, channel, text, told, part):
        assert part in words(self.ask(channel, say(text)).write(told))

    def test_a_misspelt_number_is_told_without_asking(self, channel):
        reply = channel.reply(say("查询 471108154244"), accepted(receipt=None))
        assert "核对编号" in words(reply)

    def test_a_closed_matter_has_no_deadline_any_more(self, channel):
        closed = replace(self.told, steps=[*self.told.steps, ("closed", Millis(1_790_000_180_000))])
        told = words(self.ask(channel, say("查询")).write(closed))
        assert "办结" in told
        assert "最迟" not in told

    def test_without_encryption_the_link_is_not_given(self):
        channel = open_with(mode="plain")
        told = words(self.ask(channel, push(text="查询", key="1", mode="plain")).write(self.told))
        assert "转交办理" in told
        assert "http" not in told


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("我的卡被吞了", "zh-Hans"),
        ("我的卡被吞咗，點算", "zh-Hant"),
        ("請問點解扣咗我錢", "zh-Hant"),
        ("我叫劉萬里，我的银行卡昨天在五一路的自动取款机上被吞了，请你们尽快联系我处理一下", "zh-Hans"),
        ("my ATM card", "en"),
        ("ATM 吞了我的卡", "zh-Hans"),
        ("بطاقتي ATM", "ar"),
        ("12345 😡", "zh-Hans"),
        ("", "zh-Hans"),
    ],
)
def test_the_language_is_that_of_the_script(text, language):
    assert find_reply_language(text, "zh-Hans") == language


def test_a_voice_message_is_answered_in_the_language_spoken(channel):
    call = say("", MsgType="voice", MediaId="m", Recognition="The machine kept my card.", Content="")
    assert "Your number" in words(channel.reply(call, accepted()))


def test_a_praise_is_drafted_with_its_kind(channel):
    draft = channel.draft(receive(channel, say("表扬：小王")))
    assert draft == replace(
        Draft(), text="表扬：小王", kind=Kind.PRAISE, wechat_openid=OPENID, occurred_at=draft.occurred_at
    )
