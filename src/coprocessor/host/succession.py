"""Beginning a handover of the key: the list and the newcomers' evidence on the chain, and the threshold's agreements
(PROTOCOL 9.4).

What follows is the gatekeepers' own (``host.handover``). Nothing here is believed by anybody: enclaves verify all
evidence themselves, and the contract counts their signatures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from coprocessor.attestation.evidence import decode_evidence
from coprocessor.attestation.verify import verify_evidence
from coprocessor.chain.committee import find_endpoints, read_present
from coprocessor.chain.contract import Contract
from coprocessor.chain.node import Node
from coprocessor.chain.sender import TransactionSender
from coprocessor.crypto.secp256k1 import recover_address
from coprocessor.enclave import messages as m
from coprocessor.host.evidence import encode_publication
from coprocessor.host.http import PeerClient
from coprocessor.protocol.statements import HandoverRecord
from coprocessor.values.errors import CoprocessorError, PeerUnreachable
from coprocessor.values.identities import Address, Digest, from_hex
from coprocessor.values.network import NetworkConfiguration

__all__ = ["announce_committee", "announce_refresh", "begin_handover"]

Row = tuple[Any, ...]


async def announce_committee(
    peers: PeerClient, sender: TransactionSender, gatekeeping: Contract, following: Sequence[str], threshold: int
) -> None:
    """Announces the next committee and publishes its newcomers' evidence; ``sender`` is the proposer's.

    Args:
        following: URLs of its members' hosts, in member order; present members may stay.
        threshold: t of the next committee.

    Raises:
        PeerRefused, PeerUnreachable: a candidate does not answer.
        TransactionReverted: the contract refuses the list.
    """
    present = {member.signer: member.row for member in await read_present(gatekeeping) if member.is_standing}
    rows: list[Row] = []
    newcomers: list[m.Admit] = []
    for url in following:
        status = await peers.get_json(f"{url}/v1/status")
        stays: Row | None = present.get(Address(from_hex(status["signer"], 20, "signer")))
        if stays is None:
            own = await peers.get_record(f"{url}/v1/evidence", m.GATEKEEPER_REQUESTS)
            newcomers.append(own)
            stays = await _row(gatekeeping.node, own)
        rows.append(stays)
    await sender.send(gatekeeping.address, gatekeeping.encode("propose", threshold, rows))
    for own in newcomers:
        await sender.send(gatekeeping.address, encode_publication(gatekeeping, own))


async def announce_refresh(sender: TransactionSender, gatekeeping: Contract) -> None:
    """Announces the present list again, for new shares; ``sender`` is a member's operator, or the proposer.

    Raises:
        TransactionReverted: the contract refuses: nobody of the two, a list is announced, or the proposer's list would
            name a revoked member.
    """
    if sender.address != await gatekeeping.read("PROPOSER"):
        await sender.send(gatekeeping.address, gatekeeping.encode("propose_refresh"))
        return
    rows = [member.row for member in await read_present(gatekeeping)]
    threshold = await gatekeeping.read("threshold")
    await sender.send(gatekeeping.address, gatekeeping.encode("propose", threshold, rows))


async def begin_handover(
    peers: PeerClient,
    sender: TransactionSender,
    gatekeeping: Contract,
    configuration: NetworkConfiguration,
    hints: Sequence[str] = (),
) -> None:
    """Gathers the agreements of present members and opens the handover; anybody may.

    Args:
        hints: URLs of the present members' hosts, for those of which the chain says none.

    Raises:
        PeerUnreachable: ``handover.too_few``: fewer than the threshold agree; says why.
    """
    gatekeepers = await find_endpoints(gatekeeping, hints)
    asked = (
        peers.ask(f"{url}/v1/handover", m.SignHandover(), m.GATEKEEPER_REQUESTS, m.GATEKEEPER_REPLIES)
        for url in gatekeepers
    )
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
    members = [member.signer for member in await read_present(gatekeeping) if member.is_standing]
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


async def _row(node: Node, own: m.Admit) -> Row:
    """A candidate as the contract records it."""
    block = await node.block("latest")
    now = 0 if block is None else block.timestamp
    digest = verify_evidence(decode_evidence(own.evidence), now).body_digest
    return own.operator, own.signer, own.sealing_key, digest
