"""A proxy before another node that adds sealed headers; it has no chain of its own.

Everything is forwarded except ``coproc_*``. Headers are rebuilt from the other node's blocks, and one whose hash does
not come out as that node says is never sealed or served. The folder keeps the sealer's key alone.

Trust: this sealer vouches for whatever the other node calls finalised. It suits a consortium's own node or a test; a
public chain has header sources of its own (PROTOCOL 2.1).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import msgspec

from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.devnode.dispatch import MAX_BATCH_CALLS, decode_json
from coprocessor.devnode.errors import (
    INTERNAL_ERROR,
    INVALID_INPUT,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    RpcError,
    StartFailed,
)
from coprocessor.devnode.header import BlockHeader
from coprocessor.devnode.options import NodeOptions
from coprocessor.devnode.rpc_params import parse_bytes, parse_quantity
from coprocessor.devnode.running import RunningNode, locked_folder
from coprocessor.devnode.seals import check_header_range, compute_seal_digest, load_sealer, sealer_key_path
from coprocessor.devnode.server import MAX_BODY_BYTES, RpcServer
from coprocessor.values.errors import MalformedInput
from coprocessor.values.identities import Digest, to_hex

__all__ = ["Upstream", "UpstreamProxy", "read_header", "serve_upstream"]

OWN_PREFIX: Final = "coproc_"
UPSTREAM_SECONDS: Final = 60
MAX_UPSTREAM_REPLY_BYTES: Final = 4 * MAX_BODY_BYTES
"""Longest reply that is taken from the other node."""
HEADERS_PER_REQUEST: Final = 128
_READ_CHUNK = 1 << 20


class Upstream:
    """The other node, by JSON-RPC."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def forward(self, body: bytes) -> bytes:
        """The raw reply to a raw body. Raises RpcError if the node does not answer properly."""
        try:
            headers = {"Content-Type": "application/json"}
            async with self._session.post(self._url, data=body, headers=headers) as response:
                reply = bytearray()
                async for chunk in response.content.iter_chunked(_READ_CHUNK):
                    reply += chunk
                    if len(reply) > MAX_UPSTREAM_REPLY_BYTES:
                        raise RpcError(INTERNAL_ERROR, f"upstream replied more than {MAX_UPSTREAM_REPLY_BYTES} bytes")
                if response.status not in (200, 204):
                    raise RpcError(INTERNAL_ERROR, f"upstream answered with HTTP status {response.status}")
                return bytes(reply)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise RpcError(INTERNAL_ERROR, f"upstream did not answer: {type(error).__name__}") from error

    async def call(self, method: str, *parameters: Any) -> Any:
        """The result of one call. Raises RpcError."""
        return (await self.batch([(method, list(parameters))]))[0]

    async def batch(self, calls: list[tuple[str, list[Any]]]) -> list[Any]:
        """The results of several calls. Raises RpcError if one of them failed."""
        body = [{"jsonrpc": "2.0", "id": i, "method": name, "params": p} for i, (name, p) in enumerate(calls)]
        try:
            replies = decode_json(await self.forward(msgspec.json.encode(body)))
            by_id = {reply["id"]: reply for reply in replies}
            ordered = [by_id[i] for i in range(len(calls))]
            failed = next((reply["error"] for reply in ordered if "error" in reply), None)
            if failed is None:
                return [reply["result"] for reply in ordered]
            message = str(failed["message"])[:500]
        except (KeyError, TypeError) as error:
            raise RpcError(INTERNAL_ERROR, "upstream did not answer in JSON-RPC") from error
        raise RpcError(INVALID_INPUT, f"upstream refused {calls[0][0]}: {message}")

    async def get_headers(self, first: int, last: int) -> list[BlockHeader]:
        """The headers of an inclusive range, each checked against its hash; those that exist."""
        headers: list[BlockHeader] = []
        for start in range(first, last + 1, HEADERS_PER_REQUEST):
            numbers = range(start, min(start + HEADERS_PER_REQUEST, last + 1))
            blocks = await self.batch([("eth_getBlockByNumber", [hex(n), False]) for n in numbers])
            headers += [read_header(block) for block in blocks if block is not None]
        return headers


def read_header(block: Any) -> BlockHeader:
    """The header of a JSON-RPC block. Raises RpcError unless its hash is the one that the block states."""
    try:
        header = BlockHeader.from_rpc(block)
    except (MalformedInput, AttributeError) as error:
        raise RpcError(INTERNAL_ERROR, f"upstream sent a block that cannot be read: {error}") from error
    if to_hex(header.compute_hash()) != block.get("hash"):
        raise RpcError(
            INTERNAL_ERROR,
            f"header {header.number} hashes to {to_hex(header.compute_hash())}, upstream says {block.get('hash')}: "
            "it has fields that this release does not know, or was altered",
        )
    return header


