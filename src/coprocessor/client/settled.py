"""Outputs under settled receipts: found on the chain, proven, fetched from any worker, checked (PROTOCOL 6, 7)."""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.client.session import Session, SettledReceipt
from coprocessor.client.workers import ServedOutput, WorkerEndpoint
from coprocessor.crypto.hashing import keccak256
from coprocessor.protocol import layout
from coprocessor.protocol.outputs import public_plaintext_hash, verify_output
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import ZERO_DIGEST, ClusterId, Digest, StateRoot

__all__ = ["SettledOutput", "fetch_settled_output", "find_settled_receipt"]

SERVED_SECONDS = 30.0
"""How long a worker may take to see a receipt that the chain has settled."""

_FIELDS = ("to", "root", "outputs_root", "final_block")


@dataclass(frozen=True, slots=True)
class SettledOutput:
    """An output that stands under a final receipt."""

    receipt: SettledReceipt
    served: ServedOutput


async def find_settled_receipt(session: Session, cluster: ClusterId, link: int) -> SettledReceipt | None:
    """The final receipt that covers a link, or None while there is none; a final one is remembered.

    Raises:
        EvidenceRefused: the receipt is contested (``receipt.frozen``), or the node leads to another one.
    """
    for known in session.final_receipts.get(cluster, ()):
        if known.first <= link < known.to:
            return known
    found = await _look(session, cluster, link)
    if found is not None:
        session.final_receipts.setdefault(cluster, []).append(found)
    return found


async def _look(session: Session, cluster: ClusterId, link: int) -> SettledReceipt | None:
    head = await session.chain.refresh()
    count_slot, receipts_slot = layout.settled(cluster, "count"), layout.settled(cluster, "receipts")
    progress = await session.chain.prove({"Settlement": [count_slot, receipts_slot]}, head)
    if progress.value("Settlement", count_slot) <= link:
        return None
    number = await _search(session, cluster, link, progress.value("Settlement", receipts_slot), head.header.number)
    slots = [layout.receipt_field(cluster, number, name) for name in _FIELDS]
    slots += [layout.settlement_frozen_from(cluster), layout.receipt_field(cluster, max(0, number - 1), "to")]
    proven = await session.chain.prove({"Settlement": slots}, head)
    to, root, outputs_root, final_block, frozen_from, first = (proven.value("Settlement", slot) for slot in slots)
    first = first if number else 0
    if not first <= link < to:
        raise EvidenceRefused(
            "receipt.hidden", f"the node says that receipt {number} covers link {link}, which is proven false"
        )
    if frozen_from and number + 1 >= frozen_from:
        raise EvidenceRefused(
            "receipt.frozen",
            f"receipt {number} is contested: the cluster is frozen from receipt {frozen_from - 1} on",
            "two quorums signed different outcomes of one history",
            "wait for the jury; trust none of the two",
        )
    if head.header.number < final_block:
        return None
    roots = StateRoot(root.to_bytes(32, "big")), Digest(outputs_root.to_bytes(32, "big"))
    return SettledReceipt(number, first, to, *roots, head.header.number)


async def fetch_settled_output(
    session: Session,
    cluster: ClusterId,
    receipt: SettledReceipt,
    link: int,
    position: int,
    patience: float = SERVED_SECONDS,
) -> SettledOutput:
    """The output of an item from the first worker that serves the right one.

    The chain tells a client of a receipt before every worker has seen it: for ``patience`` seconds workers that are
    behind are asked again.

    Raises:
        EvidenceRefused: what is served does not stand under the receipt.
        PeerUnreachable: no worker serves it.
    """

    async def ask(member: WorkerEndpoint) -> SettledOutput:
        served = await session.workers.api.output(member.url, cluster, link, position)
        _check(served, receipt, link, position)
        return SettledOutput(receipt, served)

    return await session.workers.ask(cluster, ask, patience)


async def _search(session: Session, cluster: ClusterId, link: int, receipts: int, block: int) -> int:
    """The first receipt whose range ends after ``link``, as the node tells it: receipts follow each other."""
    settlement = session.contracts["Settlement"]
    low, high, step = 0, receipts - 1, 1
    while high - step >= low:  # links of interest are mostly young: gallop back from the newest receipt
        if (await settlement.read("receipts", cluster, high - step, tag=block))[0] <= link:
            low = high - step + 1
            break
        high, step = high - step, 2 * step
    while low < high:
        middle = (low + high) // 2
        if (await settlement.read("receipts", cluster, middle, tag=block))[0] <= link:
            low = middle + 1
        else:
            high = middle
    return low


def _check(served: ServedOutput, receipt: SettledReceipt, link: int, position: int) -> None:
    leaf = served.leaf
    if (leaf.link, leaf.position) != (link, position):
        raise EvidenceRefused("output.other", f"the worker serves {leaf.link}.{leaf.position}, not {link}.{position}")
    verify_output(receipt.outputs_root, leaf, served.place)
    if leaf.ciphertext_hash == ZERO_DIGEST:
        matches = public_plaintext_hash(served.output) == leaf.plaintext_hash
    else:
        matches = keccak256(served.output) == leaf.ciphertext_hash
    if not matches:
        raise EvidenceRefused("output.bytes", "the worker serves other bytes than the receipt commits to")
