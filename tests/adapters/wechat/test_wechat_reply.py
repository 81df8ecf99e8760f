"""The customer reads the number, at once and every time the same."""

import json

import pytest
import xmltodict
from wechat_account import accepted, open_with
from wechatpy.crypto import WeChatCrypto

from adapters._tencent.messages import read_message
from adapters.wechat.replies import render
from adapters.wechat.simulator import (
    ACCOUNT,
    AES_KEYS,
    APPID,
    OPENID,
    RECEIVED_AT,
    TOKENS,
    decrypt_reply,
    make_call,
    push,
)
from gateway.contract.call import Reply

SUBSCRIBE = {"MsgType": "event", "Event": "subscribe", "Content": "", "MsgId": ""}


@pytest.mark.parametrize("mode", ["safe", "compatible", "plain"])
@pytest.mark.parametrize("form", ["xml", "json"])
@pytest.mark.parametrize("secret", ["right", "rotated"])
def test_the_first_message_is_answered_with_the_number(mode, form, secret):
    call = push(text="取款机吞了我的卡", key="1", mode=mode, form=form, secret=secret)
    reply = open_with(mode=mode).reply(call, accepted())
    fields = decrypt_reply(reply, secret=secret)
    assert reply.status == 200
    assert (fields["ToUserName"], fields["FromUserName"]) == (OPENID, ACCOUNT)
    assert fields["MsgType"] == "text"
    assert "4711 0815 4243" in fields["Content"]
    assert fields["CreateTime"] == str(RECEIVED_AT // 1000)


def test_a_later_message_is_told_where_it_went(channel):
    fields = decrypt_reply(channel.reply(push(text="还有", key="2"), accepted(supplement=True)))
    assert fields["Content"] == "已补充到尾号 4243 的事项。"


def test_a_retry_reads_the_same_text(channel):
    first = channel.reply(push(text="x", key="1"), accepted())
    again = channel.reply(push(text="x", key="1", received_at=RECEIVED_AT + 5_000), accepted(duplicate=True))
    assert decrypt_reply(first)["Content"] == decrypt_reply(again)["Content"]


def test_wechatpy_takes_the_encrypted_reply(channel):
    reply = channel.reply(push(text="x", key="1"), accepted())
    outer = xmltodict.parse(reply.body)["xml"]
    crypto = WeChatCrypto(TOKENS[0], AES_KEYS[0], APPID)
    inner = crypto.decrypt_message(reply.body, outer["MsgSignature"], outer["TimeStamp"], outer["Nonce"])
    assert "4711 0815 4243" in xmltodict.parse(inner)["xml"]["Content"]
    assert reply.content_type == "text/xml; charset=utf-8"


def test_a_json_push_is_answered_in_json(channel):
    reply = channel.reply(push(text="x", key="1", form="json"), accepted())
    assert set(json.loads(reply.body)) == {"Encrypt", "MsgSignature", "TimeStamp", "Nonce"}
    assert reply.content_type == "application/json; charset=utf-8"


@pytest.mark.parametrize("fields", [SUBSCRIBE, {"MsgType": "event", "Event": "LOCATION"}, {"MsgType": "hologram"}])
def test_what_got_no_number_is_answered_empty(channel, fields):
    assert channel.reply(push(text="x", key="1", fields=fields), accepted(receipt=None)) == Reply(200)


def test_a_new_follower_is_welcomed_where_the_bank_wants_it():
    channel = open_with(texts={"welcome": "您好，有意见请直接发消息。"})
    fields = decrypt_reply(channel.reply(push(text="", key="1", fields=SUBSCRIBE), accepted(receipt=None)))
    assert fields["Content"] == "您好，有意见请直接发消息。"


def test_without_a_customer_to_answer_the_reply_is_empty(channel):
    assert channel.reply(push(text="x", key="1", fields={"FromUserName": "a]]><b>"}), accepted()) == Reply(200)


def test_unreadable_encrypted_words_are_answered_empty(channel):
    assert channel.reply(make_call(b"<xml>cut off"), accepted(receipt=None)) == Reply(200)


def test_no_text_of_the_settings_breaks_out_of_its_field():
    evil = "{receipt}]]></Content><MsgType><![CDATA[news]]></MsgType><Content><![CDATA["
    channel = open_with(mode="plain", texts={"received": evil})
    reply = channel.reply(push(text="x", key="1", mode="plain"), accepted())
    assert xmltodict.parse(reply.body)["xml"]["MsgType"] == "text"
    assert read_message(reply.body).fields["Content"] == evil.replace("{receipt}", "4711 0815 4243")


@pytest.mark.parametrize("value", ["]]>", "]]]]>>", "a]]><b>&amp;", "<![CDATA[x]]>"])
def test_any_text_survives_the_rendering(value):
    assert read_message(render("xml", {"MsgType": "text", "Content": value})).fields["Content"] == value
    assert xmltodict.parse(render("xml", {"Content": value}))["xml"]["Content"] == value


def test_the_customers_words_are_never_echoed(channel):
    call = push(text="]]></Content><MsgType><![CDATA[news]]></MsgType>", key="1")
    assert "news" not in decrypt_reply(channel.reply(call, accepted()))["Content"]
