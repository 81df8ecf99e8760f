"""The speech service over HTTP, against a real server on loopback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from adapters.speech_http.settings import SpeechSettings
from adapters.speech_http.speech import HttpTranscriber, open_speech
from gateway.contract.errors import Misconfigured, Rejected, TryLater
from gateway.contract.ports import Transcriber
from tests.contract.house import make_house


@asynccontextmanager
async def serving(
    answer: Any, *, status: int = 200, seen: list[tuple[str, str, bytes]] | None = None
) -> AsyncIterator[str]:
    async def hear(request: web.Request) -> web.Response:
        if seen is not None:
            authorization = request.headers.get("Authorization", "")
            seen.append((request.content_type, authorization, await request.read()))
        return (
            web.Response(status=status, text=answer)
            if isinstance(answer, str)
            else web.json_response(answer, status=status)
        )

    app = web.Application()
    app.router.add_route("*", "/hear", hear)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/hear"
    await runner.cleanup()


def make_transcriber(url: str, folder: Path, **changes: object) -> HttpTranscriber:
    settings = SpeechSettings.model_validate({"url": url, **changes})
    return open_speech("speech", settings, make_house(folder))


async def test_the_recording_goes_out_as_it_is_and_its_words_come_back(tmp_path: Path):
    seen: list[tuple[str, str, bytes]] = []
    async with serving({"result": {"text": "卡被吞了"}}, seen=seen) as url:
        transcriber = make_transcriber(url, tmp_path, key="the-key", field="result.text")
        assert isinstance(transcriber, Transcriber)
        assert await transcriber.transcribe(b"#!AMR\n123", "audio/amr") == "卡被吞了"
        await transcriber.close()
    assert seen == [("audio/amr", "Bearer the-key", b"#!AMR\n123")]


@pytest.mark.parametrize(
    ("status", "failure"),
    [(400, Rejected), (413, Rejected), (415, Rejected), (401, Misconfigured), (404, Misconfigured), (302, Misconfigured),
     (429, TryLater), (500, TryLater), (503, TryLater)],
)  # fmt: skip
async def test_every_status_means_something(tmp_path: Path, status: int, failure: type[Exception]):
    async with serving({"text": "x"}, status=status) as url:
        with pytest.raises(failure):
            await make_transcriber(url, tmp_path).transcribe(b"x", "audio/amr")


@pytest.mark.parametrize("answer", ["no json", "[" * 100_000, {"words": "x"}, {"text": None}, {"text": {"a": 1}}, []])
async def test_an_answer_without_words_where_the_settings_say_is_a_matter_of_settings(tmp_path: Path, answer: Any):
    async with serving(answer) as url:
        with pytest.raises(Misconfigured, match="speech_bad_answer"):
            await make_transcriber(url, tmp_path).transcribe(b"x", "audio/amr")


async def test_a_service_that_is_away_is_tried_again(tmp_path: Path):
    with pytest.raises(TryLater, match="speech_unreachable"):
        await make_transcriber("http://127.0.0.1:9/", tmp_path).transcribe(b"x", "audio/amr")


async def test_checking_sends_no_recording(tmp_path: Path):
    async with serving({"text": ""}) as url:
        assert "status 200" in await make_transcriber(url, tmp_path).check()
