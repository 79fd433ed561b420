"""A gatekeeper host's own entries in ``Gatekeeping``: where it is reached, and what a first member's evidence was.

A newcomer's evidence is published by whoever proposes it (``host.succession``), so that present members find it there.
"""

from __future__ import annotations

from coprocessor.chain.committee import read_announced
from coprocessor.chain.contract import Contract
from coprocessor.chain.sender import TransactionSender
from coprocessor.enclave import messages as m
from coprocessor.host.evidence import encode_publication, is_published

__all__ = ["Presence"]


class Presence:
    """Keeps one gatekeeper's entries as they should be; looks once in each block, until they are.

    Args:
        sender: the operator's account.
        gatekeeping: the contract.
        signer: 20 bytes, address of the enclave's signing key.
        endpoint: URL under which others reach this host.
        evidence: what was verified at the genesis; None for a gatekeeper that came later.
    """

    def __init__(
        self, sender: TransactionSender, gatekeeping: Contract, signer: bytes, endpoint: str, evidence: m.Admit | None
    ) -> None:
        self._sender = sender
        self._gatekeeping = gatekeeping
        self._signer = signer
        self._endpoint = endpoint
        self._evidence = evidence
        self._is_reachable = False
        self._seen = -1

    async def step(self, head: int) -> bool:
        """Writes what is missing, where the chain lists this gatekeeper at block ``head``; whether it wrote."""
        if head == self._seen or (self._is_reachable and self._evidence is None):
            return False
        is_listed = await self._is_listed(head)
        wrote = is_listed and (await self._announce() | await self._publish(head))
        self._seen = head
        return wrote

    async def _is_listed(self, head: int) -> bool:
        if await self._gatekeeping.read("is_gatekeeper", self._signer, tag=head):
            return True
        return any(member.signer == self._signer for member in await read_announced(self._gatekeeping, head))

    async def _announce(self) -> bool:
        if self._is_reachable:
            return False
        known = await self._gatekeeping.read("endpoints", self._signer)
        if known != self._endpoint:
            await self._send(self._gatekeeping.encode("set_endpoint", self._signer, self._endpoint))
        self._is_reachable = True
        return bool(known != self._endpoint)

    async def _publish(self, head: int) -> bool:
        evidence, wrote = self._evidence, False
        if evidence is None:
            return False
        if not await is_published(self._gatekeeping, self._signer, evidence.evidence, head):
            await self._send(encode_publication(self._gatekeeping, evidence))
            wrote = True
        self._evidence = None
        return wrote

    async def _send(self, call: bytes) -> None:
        await self._sender.send(self._gatekeeping.address, call)
