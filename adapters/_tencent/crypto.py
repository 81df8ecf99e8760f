"""WeChat's signature and message encryption, and nothing else.

Source: developers.weixin.qq.com/doc/oplatform/developers/dev/push/encryption.md. A signature is the SHA-1 of the sorted
parts run together; a message is AES-256-CBC over 16 random bytes, its length (4 bytes, big endian), the message and the
app id, padded to blocks of 32 bytes, with the first 16 bytes of the key as the initialisation vector.
"""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Sequence

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_RANDOM_BYTES = 16
_PADDED_TO_BYTES = 32
_CIPHER_BLOCK_BYTES = 16


class NotDecrypted(ValueError):
    """No key opens the message, or it was meant for another app. `code` is `wechat_undecryptable` or `wechat_other_appid`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def make_signature(*parts: str) -> str:
    """Forty lower-case hex digits. The parts are the token, timestamp, nonce and, for encrypted pushes, the Encrypt text."""
    # The protocol fixes SHA-1; safety rests on the token in the middle, not on collision resistance.
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()


def find_token(tokens: Sequence[str], signature: str, *parts: str) -> str | None:
    """The token that made the signature, or None. Takes the same time whichever it is; all must be encodable text."""
    found = None
    for token in tokens:
        if hmac.compare_digest(make_signature(token, *parts).encode(), signature.encode()):
            found = token
    return found


def read_aes_key(encoding_aes_key: str) -> bytes:
    """The console's 43 characters -> 32 bytes. Raises ValueError."""
    try:
        key = base64.b64decode(encoding_aes_key + "=", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(encoding_aes_key) != 43 or len(key) != 32:
        raise ValueError("an EncodingAESKey has 43 letters and digits")
    return key


def decrypt(encrypted: str, keys: Sequence[bytes], appid: str) -> tuple[bytes, bytes]:
    """The message, and the key that opened it. Raises NotDecrypted, nothing else."""
    try:
        sealed = base64.b64decode(encrypted, validate=True)
    except (binascii.Error, ValueError):
        raise NotDecrypted("wechat_undecryptable") from None
    code = "wechat_undecryptable"
    for key in keys:
        opened = _open(sealed, key)
        if opened is None:
            continue
        message, owner = opened
        if hmac.compare_digest(owner, appid.encode()):
            return message, key
        code = "wechat_other_appid"
    raise NotDecrypted(code)


def _open(sealed: bytes, key: bytes) -> tuple[bytes, bytes] | None:
    if not sealed or len(sealed) % _CIPHER_BLOCK_BYTES:
        return None
    decryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
    text = decryptor.update(sealed) + decryptor.finalize()
    padding = text[-1]
    if not 1 <= padding <= _PADDED_TO_BYTES:
        return None
    body = text[_RANDOM_BYTES:-padding]
    size = int.from_bytes(body[:4], "big")
    if len(body) < 4 + size:
        return None
    return body[4 : 4 + size], body[4 + size :]


def encrypt(message: bytes, key: bytes, appid: str, *, prefix: bytes | None = None) -> str:
    """Base64 text for the Encrypt field. `prefix` fixes the 16 random bytes, for known-answer checks only."""
    text = (prefix or os.urandom(_RANDOM_BYTES)) + len(message).to_bytes(4, "big") + message + appid.encode()
    padding = _PADDED_TO_BYTES - len(text) % _PADDED_TO_BYTES
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    return base64.b64encode(encryptor.update(text + bytes([padding]) * padding) + encryptor.finalize()).decode()
