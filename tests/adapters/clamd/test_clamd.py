"""The scanner against a real clamd, and against peers that are none."""

import asyncio
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import BytesIO

import pytest

from adapters.clamd.scan import Clamd
from adapters.clamd.settings import ScanSettings
from gateway.contract.errors import Misconfigured, Rejected, TryLater
from tests.clamd_server import SIGNATURE, STREAM_LIMIT_BYTES, ClamdServer, make_eicar

FOUND = f"{SIGNATURE}.UNOFFICIAL"


def open_clamd(address: str, timeout_s: float = 30) -> Clamd:
    return Clamd(ScanSettings(address=address, timeout_s=timeout_s, limit_bytes=STREAM_LIMIT_BYTES))


@pytest.fixture(params=["address", "tcp_address"])
def clamd(clamd_server: ClamdServer, request: pytest.FixtureRequest) -> Clamd:
    return open_clamd(getattr(clamd_server, request.param))


async def test_what_is_harmless_is_clean(clamd: Clamd):
    assert await clamd.scan("等了两个小时".encode()) == ""
    assert await clamd.scan(b"") == ""
    assert await clamd.scan(bytes(STREAM_LIMIT_BYTES)) == ""


async def test_malware_is_named(clamd: Clamd):
    assert await clamd.scan(make_eicar()) == FOUND


async def test_malware_across_two_chunks_and_inside_an_archive_is_found(clamd: Clamd):
    assert await clamd.scan(bytes(65_500) + make_eicar()) == FOUND
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("回单.txt", make_eicar())
    assert await clamd.scan(packed.getvalue()) == FOUND


async def test_many_at_once_get_each_their_own_answer(clamd: Clamd):
    files = [make_eicar() if number % 3 == 0 else b"harmless %d" % number for number in range(20)]
    found = await asyncio.gather(*(clamd.scan(each) for each in files))
    assert [bool(name) for name in found] == [number % 3 == 0 for number in range(20)]


async def test_what_is_too_large_for_it_is_said_to_be(clamd: Clamd):
    with pytest.raises(Rejected, match="scan_too_large"):
        await clamd.scan(bytes(STREAM_LIMIT_BYTES + 1))


@pytest.mark.parametrize("answered", [True, False])
async def test_a_file_larger_than_its_limit_is_never_called_clean(clamd_server: ClamdServer, answered: bool):
    """Where the settings say more than clamd takes, it hangs up, and its reason may be lost on the way."""
    clamd = Clamd(ScanSettings(address=clamd_server.address))
    with pytest.raises((Rejected, TryLater)):
        await clamd.scan(bytes(STREAM_LIMIT_BYTES + (1 if answered else 20_000_000)))


async def test_a_check_tells_its_version(clamd: Clamd):
    assert (await clamd.check()).startswith("ClamAV ")


@pytest.mark.parametrize("address", ["unix:///nowhere/clamd.ctl", "tcp://127.0.0.1:1", "tcp://[::1]:1"])
async def test_where_nobody_listens_it_is_asked_again_later(address: str):
    with pytest.raises(TryLater, match="scan_unreachable"):
        await open_clamd(address).scan(b"words")


@asynccontextmanager
async def listening(answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]) -> AsyncIterator[str]:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)  # type: ignore[arg-type]
    async with server:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"", "scan_unreachable"),
        (b"stream: Can't allocate memory ERROR\0", "scan_failed"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "scan_failed"),
        (b"\xff\xfe\0", "scan_failed"),
    ],
)
async def test_an_answer_that_says_nothing_of_the_file_is_no_clean_file(said: bytes, code: str):
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(bytes(4))
        writer.write(said)
        writer.close()

    async with listening(answer) as address:
        with pytest.raises(TryLater, match=code):
            await open_clamd(address).scan(b"words")
        with pytest.raises((Misconfigured, TryLater)):
            await open_clamd(address, 0.5).check()


async def test_one_that_never_answers_is_given_up():
    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with listening(keep_silent) as address:
        with pytest.raises(TryLater, match="scan_unreachable"):
            await open_clamd(address, 0.2).scan(b"words")


@pytest.mark.parametrize(
    "address", ["clamd.ctl", "unix://relative", "tcp://host", "tcp://host:99999999", "http://host:1"]
)
def test_an_address_that_is_none_refuses_to_start(address: str):
    with pytest.raises(ValueError):
        ScanSettings(address=address)


async def test_a_name_that_a_peer_invents_carries_nothing_into_the_complaint():
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(bytes(4))
        writer.write("stream: Win.Test-1(a)/b <b>\u202e FOUND\0".encode())
        writer.close()

    async with listening(answer) as address:
        assert await open_clamd(address).scan(b"words") == "Win.Test-1(a)/b__b__"
