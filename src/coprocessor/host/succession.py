"""Beginning a handover of the key: the list on the chain, the candidates' evidence to every present member, and the
threshold's agreements back to the chain (PROTOCOL 9.4).

What follows is the gatekeepers' own (``host.handover``). Nothing here is believed by anybody: enclaves verify all
evidence themselves, and the contract counts their signatures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from coprocessor.attestation.evidence import decode_evidence
from coprocessor.attestation.verify import verify_evidence
from coprocessor.chain.contract import Contract
from coprocessor.chain.node import Node
from coprocessor.chain.sender import TransactionSender
from coprocessor.crypto.secp256k1 import recover_address
from coprocessor.enclave import messages as m
from coprocessor.host.handover import CANDIDATES, Candidates
from coprocessor.host.http import PeerClient
from coprocessor.protocol.statements import HandoverRecord
from coprocessor.values.errors import CoprocessorError, PeerUnreachable
from coprocessor.values.identities import Address, Digest, from_hex
from coprocessor.values.network import NetworkConfiguration

__all__ = ["announce_committee", "begin_handover"]

_SIGNER = 1

Row = tuple[Any, ...]


async def announce_committee(
    peers: PeerClient, sender: TransactionSender, gatekeeping: Contract, following: Sequence[str], threshold: int
) -> tuple[m.Admit, ...]:
    """Announces the next committee; ``sender`` is the proposer's.

    Args:
        following: URLs of its members' hosts, in member order; present members may stay.
        threshold: t of the next committee.

    Returns:
        Evidence of those who are no present members.

    Raises:
        PeerRefused, PeerUnreachable: a candidate does not answer.
        TransactionReverted: the contract refuses the list.
    """
    present = {bytes(row[_SIGNER]): tuple(row) for row in await _members(gatekeeping)}
    rows: list[Row] = []
    candidates: list[m.Admit] = []
    for url in following:
        status = await peers.get_json(f"{url}/v1/status")
        stays = present.get(from_hex(status["signer"], 20, "signer"))
        if stays is None:
            own = await peers.get_record(f"{url}/v1/evidence", m.GATEKEEPER_REQUESTS)
            candidates.append(own)
            stays = await _row(gatekeeping.node, own)
        rows.append(stays)
    await sender.send(gatekeeping.address, gatekeeping.encode("propose", threshold, rows))
    return tuple(candidates)


async def begin_handover(
    peers: PeerClient,
    sender: TransactionSender,
    gatekeeping: Contract,
    configuration: NetworkConfiguration,
    gatekeepers: Sequence[str],
    candidates: Sequence[m.Admit],
) -> None:
    """Gathers the agreements of present members and opens the handover; anybody may.

    Args:
        gatekeepers: URLs of the present members' hosts.
        candidates: evidence of the next members that are new.

    Raises:
        PeerUnreachable: ``handover.too_few``: fewer than the threshold agree; says why.
    """
    message = Candidates(tuple(candidates))
    asked = (peers.ask(f"{url}/v1/handover", message, CANDIDATES, m.GATEKEEPER_REPLIES) for url in gatekeepers)
    answers = await asyncio.gather(*asked, return_exceptions=True)
    session = Digest(await gatekeeping.read("next_session"))
    digest = HandoverRecord(session).digest(configuration.chain_id, gatekeeping.address)
    by_signer: dict[Address, bytes] = {}
    reasons = []
    for url, answer in zip(gatekeepers, answers, strict=True):
        if isinstance(answer, m.HandoverSigned) and answer.session == session:
            by_signer[recover_address(digest, answer.signature)] = answer.signature
        elif isinstance(answer, CoprocessorError):
            reasons.append(f"{url}: {answer.code}")
        elif isinstance(answer, BaseException):
            raise answer
        else:
            reasons.append(f"{url}: agreed to something else")
    members = [Address(row[_SIGNER]) for row in await _members(gatekeeping)]
    signatures = [by_signer[signer] for signer in members if signer in by_signer]
    threshold = await gatekeeping.read("threshold")
    if len(signatures) < threshold:
        raise PeerUnreachable(
            "handover.too_few",
            f"{len(signatures)} gatekeepers agree to the handover, {threshold} are needed",
            "; ".join(reasons),
            "begin again when they do; the present committee serves meanwhile",
        )
    await sender.send(gatekeeping.address, gatekeeping.encode("begin_handover", signatures))


async def _members(gatekeeping: Contract) -> list[Row]:
    return [await gatekeeping.read("members", at) for at in range(await gatekeeping.read("member_count"))]


async def _row(node: Node, own: m.Admit) -> Row:
    """A candidate as the contract records it."""
    block = await node.block("latest")
    now = 0 if block is None else block.timestamp
    digest = verify_evidence(decode_evidence(own.evidence), now).body_digest
    return own.operator, own.signer, own.sealing_key, digest
