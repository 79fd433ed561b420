"""The HTTP side: POST of JSON-RPC bodies, nothing else.

Only ``application/json`` is taken: a web page of another origin cannot send that without a preflight request, which is
refused, so pages in the developer's browser cannot steer the chain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from coprocessor.devnode.errors import StartFailed

__all__ = ["MAX_BODY_BYTES", "RpcServer"]

MAX_BODY_BYTES: Final = 64 * 1024 * 1024


class RpcServer:
    """Serves one handler of JSON-RPC bodies on one TCP address."""

    def __init__(self, handle: Callable[[bytes], Awaitable[bytes]]) -> None:
        """
        Args:
            handle: turns a request body into a reply; an empty one has no content.
        """
        self._handle_body = handle
        self._runner: web.ServerRunner | None = None

    async def start(self, host: str, port: int) -> str:
        """Listen; returns the URL. Raises StartFailed (``devnode.port``)."""
        server = web.Server(self._handle, request_factory=_make_request, access_log=None)
        runner = web.ServerRunner(server)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            await runner.cleanup()
            raise StartFailed(
                "devnode.port",
                f"cannot listen on {host}:{port}",
                error.strerror or str(error),
                "stop what uses the port, or choose another with --port",
            ) from error
        self._runner = runner
        address = runner.addresses[0]
        shown = f"[{address[0]}]" if ":" in address[0] else address[0]
        return f"http://{shown}:{address[1]}"

    async def stop(self) -> None:
        """Stop listening; running requests get a moment to end."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method != "POST":
            return web.Response(status=405, headers={"Allow": "POST"}, text="JSON-RPC is served by POST\n")
        if request.content_type != "application/json":
            return web.Response(status=415, text="the content type must be application/json\n")
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return web.Response(status=413, text=f"a body has at most {MAX_BODY_BYTES} bytes\n")
        reply = await self._handle_body(body)
        if not reply:
            return web.Response(status=204)
        return web.Response(body=reply, content_type="application/json")


def _make_request(message: Any, payload: Any, protocol: Any, writer: Any, task: asyncio.Task[None]) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY_BYTES)
