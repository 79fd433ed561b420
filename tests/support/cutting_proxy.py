"""An HTTP proxy whose rule decides about each exchange: pass it on, swallow it, or cut the answer short."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

__all__ = ["CuttingProxy", "Verdict", "cutting_proxy"]

Verdict = Callable[[Any, Callable[[], bytes]], bytes | None]
"""(decoded request, forwards it and gives the answer's body) -> what is answered; None cuts the connection."""


def pass_on(request: Any, forward: Callable[[], bytes]) -> bytes | None:
    """Nothing is changed."""
    return forward()


class CuttingProxy:
    """A running proxy; ``rule`` may be changed at any time.

    Attributes:
        url: to give to the client.
        rule: judges each exchange.
        cut_after: bytes of each answer, head included, after which the connection is cut; None for whole answers.
    """

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        assert parts.hostname is not None
        self._place = (parts.hostname, parts.port)
        self.url = ""
        self.rule: Verdict = pass_on
        self.cut_after: int | None = None
        self.cuts = 0

    def exchange(self, path: str, body: bytes) -> bytes | None:
        """The answer's body; None to cut."""

        def forward() -> bytes:
            connection = http.client.HTTPConnection(*self._place, timeout=60)
            try:
                connection.request("POST" if body else "GET", path, body or None, {"Content-Type": "application/json"})
                return connection.getresponse().read()
            finally:
                connection.close()

        try:
            request = json.loads(body) if body else None
        except ValueError:
            request = None
        return self.rule(request, forward)

    def answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        """Sends an answer, whole or cut."""
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        whole = head.encode() + body
        if self.cut_after is None or self.cut_after >= len(whole):
            handler.wfile.write(whole)
            return
        self.cuts += 1
        handler.wfile.write(whole[: self.cut_after])
        _cut(handler)


def _cut(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    with suppress(OSError):
        handler.wfile.flush()
        handler.connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def cutting_proxy(upstream: str) -> Iterator[CuttingProxy]:
    """A proxy on a free port until the block ends."""
    proxy = CuttingProxy(upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = proxy.exchange(self.path, body)
            if answer is None:
                proxy.cuts += 1
                _cut(self)
            else:
                proxy.answer(self, answer)

        do_GET = do_POST

        def log_message(self, *arguments: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
