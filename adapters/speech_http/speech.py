"""One POST a recording: its bytes with their media type out, JSON with the words back."""

import json

import aiohttp

from adapters.speech_http.settings import SpeechSettings
from gateway.contract.errors import Misconfigured, Rejected, TryLater
from gateway.contract.ports import House

ANSWER_LIMIT_BYTES = 1_000_000
_REFUSED_INPUT = frozenset({400, 413, 415, 422})


class HttpTranscriber:
    def __init__(self, settings: SpeechSettings) -> None:
        self._settings = settings
        self._timeout = aiohttp.ClientTimeout(total=settings.timeout_s)

    async def transcribe(self, sound: bytes, media_type: str) -> str:
        status, body = await self._call("POST", sound, {"Content-Type": media_type})
        if status in _REFUSED_INPUT:
            raise Rejected(f"speech_status_{status}", "The speech service does not take this recording.")
        if status >= 500 or status in (408, 429):
            raise TryLater(f"speech_status_{status}", "The speech service could not take it now.")
        if status != 200:
            raise Misconfigured(f"speech_status_{status}", "The speech service refuses us; check url and key.")
        return _find_words(body, self._settings.field)

    async def check(self) -> str:
        status, _ = await self._call("OPTIONS", b"", {})
        return f"the speech service answers (status {status})"

    async def close(self) -> None:
        """Nothing is kept open: recordings are few."""

    async def _call(self, method: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        if self._settings.key is not None:
            headers = {**headers, "Authorization": f"Bearer {self._settings.key.get_secret_value()}"}
        try:
            async with (
                aiohttp.ClientSession(timeout=self._timeout) as session,
                session.request(
                    method, str(self._settings.url), data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                return response.status, await response.content.read(ANSWER_LIMIT_BYTES)
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise TryLater("speech_unreachable", "The speech service did not answer.") from None


def open_speech(instance: str, settings: SpeechSettings, house: House) -> HttpTranscriber:
    del instance, house
    return HttpTranscriber(settings)


def _find_words(body: bytes, field: str) -> str:
    try:
        here = json.loads(body)
    except (ValueError, RecursionError):
        here = None
    for name in field.split("."):
        here = here.get(name) if isinstance(here, dict) else None
    if not isinstance(here, str):
        raise Misconfigured("speech_bad_answer", f"The speech service's answer has no text at {field}; set `field`.")
    return here
