"""Pictures, voice, video: bytes, or for video an address where the bytes are."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from adapters._tencent.api import Api
from gateway.contract.errors import Rejected
from gateway.contract.ports import Media

KEPT_S = 3 * 86_400
"""Temporary media are thrown away after three days."""
TAKES = ("image/", "audio/", "video/")
_HOSTS = (".qq.com", ".qpic.cn", ".wechat.com")


@asynccontextmanager
async def open_media(api: Api, api_url: str, media_id: str, party: str) -> AsyncIterator[Media]:
    """Raises TryLater, Rejected or Misconfigured, also while chunks are read."""
    async with api.download("/cgi-bin/media/get", {"media_id": media_id}) as download:
        if download.answer is None:
            yield Media(download.media_type, download.size, download.chunks)
            return
        url = download.answer.get("video_url")
    if not isinstance(url, str) or not _is_theirs(url, api_url):
        raise Rejected(f"{party}_media_elsewhere", "The server named no address of its own for the video.")
    async with api.download_from(url) as download:
        if download.answer is not None:
            raise Rejected(f"{party}_media_elsewhere", "Where the video should be there is no video.")
        yield Media(download.media_type, download.size, download.chunks)


def _is_theirs(url: str, api_url: str) -> bool:
    """Only Tencent's own hosts, or the one the settings name: an answer must not send us into the bank's network."""
    try:
        given, own = urlsplit(url), urlsplit(api_url)
        host, port = given.hostname or "", given.port
    except ValueError:
        return False
    if (given.scheme, host, port) == (own.scheme, own.hostname, own.port):
        return True
    # WeChat still writes http here; the bytes are judged like any stranger's.
    return given.scheme in ("http", "https") and port in (None, 80, 443) and host.endswith(_HOSTS)
