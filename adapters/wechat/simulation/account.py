"""One official account as WeChat keeps it: token, followers with their windows, media, templates, codes, menu.

Its rules are those of the developer pages (see README, "Outbound"); `now_ms` is a function, so a test can move the time.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

TOKEN_LIFE_S = 7_200
EARLY_S = 300
"""So long before its end a token is replaced, and the old one stays good."""
FORCED_PER_DAY = 20
FORCED_APART_S = 30
WINDOW_S = 48 * 3600
WINDOW_MESSAGES = 5
MEDIA_LIFE_S = 3 * 86_400
SAME_MESSAGE_S = 600
DAY_S = 86_400


def read_machine_clock() -> int:
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class Person:
    """A follower. `subscriptions`: so many subscribed messages may be sent, each uses one up. `blocks`: took the account's template messages away; `telephone` is what the person gets to read."""

    openid: str
    follows: bool = True
    blocks: bool = False
    refuses: bool = False
    wrote_ms: int | None = None
    sent_since: int = 0
    subscriptions: int = 0
    telephone: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Thing:
    """An uploaded medium."""

    content: bytes
    media_type: str
    uploaded_ms: int


class Account:
    """`encoding_aes_key` and `callback_token` as in the console; `templates` maps an id to its field names."""

    def __init__(
        self,
        *,
        appid: str = "wx0123456789abcdef",
        secret: str = "the-app-secret-of-the-simulator",  # noqa: S107  opens nothing but this simulator
        callback_token: str = "gateway-test-token",  # noqa: S107
        encoding_aes_key: str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
        original_id: str = "gh_7f083739789a",
        templates: Mapping[str, tuple[str, ...]] | None = None,
        now_ms: Callable[[], int] = read_machine_clock,
    ) -> None:
        self.appid = appid
        self.secret = secret
        self.callback_token = callback_token
        self.encoding_aes_key = encoding_aes_key
        self.original_id = original_id
        self.templates = dict(templates or {})
        self.now_ms = now_ms
        self.people: dict[str, Person] = {}
        self.media: dict[str, Thing] = {}
        self.menu: Mapping[str, object] | None = None
        self.codes: dict[str, Mapping[str, object]] = {}
        self.tokens_made = 0
        self.daily_quota: int | None = None
        """Messages that may still be sent today; None: enough."""
        self._tokens: dict[str, int] = {}
        self._current = ""
        self._forced_ms: list[int] = []
        self._same: dict[tuple[str, str], tuple[int, int]] = {}
        self._numbers = 200_000_000

    # --- tokens

    def give_token(self, *, force: bool) -> tuple[str, int] | int:
        """(token, seconds left), or the errcode."""
        now = self.now_ms()
        if force:
            self._forced_ms = [at for at in self._forced_ms if now - at < DAY_S * 1000]
            if len(self._forced_ms) >= FORCED_PER_DAY:
                return 45009
            if self._forced_ms and now - self._forced_ms[-1] < FORCED_APART_S * 1000:
                return 45011
            self._forced_ms.append(now)
            self._tokens.clear()
        left = self._tokens.get(self._current, 0) - now
        if left <= EARLY_S * 1000:
            if self._current in self._tokens:
                self._tokens[self._current] = min(self._tokens[self._current], now + EARLY_S * 1000)
            self._current = self._make_token(now)
            left = TOKEN_LIFE_S * 1000
        return self._current, left // 1000

    def spoil_tokens(self) -> None:
        """What somebody's forced refresh elsewhere does: none given so far is good any more."""
        self._tokens.clear()

    def check_token(self, token: str) -> int:
        """0, or the errcode."""
        until = self._tokens.get(token)
        if until is None:
            return 40001
        return 42001 if self.now_ms() >= until else 0

    def _make_token(self, now: int) -> str:
        token = secrets.token_urlsafe(96)
        self._tokens[token] = now + TOKEN_LIFE_S * 1000
        self.tokens_made += 1
        return token

    # --- people

    def follow(self, openid: str) -> Person:
        return self.people.setdefault(openid, Person(openid))

    def note_words(self, openid: str) -> None:
        """The person wrote: a new window with five messages."""
        person = self.follow(openid)
        person.wrote_ms, person.sent_since = self.now_ms(), 0

    def take_service_message(self, openid: str, text: str) -> int:
        if quota := self._use_quota():
            return quota
        person = self.people.get(openid)
        if person is None:
            return 40003
        if not person.follows:
            return 43004
        if person.refuses:
            return 48002
        if person.wrote_ms is None or self.now_ms() - person.wrote_ms > WINDOW_S * 1000:
            return 45015
        if person.sent_since >= WINDOW_MESSAGES:
            return 45047
        person.sent_since += 1
        person.telephone.append(text)
        return 0

    def take_template_message(
        self, openid: str, template_id: str, fields: Mapping[str, str], client_msg_id: str
    ) -> tuple[int, int, bool]:
        """(errcode, message id, whether it is a new one)."""
        if quota := self._use_quota():
            return quota, 0, False
        person = self.people.get(openid)
        if person is None:
            return 40003, 0, False
        if not person.follows:
            return 43004, 0, False
        if template_id not in self.templates:
            return 40037, 0, False
        if set(fields) != set(self.templates[template_id]):
            return 47003, 0, False
        now = self.now_ms()
        same = self._same.get((openid, client_msg_id))
        if client_msg_id and same and now - same[1] < SAME_MESSAGE_S * 1000:
            return 0, same[0], False
        self._numbers += 1
        self._same[openid, client_msg_id] = (self._numbers, now)
        if not person.blocks:
            person.telephone.append(" ".join(fields.values()))
        return 0, self._numbers, True

    def take_subscribed_message(self, openid: str, template_id: str, fields: Mapping[str, str]) -> int:
        person = self.people.get(openid)
        if person is None:
            return 40003
        if template_id not in self.templates:
            return 40037
        if set(fields) != set(self.templates[template_id]):
            return 47003
        if person.subscriptions < 1:
            return 43101
        person.subscriptions -= 1
        person.telephone.append(" ".join(fields.values()))
        return 0

    def _use_quota(self) -> int:
        if self.daily_quota is None:
            return 0
        if self.daily_quota <= 0:
            return 45009
        self.daily_quota -= 1
        return 0

    # --- media

    def upload(self, content: bytes, media_type: str) -> str:
        """What a customer sent; returns its media id."""
        media_id = secrets.token_urlsafe(48)
        self.media[media_id] = Thing(content, media_type, self.now_ms())
        return media_id

    def find_media(self, media_id: str) -> Thing | None:
        thing = self.media.get(media_id)
        return thing if thing and self.now_ms() - thing.uploaded_ms < MEDIA_LIFE_S * 1000 else None
