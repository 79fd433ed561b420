"""An HTTP server that answers what a test tells it, to play broken and hostile nodes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Answer = Callable[[Any], Any]


@asynccontextmanager
async def serve(answer: Answer) -> AsyncIterator[str]:
    """The URL of a server that answers each JSON body with what ``answer`` returns: JSON, raw bytes, or a status."""

    async def handle(request: web.Request) -> web.Response:
        result = answer(json.loads(await request.read()))
        if isinstance(result, int):
            return web.Response(status=result)
        if isinstance(result, bytes):
            return web.Response(body=result)
        return web.json_response(result)

    application = web.Application()
    application.router.add_post("/", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}/"
    finally:
        await runner.cleanup()
