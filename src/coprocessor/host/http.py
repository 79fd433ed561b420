"""What every host's HTTP has in common: bounded bodies and concurrency, errors as JSON, records as CBOR.

An error has one form everywhere: ``{"ok": false, "code", "what", "why", "next"}``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from coprocessor.chain.peer_json import decode_json
from coprocessor.codec.records import RecordTable
from coprocessor.values.errors import (
    CallerMisuse,
    CoprocessorError,
    EvidenceRefused,
    InternalError,
    MalformedInput,
    PeerUnreachable,
)

__all__ = [
    "MAX_BODY",
    "PeerClient",
    "PeerRefused",
    "cbor_response",
    "json_response",
    "query_integer",
    "serve_http",
    "taking",
]

_log = logging.getLogger("coprocessor.host")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_BODY = 256 * 1024
"""Bytes of one request's body."""

MAX_ANSWER = 16 * 1024 * 1024
"""Bytes of one peer's answer."""

MAX_REQUESTS = 64
"""Requests that are worked on at once; more are told to come back."""

REQUEST_SECONDS = 60.0
_CBOR = "application/cbor"
_FIELDS = msgspec.json.Decoder(dict[str, Any])


class PeerRefused(CoprocessorError):
    """Another host answered with an error; the code is its own."""

    family = "peer"


def json_response(value: Any, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")


def cbor_response(data: bytes) -> web.Response:
    """An answer that is an encoded record or reply."""
    return web.Response(body=data, content_type=_CBOR)


def query_integer(request: web.Request, name: str, maximum: int = 1 << 62) -> int:
    """A whole number of the URL's query. Raises MalformedInput."""
    text = request.query.get(name, "")
    if not text.isascii() or not text.isdigit() or len(text) > 20 or int(text) > maximum:
        raise MalformedInput("http.parameter", f"{name} must be a whole number, not {text[:40]!r}")
    return int(text)


def taking(handler: Handler, *parameters: str) -> Handler:
    """``handler``, for URLs whose query has no other parameters than these, each at most once."""

    async def checked(request: web.Request) -> web.StreamResponse:
        names = [name for name, _ in request.query.items()]
        if unknown := sorted(set(names) - set(parameters)):
            known = ", ".join(parameters) or "none"
            what = f"there is no parameter {unknown[0][:40]!r}"
            raise MalformedInput("http.parameter", what, next=f"parameters of this route: {known}")
        if len(set(names)) != len(names):
            raise MalformedInput("http.parameter", "a parameter is given twice")
        return await handler(request)

    checked.parameters = parameters  # type: ignore[attr-defined]
    return checked


@asynccontextmanager
async def serve_http(routes: list[web.RouteDef], host: str, port: int) -> AsyncIterator[int]:
    """Serves the routes while the block runs; yields the port that it listens on.

    Raises:
        CallerMisuse: ``http.port``: the address cannot be used.
    """
    application = web.Application(middlewares=[_limits(MAX_REQUESTS), _errors], client_max_size=MAX_BODY)
    application.add_routes(routes)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise CallerMisuse(
                "http.port",
                f"cannot listen on {host}:{port}",
                error.strerror or str(error),
                "choose another address with --listen",
            ) from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


class PeerClient:
    """HTTP to other hosts: gatekeepers and workers. MUST be closed."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Closes the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def ask(self, url: str, message: Any, requests: RecordTable, replies: RecordTable) -> Any:
        """Posts a record; the record that comes back.

        Raises:
            PeerRefused: the peer's own error.
            PeerUnreachable: no answer.
            MalformedInput: an answer that is none.
        """
        return replies.decode(await self._exchange("POST", url, requests.encode(message)))

    async def get_record(self, url: str, table: RecordTable) -> Any:
        """The record at ``url``. Raises as ``ask``."""
        return table.decode(await self._exchange("GET", url))

    async def post_record(self, url: str, message: Any, requests: RecordTable) -> Any:
        """Posts a record; the JSON that comes back. Raises as ``ask``."""
        return _decode_json(url, await self._exchange("POST", url, requests.encode(message)))

    async def get_bytes(self, url: str) -> bytes:
        """The body at ``url``. Raises as ``ask``."""
        return await self._exchange("GET", url)

    async def get_json(self, url: str) -> Any:
        """The JSON at ``url``. Raises as ``ask``."""
        return _decode_json(url, await self._exchange("GET", url))

    async def _exchange(self, method: str, url: str, body: bytes | None = None) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS))
        try:
            async with self._session.request(method, url, data=body, allow_redirects=False) as response:
                content = await _read(response, url)
                if response.status != 200:
                    raise _refusal(url, response.status, content)
                return content
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise PeerUnreachable(
                "peer.unreachable",
                f"{url} did not answer",
                str(error) or type(error).__name__,
                "check that it runs and can be reached from here",
            ) from error


def _limits(most: int) -> Any:
    working = 0

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal working
        if working >= most:
            busy = PeerUnreachable("http.busy", f"{most} requests are being worked on", next="try again in a moment")
            return _error_response(busy, 503)
        working += 1
        try:
            return await asyncio.wait_for(handler(request), REQUEST_SECONDS)
        except TimeoutError:
            return _error_response(PeerUnreachable("http.timeout", f"no answer within {REQUEST_SECONDS:.0f} s"), 504)
        finally:
            working -= 1

    return middleware


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except CoprocessorError as error:
        return _error_response(error, _status_of(error))
    except web.HTTPException as error:
        code = {404: "http.not_found", 405: "http.method", 413: "http.too_long"}.get(error.status, "http.refused")
        return _error_response(MalformedInput(code, f"{request.method} {request.path}: {error.reason}"), error.status)
    except web.RequestPayloadError as error:
        refused = MalformedInput("http.refused", "the body of the request cannot be read", str(error)[:200])
        return _error_response(refused, 400)
    except Exception:  # a bug of ours; who asked learns that, and no more
        _log.exception("%s %s failed", request.method, request.path)
        return _error_response(InternalError("http.internal", "this host failed at the request", next="report it"), 500)


def _status_of(error: CoprocessorError) -> int:
    if isinstance(error, (MalformedInput, CallerMisuse)):
        return 400
    return 403 if isinstance(error, EvidenceRefused) else 503


def _error_response(error: CoprocessorError, status: int) -> web.Response:
    return json_response({"ok": False, **error.to_dict()}, status)


async def _read(response: aiohttp.ClientResponse, url: str) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_chunked(1 << 16):
        size += len(part)
        if size > MAX_ANSWER:
            raise MalformedInput("peer.answer", f"{url} answers with more than {MAX_ANSWER} bytes")
        parts.append(part)
    return b"".join(parts)


def _decode_json(url: str, content: bytes) -> Any:
    try:
        return decode_json(content)
    except MalformedInput as error:
        raise MalformedInput("peer.answer", f"{url} gave no JSON", error.why) from error


def _refusal(url: str, status: int, content: bytes) -> CoprocessorError:
    """The peer's own error, its words cut to a bearable length."""
    try:
        fields = decode_json(content, _FIELDS)
        code, what, why, step = (str(fields.get(name, ""))[:400] for name in ("code", "what", "why", "next"))
    except MalformedInput:
        code = what = why = step = ""
    if not code:
        return PeerUnreachable("peer.refused", f"{url} answered with HTTP status {status}")
    return PeerRefused(code, what, why, step)
