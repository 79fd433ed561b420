"""Signed queries a second against one worker over HTTP, by several clients at once.

Queries are signed and sealed before the clock starts, and replies are opened after it: what is measured is the worker
with its enclave and executor. A figure of its own is the SDK's whole query, which proves everything against the chain.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, replace

from bench import load
from bench.figures import Figure
from bench.network import TOKENS, BenchNetwork, authors
from bench.scene import Scene
from coprocessor.client.workers import WorkersApi
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol.output_body import decode_output_body
from coprocessor.protocol.outputs import Status
from coprocessor.protocol.queries import Query, QueryReply, open_reply, seal_query

__all__ = ["run"]

CLIENTS = 8
QUERIES = {"python": 600, "raw": 1200}
REPETITIONS = 5
SDK_QUERIES = 10


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Sealed queries with what opens their replies."""

    url: str
    queries: tuple[tuple[Query, bytes], ...]


def run(scene: Scene) -> list[Figure]:
    """Both tokens."""
    return [figure for language in TOKENS for figure in measure(scene, language)]


def measure(scene: Scene, language: str) -> list[Figure]:
    """One language's token."""
    count, repetitions = (24, 1) if scene.quick else (QUERIES[language], REPETITIONS)
    network = scene.network(language)
    if not network.submitted:
        load.fund_authors(network)
    rates = []
    for _ in range(repetitions):
        prepared = network.run(_prepare(network, count))
        began = time.perf_counter()
        replies = network.run(_ask_all(network, prepared))
        rates.append(count / (time.perf_counter() - began))
        _open_all(network, prepared, replies)
        scene.say(f"  {language}: {rates[-1]:.0f} queries/s")
    name = f"queries.{language}"
    note = f"{CLIENTS} clients, {count} queries a repetition"
    seconds = tuple(network.run(_ask_by_sdk(network)) for _ in range(2 if scene.quick else SDK_QUERIES))
    return [
        Figure(name, "queries/s", tuple(rates), "higher", note),
        Figure(f"{name}.sdk", "ms", seconds, note="one query of the SDK, one after the other, proofs included"),
    ]


async def _prepare(network: BenchNetwork, count: int) -> _Prepared:
    session, program = network.net.session, network.token
    record, method = program.record, program.record.interface.method("balance_of", "query")
    input_key = await session.programs.input_key(record)
    head = await session.chain.refresh()
    (member, *_) = await session.workers.members(record.cluster)
    people = authors(load.AUTHORS)
    queries = []
    for at in range(count):
        caller = people[at % len(people)]
        arguments = method.encode_arguments(("0x" + caller.address.hex(),), {})
        plain = Query(method.selector, arguments, head.header.number, head.header.hash, secrets.token_bytes(32))
        query = replace(plain, caller_signature=_sign(network, caller, plain))
        sealed = seal_query(query, session.network_id, record.program, input_key.epoch, input_key.key)
        queries.append((query, sealed))
    return _Prepared(member.url, tuple(queries))


def _sign(network: BenchNetwork, caller: PrivateKey, query: Query) -> bytes:
    return caller.sign(query.digest(network.net.session.network_id, network.token.record.program))


async def _ask_all(network: BenchNetwork, prepared: _Prepared) -> list[bytes]:
    program = network.token.record.program
    replies: list[bytes] = [b""] * len(prepared.queries)
    waiting = iter(enumerate(prepared.queries))

    async def client() -> None:
        api = WorkersApi()
        try:
            for at, (_, sealed) in waiting:
                replies[at] = await api.query(prepared.url, program, sealed)
        finally:
            await api.close()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return replies


def _open_all(network: BenchNetwork, prepared: _Prepared, replies: list[bytes]) -> None:
    """Every reply must be to its query, signed by one worker, and hold a balance."""
    session, program = network.net.session, network.token.record.program
    method = network.token.record.interface.method("balance_of", "query")
    signers = set()
    for (query, _), data in zip(prepared.queries, replies, strict=True):
        reply = QueryReply.decode(data)
        digest = query.digest(session.network_id, program)
        body = decode_output_body(open_reply(reply.sealed_result, query.reply_secret, session.network_id, digest))
        if reply.query_digest != digest or reply.status != Status.OK or method.decode_result(body.result) <= 0:
            raise RuntimeError(f"a query was answered with status {reply.status}: {body.message}")
        signers.add(reply.signer())
    if len(signers) != 1:
        raise RuntimeError(f"{len(signers)} signers answered, there is one worker")


async def _ask_by_sdk(network: BenchNetwork) -> float:
    caller = authors(load.AUTHORS)[0]
    began = time.perf_counter()
    await network.token.query("balance_of", "0x" + caller.address.hex(), caller=caller)
    return (time.perf_counter() - began) * 1e3
