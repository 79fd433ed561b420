"""Auditing a running network from an RPC URL and its pinned description (PROTOCOL 1.1).

Nothing is believed but the pinned genesis digest and more than two thirds of the sealers that it names: no gatekeeper
and no worker is asked. The node can only refuse to answer, or be caught.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from coprocessor.audit.expectations import check_storage, compute_expected
from coprocessor.audit.records import Report
from coprocessor.audit.replay import Replay, check_complete
from coprocessor.audit.state import AuditState
from coprocessor.chain.node import Node
from coprocessor.chain.rpc import RpcClient
from coprocessor.client.chain_state import ChainState, SealedHead
from coprocessor.client.records import RecordReader, read_headers
from coprocessor.client.target import Target
from coprocessor.protocol import layout
from coprocessor.values.errors import CoprocessorError, EvidenceRefused, MalformedInput
from coprocessor.values.network import CONTRACT_NAMES, Network

__all__ = ["Audited", "audit_network", "replay_network"]

SLOTS_AT_ONCE = 256

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Audited:
    """A report, and the replayed network where nothing false was found."""

    report: Report
    state: AuditState | None


async def replay_network(target: Target, rpc: str | None = None, progress: Progress = lambda _: None) -> AuditState:
    """The network as its verified record makes it.

    Raises:
        CoprocessorError: the first falsehood, or the node does not answer.
    """
    audited = await audit_network(target, rpc, anchored=True, progress=progress)
    if audited.report.error is not None:
        raise audited.report.error
    assert audited.state is not None, "no falsehood was found"
    return audited.state


async def audit_network(
    target: Target, rpc: str | None = None, *, anchored: bool, progress: Progress = lambda _: None
) -> Audited:
    """Repeats everything.

    Args:
        target: the network's description.
        rpc: URL of any node of its chain; the one that the description hints at where None.
        anchored: whoever asks trusts that description, or has pinned its digest.
        progress: told what is being done.

    Raises:
        PeerUnreachable, CallerMisuse, RpcError: the node does not answer.
    """
    async with RpcClient(rpc or target.rpc_url()) as client:
        return await _Auditor(target, Node(client), anchored, progress).run()


class _Auditor:
    def __init__(self, target: Target, node: Node, anchored: bool, progress: Progress) -> None:
        self._target = target
        self._network: Network = target.network
        self._node = node
        self._anchored = anchored
        self._progress = progress
        self._chain = ChainState(target.network, node)
        self._replay = Replay(AuditState(self._network, 0))
        self._block = 0
        self._subject = "headers"

    async def run(self) -> Audited:
        """Everything up to the first falsehood."""
        try:
            await self._run()
        except (EvidenceRefused, MalformedInput) as error:
            return Audited(self._report(error), None)
        return Audited(self._report(None), self._replay.state)

    async def _run(self) -> None:
        configuration, replay = self._network.configuration, self._replay
        head = await self._chain.refresh()
        self._block = head.header.number
        headers = await read_headers(
            self._node, head, configuration, lambda count: self._progress(f"{count} of {self._block + 1} headers")
        )
        replay.count("headers", len(headers))
        self._subject = "contracts"
        await self._check_contracts(head)
        self._subject = "events"
        reader = RecordReader(self._node, configuration)
        async for record in reader.records(headers):
            self._progress(f"block {record.header.number} of {self._block}")
            replay.take(record)
        replay.count("events", reader.events)
        self._subject = "genesis"
        check_complete(replay.state)
        self._subject = "storage"
        await self._check_storage(head)

    async def _check_contracts(self, head: SealedHead) -> None:
        """Each contract has the pinned code (PROTOCOL 1.3)."""
        phase_blocks = layout.gatekeeping_phase_blocks()
        wanted: dict[str, list[bytes]] = {name: [] for name in CONTRACT_NAMES}
        wanted["Gatekeeping"] = [phase_blocks]
        terms = {name: layout.beacon_variable(name) for name in ("phase_blocks", "window")}
        wanted["Beacon"] = [*terms.values()]
        proven = await self._chain.prove(wanted, head)
        state = self._replay.state
        state.phase_blocks = proven.value("Gatekeeping", phase_blocks)
        state.beacon.phase_blocks = proven.value("Beacon", terms["phase_blocks"])
        state.beacon.window = proven.value("Beacon", terms["window"])
        self._replay.count("contracts", len(wanted))

    async def _check_storage(self, head: SealedHead) -> None:
        expected = compute_expected(self._replay.state)
        keys = sorted(expected)
        proven: dict[tuple[str, bytes], int] = {}
        for start in range(0, len(keys), SLOTS_AT_ONCE):
            self._progress(f"{start} of {len(keys)} slots")
            wanted: dict[str, list[bytes]] = {}
            for contract, slot in keys[start : start + SLOTS_AT_ONCE]:
                wanted.setdefault(contract, []).append(slot)
            proven |= (await self._chain.prove(wanted, head)).values
        check_storage(expected, proven)
        self._replay.count("storage", len(expected))

    def _report(self, error: CoprocessorError | None) -> Report:
        state = self._replay.state
        failed = None if error is None else self._replay.failed or self._subject
        return Report(
            network=state.network_id,
            anchored=self._anchored,
            block=self._block,
            lines=self._replay.lines(failed),
            simulated=self._network.configuration.allow_simulated,
            error=error,
            warnings=tuple(state.warnings),
        )
