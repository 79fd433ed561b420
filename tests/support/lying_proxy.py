"""A JSON-RPC proxy that lies: it stands between a host and its node, and changes answers as a test says."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
from aiohttp import web

__all__ = ["Lie", "LyingProxy", "lying_proxy"]

Lie = Callable[[str, list[Any], Any], Any]
"""(method, parameters, true result) -> what is answered."""

_MAX_BODY = 64 * 1024 * 1024


class LyingProxy:
    """Tells the truth until ``lie`` is set; counts how often an answer was changed."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._lie: Lie | None = None
        self.url = ""
        self.told = 0

    def set_lie(self, lie: Lie | None) -> None:
        """From now on; None is the truth."""
        self._lie = lie
        self.told = 0

    def _change(self, call: Any, answer: Any) -> Any:
        if self._lie is None or "result" not in answer:
            return answer
        original = json.dumps(answer["result"])
        changed = self._lie(call["method"], call.get("params", []), json.loads(original))
        self.told += json.dumps(changed) != original
        return {**answer, "result": changed}

    async def handle(self, request: web.Request) -> web.Response:
        """One HTTP request: a call or a batch of calls."""
        body = await request.read()
        async with aiohttp.ClientSession() as session, session.post(
            self._upstream, data=body, headers={"Content-Type": "application/json"}
        ) as response:
            answer = json.loads(await response.read())
        calls = json.loads(body)
        if isinstance(calls, list) and isinstance(answer, list):
            by_id = {call["id"]: call for call in calls}
            return web.json_response([self._change(by_id[item["id"]], item) for item in answer])
        return web.json_response(self._change(calls, answer))


@contextmanager
def lying_proxy(upstream: str) -> Iterator[LyingProxy]:
    """A running proxy on a free port, in a thread of its own."""
    proxy = LyingProxy(upstream)
    loop = asyncio.new_event_loop()
    started, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_post("/", proxy.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        proxy.url = f"http://127.0.0.1:{port}"
        started.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    started.wait()
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
