"""The bare aiohttp handler everything is measured against: it parses the same JSON and says 201, nothing more."""

import json
import sys

from aiohttp import web


async def parse(request: web.Request) -> web.Response:
    json.loads(await request.read())
    return web.json_response({"ok": True}, status=201)


def main() -> None:
    app = web.Application()
    app.router.add_post("/intake/hotline", parse)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=lambda *_: None)


if __name__ == "__main__":
    main()
