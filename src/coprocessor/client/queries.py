"""Queries: sealed to the program, answered by one worker, believed only with proofs (PROTOCOL 2.3)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from coprocessor.client.chain_state import SealedHead
from coprocessor.client.programs import InputKey, ProgramRecord
from coprocessor.client.session import Session
from coprocessor.client.workers import WorkerEndpoint
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol import layout
from coprocessor.protocol.interface import Method
from coprocessor.protocol.output_body import OutputBody, decode_output_body
from coprocessor.protocol.outputs import Status
from coprocessor.protocol.queries import Query, QueryReply, open_reply, seal_query
from coprocessor.protocol.statements import ROLE_WORKER
from coprocessor.protocol.terms import has_ended
from coprocessor.values.errors import EvidenceRefused, GuestFailed
from coprocessor.values.identities import StateRoot, WorkerId, to_hex

__all__ = ["QueryResult", "ask"]

_STANDING = ("role", "simulated", "revoked", "expires")
_SUBJECTS = ("root", "measurement", "platform")


@dataclass(frozen=True, slots=True)
class QueryResult:
    """A verified answer.

    Args:
        value: as the interface reads it.
        block_number: finalised block up to which the worker has executed; at least the client's own.
        executed_links: links executed.
        state_root: of the cluster after them.
        worker: 32 bytes, who answered.
        epoch: of the cluster's keys.
        fuel: burnt.
        simulated: the worker's TEE is simulated.
        unverified_freshness: the client's view of the chain came from the worker's own host.
    """

    value: Any
    block_number: int
    executed_links: int
    state_root: StateRoot
    worker: WorkerId
    epoch: int
    fuel: int
    simulated: bool
    unverified_freshness: bool


@dataclass(frozen=True, slots=True)
class _Asked:
    """A query with everything its reply is measured against."""

    record: ProgramRecord
    method: Method
    input_key: InputKey
    query: Query
    head: SealedHead


async def ask(
    session: Session, record: ProgramRecord, method: Method, arguments: bytes, caller: PrivateKey | None
) -> QueryResult:
    """Asks the cluster's workers in turn until one gives an answer that holds.

    Args:
        record: of the program.
        method: a query of its interface.
        arguments: as the interface encodes them.
        caller: signs the query, so that the program knows who asks; None asks without a name.

    Raises:
        GuestFailed: the program refused, or met a limit.
        EvidenceRefused: a reply does not hold (``query.*``).
        PeerUnreachable: no worker answers.
    """
    input_key = await session.programs.input_key(record)

    async def ask_one(member: WorkerEndpoint) -> tuple[QueryReply, bytes, bool, bool]:
        head = await session.chain.refresh()
        query = Query(method.selector, arguments, head.header.number, head.header.hash, secrets.token_bytes(32))
        if caller is not None:
            query = _signed(query, session, record, caller)
        asked = _Asked(record, method, input_key, query, head)
        sealed = seal_query(query, session.network_id, record.program, input_key.epoch, input_key.key)
        reply = QueryReply.decode(await session.workers.api.query(member.url, record.program, sealed))
        simulated = await _verify(session, asked, reply)
        digest = query.digest(session.network_id, record.program)
        body = open_reply(reply.sealed_result, query.reply_secret, session.network_id, digest)
        return reply, body, simulated, _same_host(member.url, session.node.rpc.url)

    reply, body, simulated, same_host = await session.workers.ask(record.cluster, ask_one)
    return QueryResult(
        value=_value(method, decode_output_body(body), reply),
        block_number=reply.executed_block,
        executed_links=reply.executed_links,
        state_root=reply.state_root,
        worker=reply.worker,
        epoch=reply.epoch,
        fuel=reply.fuel,
        simulated=simulated,
        unverified_freshness=same_host,
    )


def _signed(query: Query, session: Session, record: ProgramRecord, caller: PrivateKey) -> Query:
    signature = caller.sign(query.digest(session.network_id, record.program))
    return Query(
        query.method, query.arguments, query.block_number, query.block_hash, query.reply_secret, signature
    )


async def _verify(session: Session, asked: _Asked, reply: QueryReply) -> bool:
    """Whether the worker is simulated. Raises EvidenceRefused where the reply is not the right one."""
    record, query = asked.record, asked.query
    bound = (reply.network, reply.cluster, reply.program, reply.query_digest, reply.block_number, reply.block_hash)
    digest = query.digest(session.network_id, record.program)
    block = asked.head.header
    if bound != (session.network_id, record.cluster, record.program, digest, block.number, block.hash):
        raise _refused("query.binding", "the reply is for another network, program, query or block")
    if reply.executed_block < block.number:
        raise _refused("query.stale", f"the worker answered for block {reply.executed_block}, asked was {block.number}")
    return await _verify_worker(session, asked, reply)


async def _verify_worker(session: Session, asked: _Asked, reply: QueryReply) -> bool:
    """Whether the worker is simulated. Raises EvidenceRefused where the chain does not vouch for it and its state."""
    cluster, block, worker = asked.record.cluster, asked.head.header, reply.worker
    signer = reply.signer()
    live_key = layout.registry_worker_of(signer)
    fields = {name: layout.registry_worker(worker, name) for name in (*_STANDING, *_SUBJECTS)}
    member, epoch = layout.cluster_member(cluster, worker), layout.cluster_field(cluster, "epoch")
    first_open = layout.cluster_field(cluster, "first_open")
    any_distrusted = layout.registry_has_distrusted()
    links, count, root = layout.inbox_count(cluster), layout.settled(cluster, "count"), layout.settled(cluster, "root")
    proven = await session.chain.prove(
        {
            "Registry": [live_key, any_distrusted, *fields.values()],
            "Clusters": [member, epoch, first_open],
            "Inbox": [links],
            "Settlement": [count, root],
        },
        asked.head,
    )
    if proven.digest("Registry", live_key) != worker:
        raise _refused("query.signer", f"{to_hex(signer)} is not the live key of worker {to_hex(worker)}")
    values = {name: proven.value("Registry", slot) for name, slot in fields.items()}
    if values["role"] != ROLE_WORKER or values["revoked"] or has_ended(values["expires"], block.timestamp):
        raise _refused("query.worker", f"worker {to_hex(worker)} is revoked, expired, or no worker")
    if proven.value("Registry", any_distrusted):
        await _verify_trusted(session, asked, worker, [proven.digest("Registry", fields[name]) for name in _SUBJECTS])
    if not proven.value("Clusters", member):
        raise _refused("query.member", f"worker {to_hex(worker)} is no member of the cluster")
    if not proven.value("Clusters", first_open) <= reply.epoch <= proven.value("Clusters", epoch):
        raise _refused("query.epoch", f"the reply is of epoch {reply.epoch}")
    if reply.executed_links < proven.value("Inbox", links):
        raise _refused("query.stale", f"the worker has executed {reply.executed_links} links, more are final")
    is_settled = proven.value("Settlement", count) == reply.executed_links
    if is_settled and proven.digest("Settlement", root) != reply.state_root:
        raise _refused("query.root", "the worker's state is another than the settled one")
    return bool(values["simulated"])


async def _verify_trusted(session: Session, asked: _Asked, worker: WorkerId, subjects: list[bytes]) -> None:
    """Raises EvidenceRefused where the network distrusts the worker's vendor, measurement or platform."""
    until = {subject: layout.registry_distrusted(subject) for subject in subjects}
    proven = await session.chain.prove({"Registry": list(until.values())}, asked.head)
    for subject, slot in until.items():
        if not has_ended(proven.value("Registry", slot), asked.head.header.timestamp):
            raise _refused("query.distrusted", f"worker {to_hex(worker)} runs on what is distrusted: {to_hex(subject)}")


def _value(method: Method, body: OutputBody, reply: QueryReply) -> Any:
    if body.status != reply.status:
        raise _refused("query.status", "the sealed result names another outcome than the reply")
    match reply.status:
        case Status.OK:
            return method.decode_result(body.result)
        case Status.REVERTED:
            reason = body.message or "the program gave no reason"
            raise GuestFailed("guest.reverted", reason, f"{method.name} was refused by the program")
    raise GuestFailed("guest.exhausted", f"{method.name} met a limit: {body.limit or 'unknown'}", next="ask for less")


def _same_host(worker: str, node: str) -> bool:
    """Whether worker and node are one server: then nothing independent vouches for the newest block."""
    return urlsplit(worker).netloc == urlsplit(node).netloc


def _refused(code: str, what: str) -> EvidenceRefused:
    return EvidenceRefused(code, what, next="ask another worker; this one is behind or lies")
