"""The workers of a cluster: who they are, where they answer, what they say. Nothing they say is believed here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
import msgspec

from coprocessor.chain.deployment import NetworkContracts
from coprocessor.chain.peer_json import decode_json
from coprocessor.codec import cbor
from coprocessor.protocol.outputs import Leaf, OutputProof
from coprocessor.values.errors import CoprocessorError, EvidenceRefused, MalformedInput, PeerUnreachable
from coprocessor.values.identities import ClusterId, Digest, ProgramId, RequestId, WorkerId, from_hex, to_hex

__all__ = ["ServedOutput", "WorkerEndpoint", "Workers", "WorkersApi"]

T = TypeVar("T")

_MAX_ANSWER = 4 * 1024 * 1024
_SECONDS = 60.0
_FIELDS = msgspec.json.Decoder(dict[str, Any])

PATIENCE_SECONDS = 20.0
"""How long workers that cannot answer yet are asked again."""


@dataclass(frozen=True, slots=True)
class WorkerEndpoint:
    """A member of a cluster (32 bytes) and the URL that its operator registered."""

    worker: WorkerId
    url: str


@dataclass(frozen=True, slots=True)
class ServedOutput:
    """One item's output as a worker serves it; every field is checked by who asked.

    Args:
        leaf: the public outcome.
        place: of the leaf among the outputs of a receipt.
        output: sealed, or readable where the leaf's ``ciphertext_hash`` is zero.
        link_hash: 32 bytes, head of the inbox after the link.
    """

    leaf: Leaf
    place: OutputProof
    output: bytes
    link_hash: Digest


class WorkersApi:
    """Requests to workers' HTTP servers."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Closes the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def query(self, url: str, program: ProgramId, sealed: bytes) -> bytes:
        """The encoded reply to a sealed query."""
        return await self._exchange("POST", f"{url}/v1/query", cbor.dumps([program, sealed]))

    async def output(self, url: str, cluster: ClusterId, link: int, position: int) -> ServedOutput:
        """The output of one item."""
        query = f"cluster={to_hex(cluster)}&link={link}&position={position}"
        return _decode_output(url, await self._exchange("GET", f"{url}/v1/output?{query}"))

    async def status(self, url: str) -> dict[str, Any]:
        """What a process says of itself."""
        return _decode_status(url, await self._exchange("GET", f"{url}/v1/status"))

    async def _exchange(self, method: str, url: str, body: bytes | None = None) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SECONDS))
        try:
            async with self._session.request(method, url, data=body, allow_redirects=False) as response:
                content = await _read(response, url)
                if response.status == 200:
                    return content
                raise _failure(url, response.status, content)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise PeerUnreachable(
                "worker.unreachable", f"the worker at {url} did not answer", str(error) or type(error).__name__
            ) from error


