"""Signers of programs' accounts on their way to the chain, when an account is made and when an epoch begins.

Any worker may do it and nobody is believed: ``Programs.publish_keys`` checks the quorum's signatures (PROTOCOL 8.7).
Programs without an account cost nothing here.
"""

from __future__ import annotations

import logging
from dataclasses import astuple

from coprocessor.host.courier import Courier
from coprocessor.host.worker_options import Surroundings
from coprocessor.protocol import layout
from coprocessor.protocol.statements import ACCOUNT_SIGNER, MAX_PROGRAM_KEYS
from coprocessor.values.identities import ProgramId

__all__ = ["AccountSigners"]

_log = logging.getLogger("coprocessor.host")

_READ_AT_ONCE = 64
"""Accounts that one round learns of: anybody may make accounts, and pays for each."""


class AccountSigners:
    """Publishes signers for one worker's cluster."""

    def __init__(self, around: Surroundings, courier: Courier) -> None:
        self._around = around
        self._courier = courier
        self._accounts: list[ProgramId] = []
        self._published: set[tuple[ProgramId, int]] = set()

    async def publish(self) -> None:
        """Publishes the present epoch's signers that are not on the chain, a list with each transaction.

        Raises:
            As ``Courier.publish_keys``.
        """
        await self._learn()
        epoch = self._courier.present_epoch
        own = [program for program in self._accounts if self._courier.signed_key(program, epoch) is not None]
        due = [program for program in own if (program, epoch) not in self._published]
        for first in range(0, len(due), MAX_PROGRAM_KEYS):
            missing = await self._look(due[first : first + MAX_PROGRAM_KEYS], epoch)
            if missing and self._courier.is_my_turn(b"signer" + missing[0]):
                await self._publish(missing, epoch)

    async def _learn(self) -> None:
        accounts = self._around.contract("Accounts")
        count = int(await accounts.read("count"))
        for at in range(len(self._accounts), min(count, len(self._accounts) + _READ_AT_ONCE)):
            self._accounts.append(ProgramId(await accounts.read("program_at", at)))

    async def _look(self, programs: list[ProgramId], epoch: int) -> list[ProgramId]:
        """Those whose signer is not on the chain, as the node says; the others are noted."""
        slots = [layout.account_signer(program, epoch) for program in programs]
        answer = await self._around.node.proof(self._around.contract("Programs").address, slots, "latest")
        shown = {slot.slot for slot in answer.slots if slot.value}
        found = {program for program, slot in zip(programs, slots, strict=True) if slot in shown}
        self._published.update((program, epoch) for program in found)
        return [program for program in programs if program not in found]

    async def _publish(self, programs: list[ProgramId], epoch: int) -> None:
        keys, signatures = await self._courier.signed_list(programs, epoch, ACCOUNT_SIGNER)
        contract = self._around.contract("Programs")
        call = contract.encode("publish_keys", self._around.cluster, epoch, [astuple(key) for key in keys], signatures)
        if await self._courier.send_once(contract.address, call, "programs: epoch"):
            self._published.update((program, epoch) for program in programs)
            _log.info("worker: published the account signers of %d programs in epoch %d", len(programs), epoch)
