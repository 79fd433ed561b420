"""What the client believes of the chain: finalised headers by their seals, contract storage by proofs.

Rules enforced:
1. a header counts only with seals of more than two thirds of the network's sealers (PROTOCOL 2.1);
2. contracts stand where the network says and have the code it pins (PROTOCOL 1.3);
3. the chain never goes back: a node that shows two finalised chains is refused (PROTOCOL 2.2).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from coprocessor.chain.node import AccountAnswer, Node
from coprocessor.headers.chain import VerifiedChain
from coprocessor.headers.header import Header
from coprocessor.headers.proofs import verify_account, verify_slot
from coprocessor.headers.sealed import SealedSource
from coprocessor.values.errors import EvidenceRefused, PeerUnreachable
from coprocessor.values.network import Network

__all__ = ["ChainState", "ProvenSlots", "SealedHead", "wait_for"]

T = TypeVar("T")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5


@dataclass(frozen=True, slots=True)
class SealedHead:
    """A verified finalised header with what proves it."""

    header: Header
    raw: bytes
    seals: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ProvenSlots:
    """Values of slots (32 bytes) by contract name, proven under one header, with the proofs as the node gave them."""

    head: SealedHead
    values: Mapping[tuple[str, bytes], int]
    answers: Mapping[str, AccountAnswer]

    def value(self, contract: str, slot: bytes) -> int:
        """The slot's 256-bit value."""
        return self.values[contract, slot]

    def digest(self, contract: str, slot: bytes) -> bytes:
        """The slot's value as 32 bytes."""
        return self.values[contract, slot].to_bytes(32, "big")


class ChainState:
    """The verified chain behind one node."""

    def __init__(self, network: Network, node: Node) -> None:
        self._network = network
        self._node = node
        self._chain = VerifiedChain(SealedSource(network.configuration.chain_id, network.configuration.sealers))
        self._lock = asyncio.Lock()

    async def refresh(self) -> SealedHead:
        """The newest finalised header of the node, verified.

        Raises:
            EvidenceRefused: seals are missing or bad, or the chain forked or went back.
            ChainUnreachable, RpcError, ResponseMalformed: as the node does.
        """
        async with self._lock:
            return await self._refresh()

    async def _refresh(self) -> SealedHead:
        block = await self._node.block("finalized")
        if block is None:
            raise EvidenceRefused("headers.none", "the node knows no finalised block", next="wait, or ask another node")
        known = self._chain.head
        if known is not None and block.number < known.number:
            raise EvidenceRefused(
                "headers.backwards",
                f"the node's finalised block is {block.number}, known is {known.number}",
                "the node was reset or is behind",
                "ask another node",
            )
        (raw,) = await self._node.raw_headers(block.number, block.number)
        seals = await self._node.seals(block.hash)
        return SealedHead(self._chain.extend([raw], seals), raw, tuple(seals))

    async def reach(self, number: int) -> bool | None:
        """True once block ``number`` is final, by the newest header; None before, for ``wait_for``. As ``refresh``."""
        return True if (await self.refresh()).header.number >= number else None

    async def prove(
        self, wanted: Mapping[str, Sequence[bytes]], head: SealedHead | None = None
    ) -> ProvenSlots:
        """The values of slots by contract name at ``head``, or at the newest finalised block.

        Raises:
            EvidenceRefused: a proof does not hold.
        """
        head = head or await self.refresh()
        contracts = [(name, self._network.configuration.contract(name)) for name in wanted]
        asked = [(identity.address, list(wanted[name])) for name, identity in contracts]
        answers = await self._node.proofs(asked, head.header.number)
        values: dict[tuple[str, bytes], int] = {}
        for (name, identity), answer in zip(contracts, answers, strict=True):
            account = verify_account(head.header.state_root, identity.address, answer.nodes)
            if account.code_hash != identity.code_hash:
                raise EvidenceRefused("proof.code", f"{name} has other code than the network pins")
            for slot in answer.slots:
                values[name, slot.slot] = verify_slot(account.storage_root, slot.slot, slot.nodes)
        by_name = {name: answer for (name, _), answer in zip(contracts, answers, strict=True)}
        return ProvenSlots(head, values, by_name)


async def wait_for(look: Callable[[], Awaitable[T | None]], timeout: float, code: str, what: str, next: str = "") -> T:
    """The first answer of ``look`` that is not None, looking again with growing pauses.

    Raises:
        PeerUnreachable: ``code``, none within ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    pause = _FIRST_PAUSE
    while True:
        found = await look()
        if found is not None:
            return found
        if time.monotonic() + pause > deadline:
            raise PeerUnreachable(code, what, f"waited {timeout:g} s", next)
        await asyncio.sleep(pause)
        pause = min(_LONGEST_PAUSE, pause * 1.5)