class Workers:
    """The members of a cluster, found on the chain and asked one after the other."""

    def __init__(self, contracts: NetworkContracts, api: WorkersApi) -> None:
        self._contracts = contracts
        self.api = api
        self._found: dict[ClusterId, Sequence[WorkerEndpoint]] = {}

    async def members(self, cluster: ClusterId, fresh: bool = False) -> Sequence[WorkerEndpoint]:
        """The members that have an endpoint; remembered until ``fresh`` is asked for."""
        if fresh or not self._found.get(cluster):
            self._found[cluster] = await self._look(cluster)
        return self._found[cluster]

    async def ask(
        self,
        cluster: ClusterId,
        question: Callable[[WorkerEndpoint], Awaitable[T]],
        patience: float = PATIENCE_SECONDS,
    ) -> T:
        """The first answer of any member that holds.

        A worker that cannot answer yet, because it is behind or starting, is asked again for ``patience`` seconds; one
        whose answer does not hold is not asked twice for the same reason alone.

        Raises:
            PeerUnreachable: the cluster has no member with an endpoint (``worker.none``), or none answers.
            EvidenceRefused: what members answered does not hold.
        """
        deadline, pause, fresh = time.monotonic() + patience, 0.1, False
        while True:
            failure: CoprocessorError = PeerUnreachable(
                "worker.none", f"cluster {to_hex(cluster)} has no worker to ask", next="look with `phat status`"
            )
            for member in await self.members(cluster, fresh):
                try:
                    return await question(member)
                except PeerUnreachable as error:
                    failure = error
                except (EvidenceRefused, MalformedInput) as error:
                    if not isinstance(failure, PeerUnreachable) or failure.code == "worker.none":
                        failure = error
            may_wait = isinstance(failure, PeerUnreachable) or failure.code == "query.stale"
            if not may_wait or time.monotonic() + pause > deadline:
                raise failure
            await asyncio.sleep(pause)
            pause, fresh = min(1.0, 2 * pause), True

    async def _look(self, cluster: ClusterId) -> list[WorkerEndpoint]:
        clusters, registry = self._contracts["Clusters"], self._contracts["Registry"]
        head = await clusters.node.block("latest")
        event = clusters.interface.event("Joined")
        logs = await clusters.node.logs([clusters.address], [event.topic, cluster], 0, head.number if head else 0)
        found = []
        for worker in dict.fromkeys(fields["worker"] for fields in clusters.events(logs, "Joined")):
            if await clusters.read("members", cluster, worker):
                url = str(await registry.read("endpoints", worker)).rstrip("/")
                if url.startswith(("http://", "https://")):
                    found.append(WorkerEndpoint(WorkerId(worker), url))
        return list(reversed(found))  # who joined last is the likeliest to live


def _decode_output(url: str, body: bytes) -> ServedOutput:
    try:
        return _served_output(decode_json(body))
    except (MalformedInput, KeyError, TypeError, AttributeError) as error:
        raise MalformedInput("worker.answer", f"{url} gave no output but something else", str(error)) from error


def _decode_status(url: str, body: bytes) -> dict[str, Any]:
    try:
        return decode_json(body, _FIELDS)
    except MalformedInput as error:
        raise MalformedInput("worker.answer", f"{url} gave no status but something else", str(error)) from error


def _served_output(plain: Any) -> ServedOutput:
    leaf, place = plain["leaf"], plain["place"]
    return ServedOutput(
        leaf=Leaf(
            link=_integer(leaf["link"]),
            position=_integer(leaf["position"]),
            program=ProgramId(from_hex(leaf["program"], 32)),
            request=RequestId(from_hex(leaf["request"], 32)),
            status=_integer(leaf["status"]),
            fuel=_integer(leaf["fuel"]),
            plaintext_hash=Digest(from_hex(leaf["plaintext_hash"], 32)),
            ciphertext_hash=Digest(from_hex(leaf["ciphertext_hash"], 32)),
        ),
        place=OutputProof(
            _integer(place["index"]),
            _integer(place["count"]),
            tuple(Digest(from_hex(sibling, 32)) for sibling in place["siblings"]),
        ),
        output=from_hex(plain["output"]),
        link_hash=Digest(from_hex(plain["link_hash"], 32)),
    )


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 64:
        raise TypeError(f"{value!r:.40} is no whole number below 2**64")
    return value


async def _read(response: aiohttp.ClientResponse, url: str) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_chunked(1 << 16):
        size += len(part)
        if size > _MAX_ANSWER:
            raise MalformedInput("worker.answer", f"{url} answers with more than {_MAX_ANSWER} bytes")
        parts.append(part)
    return b"".join(parts)


def _failure(url: str, status: int, content: bytes) -> CoprocessorError:
    """The worker's own error, its words cut to a bearable length."""
    try:
        fields = decode_json(content, _FIELDS)
        code, *words = (str(fields.get(name, ""))[:400] for name in ("code", "what", "why", "next"))
    except MalformedInput:
        code, words = "", []
    if not code:
        return PeerUnreachable("worker.refused", f"{url} answered with HTTP status {status}")
    return PeerUnreachable(code, *words)
