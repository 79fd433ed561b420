"""A gatekeeper host's care for its committee: shares are renewed once a period and after a member was revoked, and an
announced handover is begun (PROTOCOL 9.4, 9.5).

Any member may do any of it, and twice does no harm: the contract takes the first. So hosts take turns by their place in
the list, and the next one acts where one keeps silent. Whether anything comes of it is for t enclaves.
"""

from __future__ import annotations

import logging
import time

from coprocessor.chain.committee import read_present
from coprocessor.chain.contract import Contract
from coprocessor.chain.errors import TransactionReverted
from coprocessor.chain.node import Block, Node
from coprocessor.chain.sender import TransactionSender
from coprocessor.host.http import PeerClient
from coprocessor.host.succession import begin_handover
from coprocessor.protocol.statements import NO_SHARE
from coprocessor.values.network import NetworkConfiguration

__all__ = ["REFRESH_SECONDS", "Renewal"]

_log = logging.getLogger("coprocessor.host")

REFRESH_SECONDS = 86_400
"""How long shares of one period serve by default, by the chain's time."""

LOOK_SECONDS = 1.0
"""Between looks at the chain."""

TURN_SECONDS = 5.0
"""How long the members before this one have for what is to be done."""

_PHASES = 5
_DONE = ("gatekeeping: announced", "gatekeeping: open", "gatekeeping: no list", "gatekeeping: order")


class Renewal:
    """One member's turns.

    Args:
        node, peers, sender, gatekeeping, configuration: the host's.
        signer: 20 bytes, address of the enclave's signing key.
        period: seconds of the chain's time between refreshes; 0 for none.
    """

    def __init__(
        self,
        node: Node,
        peers: PeerClient,
        sender: TransactionSender,
        gatekeeping: Contract,
        configuration: NetworkConfiguration,
        signer: bytes,
        period: int,
    ) -> None:
        self._node = node
        self._peers = peers
        self._sender = sender
        self._gatekeeping = gatekeeping
        self._configuration = configuration
        self._signer = signer
        self._period = period
        self._looked = 0.0
        self._wanted: tuple[str, int] = ("", 0)
        self._since = 0.0

    async def step(self) -> bool:
        """One look, and what is this member's turn to do; whether it did something.

        Raises:
            PeerUnreachable: ``handover.too_few``: too few agree yet.
            TransactionFailed, RpcError, ChainUnreachable: as the chain does.
        """
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return False
        self._looked = now
        head = await self._node.block("finalized")
        if head is None or not await self._gatekeeping.read("is_gatekeeper", self._signer, tag=head.number):
            return False
        what, number = await self._find_due(head)
        if (what, number) != self._wanted:
            self._wanted, self._since = (what, number), now
        if not what or now - self._since < await self._turn(number):
            return False
        self._since = now  # where it comes to nothing, the others have their turns first
        return await self._act(what)

    async def _find_due(self, head: Block) -> tuple[str, int]:
        """What is to be done now, and the number of the present committee."""
        read, tag = self._gatekeeping.read, head.number
        number: int = await read("committee", tag=tag)
        if number == 0:
            return "", 0
        if await read("next_count", tag=tag):
            if not await read("is_handover", tag=tag):
                return "begin", number
            ends = await read("opened", tag=tag) + _PHASES * await read("phase_blocks", tag=tag)
            return ("begin" if head.number > ends else ""), number
        topics = [self._gatekeeping.interface.event("Completed").topic]
        logs = await self._node.logs([self._gatekeeping.address], topics, 0, head.number)
        keys = self._gatekeeping.events(logs, "Completed")[-1]["share_keys"]
        began = await self._node.block(logs[-1].block_number)
        if self._period and began is not None and head.timestamp >= began.timestamp + self._period:
            return "refresh", number
        members = await read_present(self._gatekeeping, tag)
        is_left = any(not one.is_standing and key != NO_SHARE for one, key in zip(members, keys, strict=True))
        return ("refresh" if is_left else ""), number

    async def _turn(self, number: int) -> float:
        """Seconds that this member leaves to those before it; the order changes with each committee."""
        standing = [member.signer for member in await read_present(self._gatekeeping) if member.is_standing]
        place = standing.index(self._signer) if self._signer in standing else len(standing)  # type: ignore[arg-type]
        return TURN_SECONDS * ((place - number) % max(len(standing), 1))

    async def _act(self, what: str) -> bool:
        try:
            if what == "refresh":
                call = self._gatekeeping.encode("propose_refresh")
                await self._sender.send(self._gatekeeping.address, call)
                _log.info("gatekeeper: new shares of the key are to be made")
            else:
                await begin_handover(self._peers, self._sender, self._gatekeeping, self._configuration)
                _log.info("gatekeeper: a handover of the key has begun")
        except TransactionReverted as error:
            if error.reason not in _DONE:
                raise
        return True
