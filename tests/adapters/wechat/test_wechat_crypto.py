"""The signature and encryption agree with the published vectors and with two other implementations of them."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wechatpy.crypto import PrpCrypto, WeChatCrypto

from adapters._tencent.crypto import NotDecrypted, decrypt, encrypt, find_token, make_signature, read_aes_key
from adapters._tencent.messages import read_message
from adapters.wechat.simulator import AES_KEYS, APPID

KEY = read_aes_key(AES_KEYS[0])

# Tencent's documentation, page 消息加解密说明.
OFFICIAL = {
    "token": "AAAAA",
    "key": read_aes_key("A" * 43),
    "appid": "wxba5fad812f8e6fb9",
    "encrypt": (
        "+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJGQqcvZqzDpVzazhZv6JsXUnnR"
        "8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4M8EajAsjLY2km3"
        "2IIjdf8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04="
    ),
}


def test_the_documented_signature_of_a_plain_push_is_found():
    assert make_signature("AAAAA", "1714037059", "486452656") == "899cf89e464efb63f54ddac96b0a0a235f53aa78"


def test_the_documented_encrypted_push_is_signed_and_opened():
    signature = "046e02f8204d34f8ba5fa3b1db94908f3df2e9b3"
    parts = ("1714112445", "415670741", OFFICIAL["encrypt"])
    assert find_token(("another", OFFICIAL["token"]), signature, *parts) == OFFICIAL["token"]
    message, key = decrypt(OFFICIAL["encrypt"], (KEY, OFFICIAL["key"]), OFFICIAL["appid"])
    assert key == OFFICIAL["key"]
    assert json.loads(message) == {
        "ToUserName": "gh_97417a04a28d",
        "FromUserName": "o9AgO5Kd5ggOC-bXrbNODIiE3bGY",
        "CreateTime": 1714112445,
        "MsgType": "event",
        "Event": "debug_demo",
        "debug_str": "hello world",
    }


def test_the_known_answer_of_wxjava_is_reproduced():
    """binarywang/WxJava, WxCryptUtilTest (Apache-2.0)."""
    sealed = "jn1L23DB+6ELqJ+6bruv21Y6MD7KeIfP82D6gU39rmkgczbWwt5+3bnyg5K55bgVtVzd832WzZGMhkP72vVOfg=="
    key, appid, text = read_aes_key(AES_KEYS[0]), "wxb11529c136998cb6", "我是中文abcd123".encode()
    assert encrypt(text, key, appid, prefix=b"aaaabbbbccccdddd") == sealed
    assert decrypt(sealed, (key,), appid) == (text, key)


class TestWechatpysVectors:
    """wechatpy, tests/test_crypto.py (MIT)."""

    token, appid = "123456", "wx49f0ab532d5d035a"
    key = read_aes_key("kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR")

    def test_its_echo_is_signed_and_opened(self):
        echo = "4ByGGj+sVCYcvGeQYhaKIk1o0pQRNbRjxybjTGblXrBaXlTXeOo1+bXFXDQQb1o6co6Yh9Bv41n7hOchLF6p+Q=="
        signature = "dd6b9c95b495b3f7e2901bfbc76c664930ffdb96"
        assert find_token((self.token,), signature, "1411443780", "437374425", echo) == self.token
        assert find_token((self.token,), signature, "1411443780", "437374424", echo) is None
        assert decrypt(echo, (self.key,), self.appid)[0].isdigit()

    def test_its_message_is_encrypted_to_the_same_bytes(self):
        plain = (
            "<xml>\n<MsgType><![CDATA[text]]></MsgType>\n<Content><![CDATA[test]]></Content>\n"
            "<FromUserName><![CDATA[wx49f0ab532d5d035a]]></FromUserName>\n"
            "<ToUserName><![CDATA[messense]]></ToUserName>\n<AgentID>1</AgentID>\n<CreateTime>1411525903</CreateTime>\n</xml>"
        )
        encrypted = encrypt(plain.encode(), self.key, self.appid, prefix=b"1234567890123456")
        assert encrypted.startswith("9s4gMv99m88kKTh/H8IdkOiMg6bisoy3ypwy9H4hvSPe9nsGaqyw5hhSjdYbcrKk")
        assert (
            make_signature(self.token, "1411525903", "461056294", encrypted)
            == "407518b7649e86ef23978113f92d27afa9296533"
        )

    def test_its_pushed_message_is_opened(self):
        encrypted = (
            "RgqEoJj5A4EMYlLvWO1F86ioRjZfaex/gePD0gOXTxpsq5Yj4GNglrBb8I2BAJVODGajiFnXBu7mCPatfjsu6IHCrsTyeDXzF6Bv283dGymzxh6y"
            "dJRvZsryDyZbLTE7rhnus50qGPMfp2wASFlzEgMW9z1ef/RD8XzaFYgm7iTdaXpXaG4+BiYyolBug/gYNx410cvkKR2/nPwBiT+P4hIiOAQqGp/T"
            "ywZBtDh1yCF2KOd0gpiMZ5jSw3e29mTvmUHzkVQiMS6td7vXUaWOMZnYZlF3So2SjHnwh4jYFxdgpkHHqIrH/54SNdshoQgWYEvccTKe7FS709/5"
            "t6NMxuGhcUGAPOQipvWTT4dShyqio7mlsl5noTrb++x6En749zCpQVhDpbV6GDnTbcX2e8K9QaNWHp91eBdCRxthuL0="
        )
        signature = "74d92dfeb87ba7c714f89d98870ae5eb62dff26d"
        assert find_token((self.token,), signature, "1411525903", "461056294", encrypted) == self.token
        fields = read_message(decrypt(encrypted, (self.key,), self.appid)[0]).fields
        assert (fields["Content"], fields["FromUserName"]) == ("test", "messense")


@settings(deadline=None)
@given(st.text(max_size=300))
def test_what_we_encrypt_wechatpy_opens_and_what_it_encrypts_we_open(text):
    sealed = encrypt(text.encode(), KEY, APPID)
    assert PrpCrypto(KEY).decrypt(sealed, APPID) == text
    theirs = PrpCrypto(KEY).encrypt(text, APPID).decode()
    assert decrypt(theirs, (KEY,), APPID)[0] == text.encode()


def test_two_encryptions_of_one_message_differ():
    assert encrypt(b"x", KEY, APPID) != encrypt(b"x", KEY, APPID)


def test_a_message_for_another_app_is_told_from_one_with_another_key():
    sealed = encrypt(b"x", KEY, "wx1111111111111111")
    with pytest.raises(NotDecrypted, match="wechat_other_appid"):
        decrypt(sealed, (KEY,), APPID)
    with pytest.raises(NotDecrypted, match="wechat_undecryptable"):
        decrypt(sealed, (OFFICIAL["key"],), APPID)


@settings(deadline=None)
@given(st.one_of(st.text(), st.binary().map(lambda data: base64.b64encode(data).decode())))
def test_no_text_makes_decryption_fail_in_another_way(text):
    with pytest.raises(NotDecrypted):
        decrypt(text, (KEY,), APPID)


@pytest.mark.parametrize("key", ["", "A" * 42, "A" * 44, "A" * 42 + "?", "A" * 42 + "="])
def test_a_key_of_the_wrong_form_is_refused(key):
    with pytest.raises(ValueError, match="43"):
        read_aes_key(key)


def test_wechatpy_reads_the_key_as_we_do():
    assert WeChatCrypto("token", AES_KEYS[0], APPID).key == KEY
