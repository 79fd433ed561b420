"""The JSON-RPC core: one connection pool, typed answers, batches, bounded sizes and times.

Reads are repeated with growing pauses when the node does not answer; ``eth_sendRawTransaction`` and everything else
that changes something is sent once. The node is untrusted: answers have a greatest size, and one that does not have the
expected shape is an error, never a surprise further on.

**Source:** JSON-RPC 2.0; EIP-1474.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar

import aiohttp
import msgspec

from coprocessor.chain.errors import ChainUnreachable, ResponseMalformed, RpcError, TransactionReverted, decode_revert
from coprocessor.chain.peer_json import decode_json
from coprocessor.values.errors import CallerMisuse, MalformedInput

__all__ = ["MAX_BATCH", "Call", "RpcClient", "RpcOptions"]

T = TypeVar("T")

MAX_BATCH = 256
"""Calls sent in one HTTP request; longer batches are split."""

_REVERT_NUMBER = 3
_URL_HINT = "give a JSON-RPC URL such as http://127.0.0.1:8545"
_REPEATED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_WRITING_METHODS = ("eth_send", "evm_", "anvil_", "coproc_reorg")


@dataclass(frozen=True, slots=True)
class RpcOptions:
    """Bounds of a connection.

    Args:
        timeout: seconds for one HTTP exchange.
        attempts: how often a read is tried, at least 1.
        backoff: seconds before the second attempt; each further pause is twice as long.
        max_response: greatest accepted HTTP body, bytes.
        connections: greatest number of connections at once.
    """

    timeout: float = 30.0
    attempts: int = 4
    backoff: float = 0.2
    max_response: int = 64 * 1024 * 1024
    connections: int = 16


@dataclass(frozen=True, slots=True)
class Call:
    """One method with its parameters, as JSON values."""

    method: str
    params: tuple[Any, ...] = ()

    @property
    def is_read(self) -> bool:
        """Whether repeating it is harmless."""
        return not self.method.startswith(_WRITING_METHODS)


class _Failure(msgspec.Struct):
    code: int
    message: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Response(msgspec.Struct):
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _Failure | None = None


_ONE = msgspec.json.Decoder(_Response)
_MANY = msgspec.json.Decoder(list[_Response])


class RpcClient:
    """A node reached by URL. Use as ``async with RpcClient(url) as rpc``, or ``close`` it."""

    def __init__(self, url: str, options: RpcOptions | None = None) -> None:
        if not url.startswith(("http://", "https://")):
            raise CallerMisuse("chain.url", f"{url!r} is no HTTP URL", next=_URL_HINT)
        self.url = url
        self._options = options or RpcOptions()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> RpcClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections; a later call opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def call(self, method: str, *params: Any, into: type[T] | Any = Any) -> Any:
        """The result of one method.

        Args:
            method: JSON-RPC method.
            params: JSON values.
            into: type that the result must have (anything msgspec decodes).

        Raises:
            ChainUnreachable: no answer, for reads after all attempts.
            TransactionReverted: the call reverted.
            RpcError: any other error of the node.
            ResponseMalformed: the answer is not of type ``into``.
        """
        call = Call(method, params)
        body = await self._exchange([call], single=True)
        try:
            response = decode_json(body, _ONE)
        except MalformedInput as error:
            raise ResponseMalformed(method, error.why) from error
        return _result(call, response, into)

    async def batch(self, calls: Sequence[Call], into: type[T] | Any = Any) -> list[Any]:
        """The results of several methods in order; raises the first failure. See ``call``."""
        outcomes = await self.try_batch(calls, into)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        return outcomes

    async def try_batch(self, calls: Sequence[Call], into: type[T] | Any = Any) -> list[Any]:
        """As ``batch``, but a method that fails leaves its RpcError or TransactionReverted in its place."""
        outcomes: list[Any] = []
        for start in range(0, len(calls), MAX_BATCH):
            part = calls[start : start + MAX_BATCH]
            outcomes += self._outcomes(part, await self._exchange(part, single=False), into)
        return outcomes

    def _outcomes(self, calls: Sequence[Call], body: bytes, into: Any) -> list[Any]:
        name = f"a batch of {len(calls)} calls"
        try:
            responses = decode_json(body, _MANY)
        except MalformedInput as error:
            raise ResponseMalformed(name, error.why) from error
        by_id = {response.id: response for response in responses}
        if len(responses) != len(calls) or set(by_id) != set(range(len(calls))):
            raise ResponseMalformed(name, f"{len(responses)} answers, or with other ids than the calls")
        outcomes: list[Any] = []
        for at, call in enumerate(calls):
            try:
                outcomes.append(_result(call, by_id[at], into))
            except (RpcError, TransactionReverted) as error:
                outcomes.append(error)
        return outcomes

    async def _exchange(self, calls: Sequence[Call], single: bool) -> bytes:
        requests = [
            {"jsonrpc": "2.0", "id": at, "method": call.method, "params": call.params} for at, call in enumerate(calls)
        ]
        body = msgspec.json.encode(requests[0] if single else requests)
        attempts = self._options.attempts if all(call.is_read for call in calls) else 1
        for attempt in range(attempts):
            try:
                return await self._post(body, calls[0].method)
            except ChainUnreachable:
                if attempt + 1 == attempts:
                    raise
                await asyncio.sleep(self._options.backoff * 2**attempt)
        raise AssertionError("unreachable: at least one attempt is made")

    async def _post(self, body: bytes, method: str) -> bytes:
        session = self._open()
        try:
            async with session.post(self.url, data=body, allow_redirects=False) as response:
                if response.status in _REPEATED_STATUSES:
                    raise ChainUnreachable(self.url, f"HTTP status {response.status}")
                content = await self._read(response, method)
                if response.status != 200 and not content.lstrip().startswith((b"{", b"[")):
                    raise ResponseMalformed(method, f"HTTP status {response.status}")
                return content
        except aiohttp.InvalidURL as error:
            raise CallerMisuse("chain.url", f"{self.url!r} is no HTTP URL", next=_URL_HINT) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ChainUnreachable(self.url, str(error) or type(error).__name__) from error

    async def _read(self, response: aiohttp.ClientResponse, method: str) -> bytes:
        limit, parts, size = self._options.max_response, [], 0
        async for part in response.content.iter_chunked(1 << 18):
            size += len(part)
            if size > limit:
                raise ResponseMalformed(method, f"more than {limit} bytes")
            parts.append(part)
        return b"".join(parts)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._options.connections),
                timeout=aiohttp.ClientTimeout(total=self._options.timeout),
                headers={"Content-Type": "application/json"},
            )
        return self._session


def _result(call: Call, response: _Response, into: Any) -> Any:
    if response.error is not None:
        raise _to_error(call, response.error)
    try:
        return msgspec.json.decode(response.result, type=into)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ResponseMalformed(call.method, str(error)) from error


def _to_error(call: Call, failure: _Failure) -> RpcError | TransactionReverted:
    data = _revert_data(failure.data)
    if failure.code == _REVERT_NUMBER or (data and "revert" in failure.message.lower()):
        return TransactionReverted(call.method, decode_revert(data))
    return RpcError(call.method, failure.code, failure.message, data)


def _revert_data(raw: msgspec.Raw) -> bytes:
    try:
        text = msgspec.json.decode(raw)
        return bytes.fromhex(text[2:]) if isinstance(text, str) and text.startswith("0x") else b""
    except (msgspec.MsgspecError, ValueError):
        return b""
