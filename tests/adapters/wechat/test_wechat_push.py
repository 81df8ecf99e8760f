"""What comes in at the door, and what does not."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wechat_account import accepted, open_with

from adapters.wechat import simulator
from adapters.wechat.simulator import ACCOUNT, OPENID, RECEIVED_AT, make_call, push, verify_url
from gateway.contract.call import Reply
from gateway.contract.envelope import Thread
from gateway.contract.errors import Refused, TryLater
from gateway.contract.ports import Channel, Files, Push

SAMPLES = Path(__file__).parents[3] / "adapters/wechat/samples"
MODES = ("safe", "compatible", "plain")


def receive_one(channel, call):
    (envelope,) = channel.receive(call)
    return envelope


def refuse_of(channel, call):
    with pytest.raises(Refused) as caught:
        channel.receive(call)
    return caught.value.status, caught.value.code


def status_of(channel, call):
    try:
        channel.receive(call)
    except Refused as error:
        return error.status
    return 200


def change_query(call, **changes):
    query = {name: value for name, value in {**call.query, **changes}.items() if value is not None}
    return replace(call, query=query)


def test_the_channel_takes_pushes_and_files(channel):
    assert isinstance(channel, Channel)
    assert isinstance(channel, Push)
    assert isinstance(channel, Files)


def test_its_address_names_the_instance_and_caps_the_body(channel):
    assert [(route.method, route.path) for route in channel.routes()] == [
        ("GET", "/wechat/gzh"),
        ("POST", "/wechat/gzh"),
    ]
    assert channel.routes()[1].limit_bytes == 65_536


class TestVerification:
    @pytest.mark.parametrize("secret", ["right", "rotated"])
    def test_the_console_gets_its_echo_back_bare(self, channel, secret):
        assert channel.receive(verify_url(secret=secret)) == Reply(200, b"5837397520665436492")

    @pytest.mark.parametrize("secret", ["wrong", "missing"])
    def test_a_stranger_gets_nothing(self, channel, secret):
        assert refuse_of(channel, verify_url(secret=secret))[0] == 403

    @pytest.mark.parametrize("echo", ["", "<script>alert(1)</script>", "a b", "a\n", "x" * 65, "回音"])
    def test_nothing_but_letters_and_digits_is_echoed(self, channel, echo):
        assert refuse_of(channel, verify_url(echostr=echo)) == (403, "wechat_echostr")


class TestAuthenticity:
    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("form", ["xml", "json"])
    @pytest.mark.parametrize("secret", ["right", "rotated"])
    def test_a_push_of_the_account_is_kept_in_its_decrypted_form(self, mode, form, secret):
        call = push(text=" 取款机吞了我的卡 ", key="7", mode=mode, form=form, secret=secret)
        envelope = receive_one(open_with(mode=mode), call)
        assert " 取款机吞了我的卡 ".encode() in envelope.raw
        assert envelope.source_key == f"msg:{OPENID}:7"
        assert envelope.receipt_wanted
        assert envelope.received_at == RECEIVED_AT
        assert envelope.authenticity.method == ("wechat_plain" if mode == "plain" else "wechat_safe")
        assert envelope.authenticity.verified is (mode != "plain")

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("secret", ["wrong", "missing"])
    def test_a_push_without_the_secret_is_refused(self, mode, secret):
        assert refuse_of(open_with(mode=mode), push(text="x", key="1", mode=mode, secret=secret))[0] == 403

    def test_a_plain_push_is_no_way_round_safe_mode(self, channel):
        assert refuse_of(channel, push(text="x", key="1", mode="plain")) == (403, "wechat_not_encrypted")

    def test_the_signature_of_the_address_does_not_stand_in_for_that_of_the_message(self, channel):
        call = push(text="x", key="1")
        assert refuse_of(channel, change_query(call, msg_signature=None)) == (403, "wechat_unsigned")
        assert refuse_of(channel, change_query(call, msg_signature=call.query["signature"])) == (
            403,
            "wechat_signature",
        )

    def test_the_plain_half_of_a_compatible_push_does_not_count_in_safe_mode(self, channel):
        call = push(text="真话", key="1", mode="compatible")
        forged = replace(call, body=call.body.replace("真话".encode(), "假话".encode()))
        assert "真话".encode() in receive_one(channel, forged).raw

    @pytest.mark.parametrize("mode", ["compatible", "plain"])
    def test_an_encrypted_push_is_not_taken_at_its_plain_word(self, mode):
        channel, call = open_with(mode=mode), push(text="真话", key="1", mode="compatible")
        assert "真话".encode() in receive_one(channel, call).raw
        stripped = change_query(call, msg_signature=None)
        assert refuse_of(channel, stripped) == (403, "wechat_unsigned")
        spot = call.body.index(b"<Encrypt>")
        bare = replace(call, body=call.body[:spot] + b"</xml>")
        assert refuse_of(channel, bare) == (403, "wechat_not_encrypted")
        assert refuse_of(channel, change_query(bare, msg_signature=None)) == (403, "wechat_not_encrypted")

    def test_compatible_mode_takes_a_push_without_encryption(self):
        assert receive_one(open_with(mode="compatible"), push(text="x", key="1", mode="plain")).receipt_wanted

    def test_an_encrypted_push_is_opened_in_plain_mode_where_the_keys_are_known(self):
        assert receive_one(open_with(mode="plain"), push(text="x", key="1")).authenticity.method == "wechat_safe"

    def test_an_encrypted_push_without_keys_is_refused_rather_than_swallowed(self):
        call = push(text="x", key="1")
        assert refuse_of(open_with(mode="plain", aes_keys=[]), call) == (403, "wechat_undecryptable")

    def test_a_changed_ciphertext_is_refused(self, channel):
        call = push(text="x", key="1")
        spot = call.body.index(b"Encrypt") + 40
        changed = call.body[:spot] + (b"B" if call.body[spot : spot + 1] == b"A" else b"A") + call.body[spot + 1 :]
        assert refuse_of(channel, replace(call, body=changed)) == (403, "wechat_signature")

    def test_a_push_for_another_app_is_refused(self):
        assert refuse_of(open_with(appid="wx1111111111111111"), push(text="x", key="1")) == (403, "wechat_other_appid")

    def test_a_push_for_another_account_is_refused(self):
        assert refuse_of(open_with(account="gh_other"), push(text="x", key="1")) == (403, "wechat_other_account")

    @pytest.mark.parametrize("late_s", [601, -601])
    def test_a_push_replayed_later_is_refused(self, channel, late_s):
        call = push(text="x", key="1")
        assert refuse_of(channel, replace(call, received_at=RECEIVED_AT + late_s * 1000)) == (403, "wechat_stale")

    def test_the_window_can_be_wider_or_off(self):
        late = replace(push(text="x", key="1"), received_at=RECEIVED_AT + 86_400_000)
        assert receive_one(open_with(window_s=0), late)
        assert receive_one(open_with(window_s=90_000), late)

    def test_a_plain_address_used_again_under_other_words_is_a_forgery_and_under_the_same_a_retry(self):
        channel, call = open_with(mode="plain"), push(text="真话", key="1", mode="plain")
        first = receive_one(channel, call)
        for _ in range(2):
            assert receive_one(channel, call).source_key == first.source_key
            forged = replace(call, body=call.body.replace("真话".encode(), "假话".encode()))
            assert refuse_of(channel, forged) == (403, "wechat_replayed")

    def test_a_copy_of_an_encrypted_push_is_a_retry_and_an_old_copy_is_refused(self, channel):
        call = push(text="x", key="1")
        first, copy = receive_one(channel, call), receive_one(channel, replace(call, received_at=RECEIVED_AT + 599_000))
        assert (first.source_key, first.content_digest()) == (copy.source_key, copy.content_digest())
        assert refuse_of(channel, replace(call, received_at=RECEIVED_AT + 601_000)) == (403, "wechat_stale")

    @pytest.mark.parametrize(
        "changes",
        [
            {"timestamp": ""},
            {"timestamp": "１７９００００００１"},
            {"timestamp": "-790000001"},
            {"nonce": ""},
            {"nonce": "\ud800"},
            {"msg_signature": "é" * 40},
        ],
    )
    def test_parameters_of_another_form_are_refused(self, channel, changes):
        assert refuse_of(channel, change_query(push(text="x", key="1"), **changes)) == (403, "wechat_unsigned")


class TestTheDocumentation:
    """developers.weixin.qq.com/doc/oplatform/developers/dev/push/encryption.md: its two worked examples."""

    def test_its_plain_push_is_taken(self):
        channel = open_with(mode="plain", tokens=["AAAAA"], account="")
        body = b'{"ToUserName":"gh_97417a04a28d","FromUserName":"o9AgO5Kd5ggOC-bXrbNODIiE3bGY","CreateTime":1714037059,"MsgType":"event","Event":"debug_demo","debug_str":"hello world"}'
        query = {
            "signature": "899cf89e464efb63f54ddac96b0a0a235f53aa78",
            "timestamp": "1714037059",
            "nonce": "486452656",
        }
        call = replace(push(text="x", key="1"), query=query, body=body, received_at=1_714_037_060_000)
        key = receive_one(channel, call).source_key
        assert key.startswith("event:o9AgO5Kd5ggOC-bXrbNODIiE3bGY:1714037059:debug_demo:")

    def test_its_encrypted_push_is_taken(self):
        sample = json.loads((SAMPLES / "encrypted_for_another.in.json").read_bytes())
        channel = open_with(tokens=["AAAAA"], aes_keys=["A" * 43], appid="wxba5fad812f8e6fb9", account="")
        query = {name: sample[name] for name in ("timestamp", "nonce", "encrypt_type", "msg_signature")}
        call = replace(
            push(text="x", key="1"),
            query=query,
            body=json.dumps(sample["body"]).encode(),
            received_at=1_714_112_445_000,
        )
        assert json.loads(receive_one(channel, call).raw) == sample["plaintext"]


class TestOurRequests:
    """The requests of `samples/requests.in.json`, as a server would send them."""

    def test_each_is_answered_as_it_says(self):
        sample = json.loads((SAMPLES / "requests.in.json").read_bytes())
        statuses = {}
        for request in sample["requests"]:
            mode = (
                request["name"] if request["name"] in MODES else "compatible" if request["name"] == "compat" else "safe"
            )
            call = replace(
                push(text="x", key="1"),
                method=request["method"],
                query=request["query"],
                body=(request["body"] or "").encode(),
            )
            statuses[request["name"]] = status_of(open_with(mode=mode), call)
            assert statuses[request["name"]] == request.get("expect", {}).get("status", 200)
        assert set(statuses.values()) == {200, 403}


class TestBadBodies:
    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"", "wechat_malformed"),
            (b"hello", "wechat_malformed"),
            (b"<xml><MsgType>text</MsgType>", "wechat_malformed"),
            (b"<xml><Content>\x00</Content></xml>", "wechat_malformed"),
            (b"<xml><Content>\xff\xfe</Content></xml>", "wechat_malformed"),
            (b"<xml>&undefined;</xml>", "wechat_malformed"),
            (b'{"MsgType": "text"', "wechat_malformed"),
            (b'{"MsgType": "text"} {}', "wechat_malformed"),
            (b"<xml>" + b"<a>" * 20_000, "wechat_too_deep"),
            (b'{"a":' + b"[" * 60_000, "wechat_too_deep"),
            (b'<!DOCTYPE xml SYSTEM "http://192.0.2.1/x.dtd"><xml/>', "wechat_doctype"),
            (b'<!DOCTYPE xml [<!ENTITY a "b">]><xml>&a;</xml>', "wechat_doctype"),
            (b"<xml><MsgId>1</MsgId><MsgId>2</MsgId></xml>", "wechat_repeated_field"),
            (b'{"MsgId": 1, "MsgId": 2}', "wechat_repeated_field"),
        ],
    )
    @pytest.mark.parametrize("mode", MODES)
    def test_a_signed_call_with_a_broken_body_is_malformed(self, mode, body, code):
        call = replace(push(text="x", key="1", mode=mode), body=body)
        assert refuse_of(open_with(mode=mode), call) == (400, code)

    def test_a_broken_body_from_a_stranger_is_not_authentic(self, channel):
        call = replace(push(text="x", key="1", secret="wrong"), body=b"<xml>")
        assert refuse_of(channel, call) == (403, "wechat_signature")

    def test_a_body_above_the_limit_is_too_large(self):
        call = push(text="x" * 2_000, key="1")
        assert refuse_of(open_with(limit_bytes=2_000), call) == (413, "too_large")

    def test_encrypted_words_that_nobody_can_read_are_kept_for_a_person(self, channel):
        envelope = receive_one(channel, make_call(b"<xml>cut off"))
        assert envelope.raw == b"<xml>cut off"
        assert envelope.source_key == "sha256:" + hashlib.sha256(b"<xml>cut off").hexdigest()
        assert not envelope.receipt_wanted

    @pytest.mark.parametrize("number", ["9" * 5_000, "-1", "1e999", ""])
    def test_strange_numbers_are_kept_as_they_are(self, channel, number):
        call = push(text="x", key="1", fields={"CreateTime": number, "MsgId": number})
        assert receive_one(channel, call).receipt_wanted

    @settings(deadline=None)
    @given(body=st.binary(max_size=300), mode=st.sampled_from(MODES))
    def test_no_body_fails_in_another_way(self, body, mode):
        channel = open_with(mode=mode)
        for call in (replace(push(text="x", key="1"), body=body), replace(verify_url(), body=body)):
            assert status_of(channel, call) in {200, 400, 403}

    @settings(deadline=None)
    @given(message=st.binary(max_size=300))
    def test_no_encrypted_message_is_lost_or_fails(self, message):
        channel = open_with()
        call = make_call(message)
        envelope = receive_one(channel, call)
        assert envelope.raw == message
        assert channel.reply(call, accepted()).status == 200

    @settings(deadline=None)
    @given(
        fields=st.dictionaries(
            st.sampled_from(
                ["MsgType", "Event", "EventKey", "FromUserName", "ToUserName", "MsgId", "CreateTime", "Content"]
            ),
            st.one_of(st.text(), st.sampled_from(["text", "event", "voice"])),
        )
    )
    def test_no_field_makes_a_push_fail_or_its_key_unstorable(self, fields):
        channel = open_with(mode="plain", account="")
        call = push(text="x", key="1", mode="plain", form="json", fields=fields)
        envelope = receive_one(channel, call)
        assert "\x00" not in envelope.source_key
        assert len(envelope.source_key.encode()) <= 1_000
        assert channel.reply(call, accepted()).status == 200

    @settings(deadline=None)
    @given(
        query=st.dictionaries(
            st.sampled_from(["signature", "msg_signature", "timestamp", "nonce", "echostr"]), st.text()
        )
    )
    def test_no_query_fails_in_another_way(self, query):
        channel = open_with()
        for call in (push(text="x", key="1"), verify_url()):
            assert status_of(channel, change_query(call, **query)) in {200, 403}


class TestKeys:
    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("form", ["xml", "json"])
    def test_a_retry_has_the_same_key_and_content(self, mode, form):
        channel = open_with(mode=mode)
        first, second = (
            receive_one(channel, push(text="x", key="1", mode=mode, form=form, received_at=RECEIVED_AT + late))
            for late in (0, 5_000)
        )
        assert first.source_key == second.source_key
        assert first.content_digest() == second.content_digest()

    def test_a_message_has_the_same_content_in_every_mode(self):
        channel = open_with(mode="compatible")
        digests = {receive_one(channel, push(text="x", key="1", mode=mode)).content_digest() for mode in MODES}
        assert len(digests) == 1

    def test_a_retry_is_the_same_where_the_account_is_compatible_and_the_settings_are_plain(self):
        channel = open_with(mode="plain", aes_keys=[])
        first, second = (receive_one(channel, push(text="x", key="1", mode="compatible")) for _ in range(2))
        assert first.raw != second.raw
        assert first.content_digest() == second.content_digest()

    def test_other_words_under_the_same_number_are_another_content(self, channel):
        first, second = (receive_one(channel, push(text=text, key="1")) for text in ("甲", "乙"))
        assert first.source_key == second.source_key
        assert first.content_digest() != second.content_digest()

    def test_an_event_is_known_by_sender_second_name_and_key(self, channel):
        fields = {"MsgType": "event", "Event": "CLICK", "EventKey": "COMPLAIN", "MsgId": "", "Content": ""}
        envelope = receive_one(channel, push(text="", key="1", fields=fields, created_at_s=1_790_000_000))
        assert envelope.source_key == f"event:{OPENID}:1790000000:CLICK:COMPLAIN"
        assert not envelope.receipt_wanted

    def test_two_reports_of_one_second_are_two(self, channel):
        fields = {"MsgType": "event", "Event": "TEMPLATESENDJOBFINISH", "MsgId": "", "Content": ""}
        keys = {receive_one(channel, push(text="", key="1", fields={**fields, "MsgID": n})).source_key for n in "12"}
        assert len(keys) == 2

    def test_events_that_differ_only_inside_are_two(self, channel):
        body = "<xml><ToUserName>{}</ToUserName><FromUserName>{}</FromUserName><CreateTime>1790000000</CreateTime><MsgType>event</MsgType><Event>subscribe_msg_sent_event</Event><SubscribeMsgSentEvent><List><MsgID>{}</MsgID></List></SubscribeMsgSentEvent></xml>"
        calls = (make_call(body.format(ACCOUNT, OPENID, number).encode()) for number in (1, 2))
        assert len({receive_one(channel, call).source_key for call in calls}) == 2

    @pytest.mark.parametrize("fields", [{"MsgId": ""}, {"FromUserName": ""}, {"MsgId": "\x00"}])
    def test_a_message_without_its_ids_is_known_by_its_content(self, channel, fields):
        call = push(text="x", key="1", form="json", fields=fields)
        assert receive_one(channel, call).source_key.startswith("sha256:")

    @pytest.mark.parametrize("kind", ["", "hologram", "transfer_customer_service"])
    def test_a_kind_not_known_yet_is_kept_without_a_number(self, channel, kind):
        envelope = receive_one(channel, push(text="x", key="1", fields={"MsgType": kind}))
        assert not envelope.receipt_wanted
        assert envelope.source_key == f"msg:{OPENID}:1"


class TestConversation:
    def test_messages_of_one_customer_are_one_thread(self, channel):
        envelope = receive_one(channel, push(text="x", key="1"))
        assert envelope.thread == Thread(key=OPENID, window_ms=1_800_000)

    @pytest.mark.parametrize(
        "word", ["完毕", "提交", "完畢", " 完毕\n", "结束。", "Done!", "ｄｏｎｅ", "انتهى", "إرسال"]
    )
    def test_the_end_word_alone_ends_it_and_opens_nothing(self, channel, word):
        envelope = receive_one(channel, push(text=word, key="1"))
        assert envelope.thread.ends
        assert not envelope.receipt_wanted

    @pytest.mark.parametrize("words", ["我还没说完毕", "提交了申请没人理", "完毕？"])
    def test_the_end_word_inside_a_sentence_does_not(self, channel, words):
        assert not receive_one(channel, push(text=words, key="1")).thread.ends

    def test_window_and_words_are_settings(self):
        channel = open_with(conversation_window_s=60, end_words=["over"])
        assert receive_one(channel, push(text="over", key="1")).thread == Thread(
            key=OPENID, window_ms=60_000, ends=True
        )


class TestRefusal:
    def test_a_stranger_reads_the_code_and_nothing_else(self, channel):
        call = push(text="我的卡号", key="1", secret="wrong")
        with pytest.raises(Refused) as caught:
            channel.receive(call)
        assert channel.refuse(call, caught.value) == Reply(403, b"wechat_signature")

    def test_when_nothing_can_be_kept_wechat_is_made_to_send_again(self, channel):
        assert channel.refuse(push(text="x", key="1"), TryLater("store_unavailable", after_s=5)) == Reply(503)

    def test_no_refusal_names_a_secret_or_the_customer(self, channel):
        for secret in ("wrong", "missing"):
            with pytest.raises(Refused) as caught:
                channel.receive(push(text="我的卡号", key="1", secret=secret))
            for private in (*simulator.TOKENS, *simulator.AES_KEYS, OPENID, "我的卡号"):
                assert private not in str(caught.value)