class UpstreamProxy:
    """Answers ``coproc_*`` itself and forwards the rest. Serves as the HTTP server's dispatcher."""

    def __init__(self, upstream: Upstream, sealer: PrivateKey, chain_id: int) -> None:
        self._upstream = upstream
        self._sealer = sealer
        self._chain_id = chain_id
        self._methods: dict[str, tuple[Callable[..., Awaitable[Any]], int]] = {
            "coproc_sealers": (self._sealers, 0),
            "coproc_getSeals": (self._get_seals, 1),
            "coproc_getRawHeaders": (self._get_raw_headers, 2),
        }

    async def handle(self, body: bytes) -> bytes:
        """The reply to a request body; empty if there is none."""
        try:
            message = decode_json(body)
        except RpcError as error:
            return _encode_error(None, error)
        if isinstance(message, list) and any(_is_own(call) for call in message):
            if len(message) > MAX_BATCH_CALLS:
                return _encode_error(None, RpcError(INVALID_REQUEST, f"a batch has at most {MAX_BATCH_CALLS} calls"))
            parts = await asyncio.gather(*(self._handle_single(call) for call in message))
            return b"[" + b",".join(part for part in parts if part) + b"]"
        if _is_own(message):
            return await self._handle_own(message)
        return await self._forward(body, message)

    async def _handle_single(self, call: Any) -> bytes:
        if _is_own(call):
            return await self._handle_own(call)
        return await self._forward(msgspec.json.encode(call), call)

    async def _forward(self, body: bytes, message: Any) -> bytes:
        try:
            return await self._upstream.forward(body)
        except RpcError as error:
            return _encode_error(message, error)

    async def _handle_own(self, call: dict[str, Any]) -> bytes:
        try:
            name = call["method"]
            if name not in self._methods:
                raise RpcError(METHOD_NOT_FOUND, f"{name[:80]} is not served before an upstream node")
            method, arity = self._methods[name]
            parameters = call.get("params", [])
            if not isinstance(parameters, list) or len(parameters) != arity:
                raise RpcError(INVALID_PARAMS, f"{name} takes {arity} parameters")
            result = await method(*parameters)
        except RpcError as error:
            return _encode_error(call, error)
        return msgspec.json.encode({"jsonrpc": "2.0", "id": call.get("id"), "result": result})

    async def _sealers(self) -> list[str]:
        return [to_hex(self._sealer.address)]

    async def _get_seals(self, block_hash: object) -> dict[str, Any]:
        digest = Digest(parse_bytes(block_hash, "block hash", 32))
        block, finalized = await self._upstream.batch(
            [("eth_getBlockByHash", [to_hex(digest), False]), ("eth_getBlockByNumber", ["finalized", False])]
        )
        if block is None:
            raise RpcError(INVALID_INPUT, f"unknown block {to_hex(digest)}")
        header, last = read_header(block), read_header(finalized)
        if header.compute_hash() != digest:
            raise RpcError(INTERNAL_ERROR, "upstream answered with another block")
        # A hash may name a block that a reorganisation left behind: only the canonical one is finalised.
        canonical = await self._upstream.get_headers(header.number, header.number)
        if header.number > last.number or not canonical or canonical[0] != header:
            raise RpcError(INVALID_INPUT, f"block {header.number} is not finalized: finalized is {last.number}")
        signature = self._sealer.sign(compute_seal_digest(self._chain_id, header.number, digest))
        return {"blockNumber": hex(header.number), "blockHash": to_hex(digest), "signatures": [to_hex(signature)]}

    async def _get_raw_headers(self, first: object, last: object) -> list[str]:
        start, end = (parse_quantity(value, "number", 2**63) for value in (first, last))
        check_header_range(start, end)
        return [to_hex(header.encode()) for header in await self._upstream.get_headers(start, end)]


@asynccontextmanager
async def serve_upstream(options: NodeOptions) -> AsyncIterator[RunningNode]:
    """A proxy in this event loop; stops when the block ends. Raises StartFailed."""
    assert options.upstream is not None
    with locked_folder(options.data):
        sealer = load_sealer(*sealer_key_path(options), options.disk)
        timeout = aiohttp.ClientTimeout(total=UPSTREAM_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            upstream = Upstream(session, options.upstream)
            try:
                chain_id, head = await upstream.batch([("eth_chainId", []), ("eth_blockNumber", [])])
                numbers = (parse_quantity(chain_id, "chain id"), parse_quantity(head, "block number"))
            except (RpcError, ValueError) as error:
                raise StartFailed(
                    "devnode.upstream",
                    f"the node at {options.upstream} cannot be used",
                    str(error),
                    "start it first, and give its HTTP URL",
                ) from error
            server = RpcServer(UpstreamProxy(upstream, sealer, numbers[0]).handle)
            url = await server.start(options.host, options.port)
            try:
                yield RunningNode(url, numbers[0], to_hex(sealer.address), numbers[1])
            finally:
                await server.stop()


def _is_own(call: Any) -> bool:
    name = call.get("method") if isinstance(call, dict) else None
    return isinstance(name, str) and name.startswith(OWN_PREFIX)


def _encode_error(call: Any, error: RpcError) -> bytes:
    request_id = call.get("id") if isinstance(call, dict) else None
    content = {"code": error.number, "message": error.message}
    return msgspec.json.encode({"jsonrpc": "2.0", "id": request_id, "error": content})
