"""What a host feeds its enclave: finalised headers with their seals, and proofs of contract storage.

The enclave checks all of it (PROTOCOL 1.3, 2.1); a refusal comes back with the code of the proof that failed, and the
next attempt starts from what the enclave has accepted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from coprocessor.chain.errors import ResponseMalformed
from coprocessor.chain.node import Block, Node
from coprocessor.chain.proofs import NamedProof, fetch_header_segment, fetch_proofs
from coprocessor.enclave import messages as m
from coprocessor.host.enclave_process import EnclaveProcess
from coprocessor.values.network import NetworkConfiguration

__all__ = ["MAX_SLOTS", "ChainFeed", "Wanted"]

MAX_SLOTS = 256
"""Slots in one ``ChainProof``; the enclave takes 512."""

Wanted = Mapping[str, Sequence[bytes]]
"""Slots (32 bytes each) by contract name."""


class ChainFeed:
    """Keeps one enclave at the node's newest finalised block.

    Args:
        node: where from.
        configuration: addresses of the contracts.
        enclave: who is fed.
        first_headers: how many headers the first segment goes back.
    """

    def __init__(
        self, node: Node, configuration: NetworkConfiguration, enclave: EnclaveProcess, first_headers: int = 64
    ) -> None:
        self._node = node
        self._configuration = configuration
        self._enclave = enclave
        self._first_headers = first_headers
        self._head: Block | None = None
        self._advancing = asyncio.Lock()

    @property
    def head(self) -> Block | None:
        """The newest block whose header the enclave has accepted."""
        return self._head

    async def advance(self) -> Block:
        """Feeds the headers up to the newest finalised block; returns that block.

        Raises:
            EnclaveRefused: headers or seals do not hold.
            ChainUnreachable, RpcError, ResponseMalformed: as the node does.
        """
        async with self._advancing:
            return await self._advance()

    async def _advance(self) -> Block:
        finalized = await self._node.block("finalized")
        if finalized is None:
            raise ResponseMalformed("eth_getBlockByNumber", "there is no finalised block")
        known = self._head
        if known is not None and (finalized.number, finalized.hash) == (known.number, known.hash):
            return finalized
        first = finalized.number - self._first_headers + 1 if known is None else known.number + 1
        # A finalised block that went back or changed goes to the enclave all the same: the refusal is its to make.
        first = min(max(first, 0), finalized.number)
        segment = await fetch_header_segment(self._node, first, finalized.number, finalized.hash)
        await self._enclave.request(m.Headers(segment.headers, segment.seals), m.Head)
        self._head = finalized
        return finalized

    async def prove(self, wanted: Wanted, block_number: int) -> tuple[NamedProof, ...]:
        """Feeds proofs of slots under the header at ``block_number``, which the enclave must have.

        Returns:
            The proofs, with the values that the node claims and the enclave has verified.

        Raises:
            EnclaveRefused: a proof does not hold.
            ChainUnreachable, RpcError, ResponseMalformed: as the node does.
        """
        fed: list[NamedProof] = []
        for part in _split(wanted):
            addressed = {
                name: (self._configuration.contract(name).address, slots) for name, slots in part.items()
            }
            proofs = await fetch_proofs(self._node, addressed, block_number)
            accounts = tuple(_account(proof) for proof in proofs)
            await self._enclave.request(m.ChainProof(block_number, accounts), m.ProofAccepted)
            fed += proofs
        return tuple(fed)


def _account(proof: NamedProof) -> m.AccountProof:
    slots = tuple(m.SlotProof(slot.slot, slot.nodes) for slot in proof.answer.slots)
    return m.AccountProof(proof.contract, proof.answer.nodes, slots)


def _split(wanted: Wanted) -> list[dict[str, list[bytes]]]:
    """The same slots in messages of bounded size; slots of one contract stay together where they fit."""
    parts: list[dict[str, list[bytes]]] = [{}]
    room = MAX_SLOTS
    for name, slots in wanted.items():
        rest = list(slots)
        while rest:
            if room == 0 or (len(rest) > room and len(rest) <= MAX_SLOTS):
                parts.append({})
                room = MAX_SLOTS
            taken, rest = rest[:room], rest[room:]
            parts[-1].setdefault(name, []).extend(taken)
            room -= len(taken)
    return [part for part in parts if part]
