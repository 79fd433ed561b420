"""Packing a receipt file: what shows one output, gathered from the chain and a worker, checked before use."""

from __future__ import annotations

from collections.abc import Sequence

from coprocessor.chain.follower import LogReader
from coprocessor.chain.node import Log
from coprocessor.client.chain_state import SealedHead
from coprocessor.client.session import Session
from coprocessor.client.settled import SettledOutput
from coprocessor.crypto.secp256k1 import recover_address
from coprocessor.protocol import layout
from coprocessor.protocol.receipt_file import (
    Opened,
    ReceiptFile,
    SealedHeader,
    SignedBy,
    pack_proof,
    receipt_file_to_json,
)
from coprocessor.protocol.receipt_verdict import ReceiptQuestion, minimal_seals, required_slots, verify_receipt
from coprocessor.protocol.receipts import Receipt
from coprocessor.values.errors import EvidenceRefused, InternalError
from coprocessor.values.identities import ZERO_DIGEST, Address, ClusterId, WorkerId

__all__ = ["make_receipt"]


async def make_receipt(session: Session, cluster: ClusterId, output: SettledOutput, opened: Opened | None) -> str:
    """The text of a receipt file for a settled output.

    Args:
        session: where from.
        cluster: 32 bytes.
        output: as ``settled.fetch_settled_output`` gives it.
        opened: the readable output with its salt, or None to leave it sealed. A public output is always readable.

    Raises:
        EvidenceRefused: the node does not show how the receipt was settled (``receipt.hidden``).
    """
    served = output.served
    is_public = served.leaf.ciphertext_hash == ZERO_DIGEST
    receipt, signatures = await _fetch_settlement(session, cluster, output.receipt.number)
    head = await session.chain.refresh()
    signed = await _choose_signers(session, receipt, signatures, head)
    signers = tuple((address, item.worker) for address, item in signed)
    question = ReceiptQuestion(cluster, output.receipt.number, served.leaf.program, signers)
    file = ReceiptFile(
        network=session.target.network,
        header=SealedHeader(
            head.raw, minimal_seals(session.target.network, head.header.number, head.header.hash, head.seals)
        ),
        number=output.receipt.number,
        receipt=receipt,
        signatures=tuple(item for _, item in signed),
        leaf=served.leaf,
        place=served.place,
        sealed_output=b"" if is_public else served.output,
        opened=Opened(bytes(32), served.output) if is_public else opened,
        proof=pack_proof(await _prove(session, question, head)),
    )
    text = receipt_file_to_json(file)
    verdict = verify_receipt(text, session.target.network)
    if not verdict.ok:
        raise InternalError(
            "receipt.unsound", "the receipt that was just made does not verify", f"{verdict.code}: {verdict.reason}"
        )
    return text


async def _fetch_settlement(session: Session, cluster: ClusterId, number: int) -> tuple[Receipt, list[bytes]]:
    """The signed receipt and its signatures, from the call data of the transaction that settled it."""
    settlement = session.contracts["Settlement"]
    topics = [settlement.interface.event("Settled").topic, cluster, number.to_bytes(32, "big")]
    head = await session.chain.refresh()
    logs: list[Log] = []
    async for _, found in LogReader(session.node).read([settlement.address], topics, 0, head.header.number):
        logs += found
    call = await session.node.transaction_input(logs[0].transaction_hash) if logs else None
    if call is None:
        raise EvidenceRefused(
            "receipt.hidden",
            f"the node does not show how receipt {number} was settled",
            "it leaves events or transactions out",
            "ask another node",
        )
    fields, signatures = settlement.interface.function("settle").decode_call(call)
    return Receipt(*fields), list(signatures)


async def _choose_signers(
    session: Session, receipt: Receipt, signatures: Sequence[bytes], head: SealedHead
) -> list[tuple[Address, SignedBy]]:
    """A quorum of the signatures, ascending by signer, each with its worker."""
    configuration = session.target.network.configuration
    quorum_slot = layout.cluster_field(receipt.cluster, "quorum")
    quorum = (await session.chain.prove({"Clusters": [quorum_slot]}, head)).value("Clusters", quorum_slot)
    digest = receipt.digest(configuration.chain_id, configuration.contract("Settlement").address)
    by_signer = sorted((recover_address(digest, signature), signature) for signature in signatures)[:quorum]
    slots = [layout.registry_bound_worker(signer) for signer, _ in by_signer]
    proven = await session.chain.prove({"Registry": slots}, head)
    return [
        (signer, SignedBy(WorkerId(proven.digest("Registry", slot)), signature))
        for (signer, signature), slot in zip(by_signer, slots, strict=True)
    ]


async def _prove(session: Session, question: ReceiptQuestion, head: SealedHead) -> list[tuple[bytes, ...]]:
    """The paths of every required account and slot, in order."""
    required = required_slots(question)
    proven = await session.chain.prove(dict(required), head)
    paths: list[tuple[bytes, ...]] = []
    for contract, _ in required:
        answer = proven.answers[contract]
        paths.append(answer.nodes)
        paths += [slot.nodes for slot in answer.slots]
    return paths
