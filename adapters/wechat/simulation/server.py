"""WeChat's API on loopback, and its customers: what they say is pushed, what they are sent is seen on their telephones."""

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

from aiohttp import web

from adapters.wechat.simulation.account import Account
from adapters.wechat.simulation.pushes import Pushed, Pusher

Fault = int | Literal["slow", "drop", "drop_after", "half", "502", "page"]
"""An errcode to answer without doing it; never answer; hang up before or after doing it; break the answer off; a proxy's
error; an answer that is no JSON."""


class WeChat:
    """`url` is the API's. `faults[path]` are taken in turn, then calls succeed; `calls` are (path, JSON body or query)."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.url = ""
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        self.faults: dict[str, list[Fault]] = {}
        self.pusher: Pusher | None = None
        self.pushed: list[Pushed] = []
        """What became of the events that WeChat pushed of its own accord."""
        self._numbers = itertools.count(23_456_789_012_345_678)
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()

    def count(self, path: str) -> int:
        return sum(called == path for called, _ in self.calls)

    # --- the customers' side

    async def say(self, openid: str, text: str) -> Pushed:
        return await self.send(openid, {"MsgType": "text", "Content": text})

    async def send_media(self, openid: str, kind: str, content: bytes, media_type: str, **fields: str) -> Pushed:
        """`kind`: image, voice, video, shortvideo."""
        media_id = self.account.upload(content, media_type)
        return await self.send(openid, {"MsgType": kind, "MediaId": media_id, **fields})

    async def send(self, openid: str, fields: Mapping[str, str]) -> Pushed:
        """A message of the person: it opens the window for answers, whatever becomes of the push."""
        self.account.note_words(openid)
        return await self._push(openid, {**fields, "MsgId": str(next(self._numbers))})

    async def happen(self, openid: str, event: str, **fields: str) -> Pushed:
        """An event, e.g. `subscribe`, `SCAN`, `CLICK`."""
        self.account.follow(openid).follows = event != "unsubscribe"
        return await self._push(openid, {"MsgType": "event", "Event": event, **fields})

    async def settle(self) -> None:
        """Until every event WeChat owes has been pushed."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def _push(self, openid: str, fields: Mapping[str, str]) -> Pushed:
        if self.pusher is None:
            raise ValueError("set `pusher` first: there is no address to push to")
        outer: dict[str, str | int] = {
            "ToUserName": self.account.original_id,
            "FromUserName": openid,
            "CreateTime": self.account.now_ms() // 1000,
        }
        return await self.pusher.push({**outer, **fields})

    # --- the API

    def build(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/cgi-bin/stable_token", self._give_token)
        app.router.add_get("/cgi-bin/media/get", self._give_media)
        app.router.add_get("/video/{media_id}", self._give_video)
        for path, answer in {
            "/cgi-bin/message/custom/send": self._take_service_message,
            "/cgi-bin/message/template/send": self._take_template_message,
            "/cgi-bin/message/subscribe/bizsend": self._take_subscribed_message,
            "/cgi-bin/qrcode/create": self._make_code,
            "/cgi-bin/menu/create": self._make_menu,
        }.items():
            app.router.add_post(path, self._guard(path, answer))
        return app

    async def end(self) -> None:
        self._stop.set()
        for task in self._tasks:
            task.cancel()

    async def _give_token(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.calls.append((request.path, {"force_refresh": body.get("force_refresh", False)}))
        if bad := await self._spoil(request):
            return bad
        if body.get("appid") != self.account.appid:
            return _say(40013)
        if body.get("secret") != self.account.secret:
            return _say(40125)
        given = self.account.give_token(force=bool(body.get("force_refresh")))
        if isinstance(given, int):
            return _say(given)
        return web.json_response({"access_token": given[0], "expires_in": given[1]})

    def _guard(self, path: str, answer: Any) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            body = await request.json()
            self.calls.append((path, body))
            fault = next(iter(self.faults.get(path, ())), None)
            if fault != "drop_after" and (bad := await self._spoil(request)):
                return bad
            if code := self.account.check_token(request.query.get("access_token", "")):
                return _say(code)
            done: web.StreamResponse = answer(body)
            if fault == "drop_after" and (bad := await self._spoil(request)):
                return bad
            return done

        return handle

    def _take_service_message(self, body: Mapping[str, Any]) -> web.Response:
        if body.get("msgtype") != "text":
            return _say(40008)
        return _say(self.account.take_service_message(body.get("touser", ""), body["text"]["content"]))

    def _take_template_message(self, body: Mapping[str, Any]) -> web.Response:
        openid = body.get("touser", "")
        fields = {name: each["value"] for name, each in body.get("data", {}).items()}
        code, number, is_new = self.account.take_template_message(
            openid, body.get("template_id", ""), fields, body.get("client_msg_id", "")
        )
        if code:
            return _say(code)
        if is_new and self.pusher is not None:
            status = "failed:user block" if self.account.people[openid].blocks else "success"
            self._owe(
                openid,
                {"MsgType": "event", "Event": "TEMPLATESENDJOBFINISH", "MsgID": str(number), "Status": status},
            )
        return web.json_response({"errcode": 0, "errmsg": "ok", "msgid": number})

    def _take_subscribed_message(self, body: Mapping[str, Any]) -> web.Response:
        fields = {name: each["value"] for name, each in body.get("data", {}).items()}
        return _say(self.account.take_subscribed_message(body.get("touser", ""), body.get("template_id", ""), fields))

    def _make_code(self, body: Mapping[str, Any]) -> web.Response:
        action, scene = body.get("action_name"), body.get("action_info", {}).get("scene", {})
        if action not in {"QR_SCENE", "QR_STR_SCENE", "QR_LIMIT_SCENE", "QR_LIMIT_STR_SCENE"}:
            return _say(40053)
        text = scene.get("scene_str")
        if "STR" in action and not (isinstance(text, str) and 1 <= len(text) <= 64):
            return _say(40053)
        ticket = "gQ" + secrets.token_urlsafe(48)
        self.account.codes[ticket] = body
        answer: dict[str, object] = {"ticket": ticket, "url": f"http://weixin.qq.com/q/{secrets.token_urlsafe(12)}"}
        if "LIMIT" not in action:
            answer["expire_seconds"] = min(int(body.get("expire_seconds", 60)), 2_592_000)
        return web.json_response(answer)

    def _make_menu(self, body: Mapping[str, Any]) -> web.Response:
        if not 1 <= len(body.get("button", ())) <= 3:
            return _say(40016)
        self.account.menu = body
        return _say(0)

    async def _give_media(self, request: web.Request) -> web.StreamResponse:
        self.calls.append((request.path, {"media_id": request.query.get("media_id", "")}))
        if bad := await self._spoil(request):
            return bad
        if code := self.account.check_token(request.query.get("access_token", "")):
            return _say(code)
        media_id = request.query.get("media_id", "")
        thing = self.account.find_media(media_id)
        if thing is None:
            return _say(40007)
        if thing.media_type.startswith("video/"):
            return web.json_response({"video_url": f"{self.url}/video/{media_id}"})
        return web.Response(
            body=thing.content,
            content_type=thing.media_type,
            headers={"Content-Disposition": 'attachment; filename="media"'},
        )

    async def _give_video(self, request: web.Request) -> web.StreamResponse:
        thing = self.account.find_media(request.match_info["media_id"])
        if thing is None:
            return web.Response(status=404)
        return web.Response(body=thing.content, content_type=thing.media_type)

    async def _spoil(self, request: web.Request) -> web.StreamResponse | None:
        waiting = self.faults.get(request.path)
        fault = waiting.pop(0) if waiting else None
        match fault:
            case None:
                return None
            case int():
                return _say(fault)
            case "slow":
                await self._stop.wait()
            case "502":
                return web.Response(status=502, text="Bad Gateway")
            case "page":
                return web.Response(text="<html>please log in</html>", content_type="text/html")
            case "half":
                response = web.StreamResponse(headers={"Content-Length": "100000", "Content-Type": "image/jpeg"})
                await response.prepare(request)
                await response.write(b"\xff\xd8\xff" + bytes(1000))
                if request.transport is not None:
                    request.transport.close()
                return response
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    def _owe(self, openid: str, fields: Mapping[str, str]) -> None:
        async def push() -> None:
            self.pushed.append(await self._push(openid, fields))

        task = asyncio.create_task(push())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@asynccontextmanager
async def open_wechat(account: Account, *, port: int = 0) -> AsyncIterator[WeChat]:
    """The API listens on loopback until the end of the context; a `pusher` is the caller's to make and close."""
    wechat = WeChat(account)
    runner = web.AppRunner(wechat.build(), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        wechat.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield wechat
    finally:
        await wechat.end()
        await runner.cleanup()


_SPOKEN = {0: "ok", 40001: "invalid credential, access_token is invalid or not latest", 42001: "access_token expired"}


def _say(code: int) -> web.Response:
    """As JSON with status 200, whatever it is."""
    return web.json_response({"errcode": code, "errmsg": _SPOKEN.get(code, "see the list of return codes")})
