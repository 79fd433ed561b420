"""JSON-RPC 2.0 over bytes: single calls and batches, limits, errors. No sockets.

**Source:** JSON-RPC 2.0 specification.
"""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from coprocessor.devnode.errors import (
    INTERNAL_ERROR,
    INVALID_INPUT,
    INVALID_PARAMS,
    INVALID_REQUEST,
    LIMIT_EXCEEDED,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    RpcError,
)
from coprocessor.values.errors import MalformedInput

__all__ = ["MAX_BATCH_CALLS", "MAX_REPLY_BYTES", "Dispatcher", "Flusher", "Handler", "decode_json"]

MAX_BATCH_CALLS: Final = 4_096
MAX_REPLY_BYTES: Final = 64 * 1024 * 1024
"""Once the replies of a batch are longer than this, its remaining calls are refused."""

MAX_RECURSION: Final = 1_000
"""Python's own default: bounds how deeply a body is nested."""

Handler = Callable[..., Any]

_logger = logging.getLogger("coprocessor.devnode")


class Flusher(Protocol):
    """Makes the effects of deferred methods durable."""

    @property
    def failures(self) -> int: ...

    def flush(self) -> None: ...

    async def flush_together(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Method:
    handler: Handler
    fewest: int
    most: int


class Dispatcher:
    """Answers request bodies by calling registered handlers with positional parameters."""

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        *,
        deferred: frozenset[str] = frozenset(),
        flusher: Flusher | None = None,
    ) -> None:
        """
        Args:
            handlers: by method name.
            deferred: methods whose effect may wait until the body's end, so that a batch of them becomes one block.
            flusher: ends the wait, before any other method of the body runs and before the reply is sent.
        """
        self._methods = {name: _inspect(handler) for name, handler in handlers.items()}
        self._deferred = deferred
        self._flusher = flusher
        self._encoder = msgspec.json.Encoder()

    async def handle(self, body: bytes) -> bytes:
        """The reply to a body; empty if it holds notifications alone."""
        try:
            message = decode_json(body)
        except RpcError as error:
            return self._encode_error(None, error)
        failures = 0 if self._flusher is None else self._flusher.failures
        if isinstance(message, list):
            reply = self._handle_batch(message)
        else:
            reply = self._handle_call(message) or b""
        failure = await self._finish(failures)
        if failure is None:
            return reply
        # Nothing of this body may be acknowledged now.
        return self._encode_error(message.get("id") if isinstance(message, dict) else None, failure)

    async def _finish(self, failures: int) -> RpcError | None:
        """Flush for a body that began when so many flushes had failed; why it may not be acknowledged, or None."""
        if self._flusher is None:
            return None
        try:
            await self._flusher.flush_together()
        except Exception as error:
            return _unexpected("mining", error)
        if self._flusher.failures == failures:
            return None
        return RpcError(INTERNAL_ERROR, "a transaction could not be made durable meanwhile: look whether this one was")

    def _handle_batch(self, calls: list[Any]) -> bytes:
        if not 1 <= len(calls) <= MAX_BATCH_CALLS:
            message = f"a batch has 1 to {MAX_BATCH_CALLS} calls, not {len(calls)}"
            return self._encode_error(None, RpcError(INVALID_REQUEST, message))
        replies: list[bytes] = []
        size = 0
        for call in calls:
            if size > MAX_REPLY_BYTES:
                request_id = call.get("id") if isinstance(call, dict) else None
                reply = self._encode_error(request_id, RpcError(LIMIT_EXCEEDED, "the batch's reply is too large"))
            else:
                reply = self._handle_call(call) or b""
            if reply:
                size += len(reply)
                replies.append(reply)
        return b"[" + b",".join(replies) + b"]" if replies else b""

    def _handle_call(self, call: Any) -> bytes | None:
        """The encoded reply, or None to a notification."""
        request_id = call.get("id") if isinstance(call, dict) else None
        try:
            method, name, parameters = self._parse(call)
            if self._flusher is not None and name not in self._deferred:
                self._flusher.flush()
            result = method.handler(*parameters)
            reply = self._encoder.encode({"jsonrpc": "2.0", "id": request_id, "result": result})
        except RpcError as error:
            reply = self._encode_error(request_id, error)
        except MalformedInput as error:
            reply = self._encode_error(request_id, RpcError(INVALID_INPUT, error.what))
        except Exception as error:
            reply = self._encode_error(request_id, _unexpected(str(call.get("method"))[:80], error))
        return reply if not isinstance(call, dict) or "id" in call else None

    def _parse(self, call: Any) -> tuple[_Method, str, list[Any]]:
        if not isinstance(call, dict):
            raise RpcError(INVALID_REQUEST, "a call must be an object")
        if call.get("jsonrpc", "2.0") != "2.0" or isinstance(call.get("id"), dict | list | bool):
            raise RpcError(INVALID_REQUEST, 'a call needs "jsonrpc": "2.0" and a string, number or null as "id"')
        name = call.get("method")
        if not isinstance(name, str):
            raise RpcError(INVALID_REQUEST, 'a call needs a string as "method"')
        method = self._methods.get(name)
        if method is None:
            raise RpcError(METHOD_NOT_FOUND, f"the method {name[:80]} does not exist or is not available")
        parameters = call.get("params", [])
        if parameters is None:
            parameters = []
        if not isinstance(parameters, list):
            raise RpcError(INVALID_PARAMS, "parameters must be a list")
        if not method.fewest <= len(parameters) <= method.most:
            wanted = str(method.most) if method.fewest == method.most else f"{method.fewest} to {method.most}"
            raise RpcError(INVALID_PARAMS, f"{name} takes {wanted} parameters, got {len(parameters)}")
        return method, name, parameters

    def _encode_error(self, request_id: Any, error: RpcError) -> bytes:
        content: dict[str, Any] = {"code": error.number, "message": error.message}
        if error.data is not None:
            content["data"] = error.data
        return self._encoder.encode({"jsonrpc": "2.0", "id": request_id, "error": content})


def decode_json(body: bytes) -> Any:
    """The JSON value of a body from outside. Raises RpcError (parse error), also for values nested too deeply."""
    # py-evm raises the recursion limit so far that a decoder in C would exhaust the stack, and the process, first.
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(MAX_RECURSION)
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise RpcError(PARSE_ERROR, f"parse error: {error}") from error
    finally:
        sys.setrecursionlimit(usual)


def _inspect(handler: Handler) -> _Method:
    parameters = inspect.signature(handler).parameters.values()
    fewest = sum(1 for p in parameters if p.default is inspect.Parameter.empty)
    return _Method(handler, fewest, len(parameters))


def _unexpected(where: str, error: Exception) -> RpcError:
    _logger.error("%s failed", where, exc_info=error)
    return RpcError(INTERNAL_ERROR, f"internal error in {where}: {type(error).__name__}: {error}"[:500])
