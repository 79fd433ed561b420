"""Inbox and Fees beside a model in Python, under random calls: heads recomputed, every wei accounted for."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from coprocessor.codec import abi
from coprocessor.protocol.links import Link, LinkKind, compute_genesis_head, compute_head
from coprocessor.protocol.system import compute_request_id
from coprocessor.values.identities import Address, Digest, from_hex
from tests.contracts.evm import Evm, Mined, Reverted
from tests.contracts.network import Cluster, TestNetwork, digest

LINK_TYPES = ("uint8", "address", "address", "uint256", "uint256", "uint256", "bytes")
CLUSTERS = 2
ACCOUNTS = 3

accounts = st.integers(0, ACCOUNTS - 1)
clusters = st.integers(0, CLUSTERS - 1)
values = st.sampled_from([0, 0, 1, 5, 100])
fees = st.sampled_from([0, 1, 7, 50, 2**96 - 1, 2**96])
fuels = st.sampled_from([0, 1, 10**6, 2**64 - 1, 2**64])


class InboxModel(RuleBasedStateMachine):
    """What the contracts must do, written down a second time."""

    network: ClassVar[TestNetwork]

    @initialize()
    def start(self) -> None:
        """New clusters on the one network; balances go on from what earlier runs left."""
        network = self.network
        self.accounts = [network.stranger, *network.operators[: ACCOUNTS - 1]]
        self.balances = {key.address: int(network.fees.read("balances", key.address)) for key in self.accounts}
        self.held = network.evm.balance(network.fees.address) - sum(self.balances.values())
        self.reservations: dict[bytes, dict[int, tuple[Address, int]]] = defaultdict(dict)
        self.settled: dict[bytes, int] = defaultdict(int)
        self.clusters: list[Cluster] = []
        self.programs: list[tuple[bytes, Cluster]] = []
        self.heads: dict[bytes, list[Digest]] = {}
        for _ in range(CLUSTERS):
            before = network.evm.block_number()
            cluster = network.create_cluster(members=1, quorum=1)
            self.clusters.append(cluster)
            self.programs.append((network.instantiate(cluster.id), cluster))
            self.heads[cluster.id] = self._replay(cluster, before)

    def _replay(self, cluster: Cluster, before: int) -> list[Digest]:
        """The heads after each link that the set-up made, from the events alone."""
        network = self.network
        filters = {"fromBlock": hex(before + 1), "toBlock": "latest", "address": "0x" + network.inbox.address.hex()}
        head = compute_genesis_head(network.evm.chain_id, network.inbox.address, cluster.id)
        heads = []
        for log in network.evm.client.call("eth_getLogs", filters):
            kind, *fields = abi.decode(LINK_TYPES, from_hex(log["data"]))
            link = self._link(int(log["blockNumber"], 16), len(heads), kind, *fields)
            head = compute_head(head, link)
            heads.append(head)
        assert len(heads) == 3  # its epoch, its member, its program
        return heads

    def _link(self, block: int, *fields: Any) -> Link:
        header = self.network.evm.block(block)
        index, kind, origin, payer, count, fuel, fee, payload = fields
        prevrandao = Digest(from_hex(header["mixHash"]))
        timestamp = int(header["timestamp"], 16)
        return Link(index, kind, origin, payer, count, fuel, fee, block, timestamp, prevrandao, payload)

    def _append(
        self,
        cluster: Cluster,
        sender: int,
        kind: LinkKind,
        shape: tuple[int, int, int],
        payload: bytes,
        value: int,
        function: str,
        *arguments: Any,
    ) -> Mined | None:
        """Calls an entry point and the model; both accept, or both refuse for the same reason."""
        count, fuel, fee = shape
        key = self.accounts[sender]
        inbox = self.network.inbox
        expected = self._refusal(kind, count, fuel, fee, self.balances[key.address] + value)
        if expected:
            inbox.refuses(expected, function, *arguments, sender=key.address, value=value)
            return None
        mined = inbox.send(key, function, *arguments, value=value)
        heads = self.heads[cluster.id]
        link = self._link(mined.block_number, len(heads), kind, key.address, key.address, count, fuel, fee, payload)
        assert inbox.event(mined, "Link")["payload"] == payload
        heads.append(compute_head(heads[-1], link))
        self.balances[key.address] += value - fee
        if fee:
            self.reservations[cluster.id][link.index] = (key.address, fee)
        return mined

    @staticmethod
    def _refusal(kind: LinkKind, count: int, fuel: int, fee: int, balance: int) -> str:
        if kind == LinkKind.BATCH and not 1 <= count <= 1024:
            return "inbox: items"
        if fuel >= 2**64:
            return "inbox: fuel limit"
        if fee >= 2**96:
            return "inbox: fee limit"
        return "fees: balance" if fee > balance else ""

    @rule(sender=accounts, at=clusters, fuel=fuels, fee=fees, value=values, item=st.binary(max_size=200))
    def submit(self, sender: int, at: int, fuel: int, fee: int, value: int, item: bytes) -> None:
        """One item."""
        cluster = self.clusters[at]
        shape = (1, fuel, fee)
        arguments = (cluster.id, fuel, fee, item)
        self._append(cluster, sender, LinkKind.SUBMIT, shape, item, value, "submit", *arguments)

    @rule(
        sender=accounts,
        at=clusters,
        count=st.sampled_from([0, 1, 3, 1024, 1025]),
        fuel=fuels,
        fee=fees,
        value=values,
        payload=st.binary(max_size=400),
    )
    def submit_batch(self, sender: int, at: int, count: int, fuel: int, fee: int, value: int, payload: bytes) -> None:
        """Several items."""
        cluster = self.clusters[at]
        shape = (count, fuel, fee)
        arguments = (cluster.id, count, fuel, fee, payload)
        self._append(cluster, sender, LinkKind.BATCH, shape, payload, value, "submit_batch", *arguments)

    @rule(sender=accounts, at=clusters, fuel=fuels, fee=fees, value=values, args=st.binary(max_size=100))
    def request(self, sender: int, at: int, fuel: int, fee: int, value: int, args: bytes) -> None:
        """A question of a contract."""
        program, cluster = self.programs[at]
        evm, inbox = self.network.evm, self.network.inbox
        index = len(self.heads[cluster.id])
        request = compute_request_id(evm.chain_id, inbox.address, cluster.id, index)
        types = ["bytes32", "uint256", "bytes32", "bytes4", "uint256", "bytes"]
        payload = abi.encode(types, [program, 0, request, b"\1\2\3\4", 9, args])
        shape = (1, fuel, fee)
        arguments = (program, b"\1\2\3\4", fuel, fee, 9, args)
        if self._append(cluster, sender, LinkKind.REQUEST, shape, payload, value, "request", *arguments):
            asker = self.accounts[sender].address
            assert inbox.read("requests", request) == (asker, program, cluster.id, 9, index)

    @rule(sender=accounts, beneficiary=accounts, value=values)
    def deposit(self, sender: int, beneficiary: int, value: int) -> None:
        """Somebody pays in for somebody."""
        account = self.accounts[beneficiary].address
        self.network.fees.send(self.accounts[sender], "deposit", account, value=value)
        self.balances[account] += value

    @rule(sender=accounts, amount=st.integers(0, 120))
    def withdraw(self, sender: int, amount: int) -> None:
        """Somebody takes out."""
        key = self.accounts[sender]
        if amount > self.balances[key.address]:
            self.network.fees.refuses("fees: balance", "withdraw", amount, sender=key.address)
            return
        self.network.fees.send(key, "withdraw", amount)
        self.balances[key.address] -= amount

    @rule(at=clusters)
    def settle(self, at: int) -> None:
        """All links so far become final."""
        cluster = self.clusters[at]
        links = len(self.heads[cluster.id])
        if links > self.settled[cluster.id]:
            self.network.settle(cluster)
            self.settled[cluster.id] = links

    @rule(at=clusters, index=st.integers(0, 12))
    def reclaim(self, at: int, index: int) -> None:
        """A reservation goes back to its payer, once, and only when its link is final."""
        cluster = self.clusters[at].id
        call = ("reclaim", cluster, index)
        if index not in self.reservations[cluster]:
            self.network.fees.refuses("fees: not reserved", *call)
        elif index >= self.settled[cluster]:
            self.network.fees.refuses("fees: not final", *call)
        else:
            self.network.fees.send(self.network.deployer, *call)
            payer, amount = self.reservations[cluster].pop(index)
            self.balances[payer] += amount

    @invariant()
    def heads_and_counts_agree(self) -> None:
        """The chain's heads are the model's."""
        for cluster in self.clusters:
            heads = self.heads[cluster.id]
            assert self.network.inbox.read("heads", cluster.id) == heads[-1]
            assert self.network.inbox.read("counts", cluster.id) == len(heads)
            for count in {1, (len(heads) + 1) // 2, len(heads)}:
                assert self.network.inbox.read("head_at", cluster.id, count) == heads[count - 1]

    @invariant()
    def every_wei_is_accounted_for(self) -> None:
        """The contract holds the balances and the reservations, and no wei else."""
        network = self.network
        for account, balance in self.balances.items():
            assert network.fees.read("balances", account) == balance
        reserved = sum(amount for links in self.reservations.values() for _, amount in links.values())
        assert network.evm.balance(network.fees.address) == sum(self.balances.values()) + reserved + self.held

    def teardown(self) -> None:
        """What is still reserved at the end is held for the right payers."""
        for cluster, links in self.reservations.items():
            for index, reservation in links.items():
                assert tuple(self.network.fees.read("reservations", cluster, index)) == reservation


def test_inbox_and_fees_agree_with_the_model(dev_evm: Evm) -> None:
    InboxModel.network = TestNetwork(dev_evm)
    run_state_machine_as_test(
        InboxModel,
        settings=settings(
            max_examples=6,
            stateful_step_count=16,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_model_notices(dev_evm: Evm) -> None:
    """The comparison fails if the history has a link that the model lacks."""
    InboxModel.network = TestNetwork(dev_evm)
    machine = InboxModel()
    machine.start()
    machine.submit(0, 0, 1, 0, 3, b"seen by both")
    machine.heads_and_counts_agree()
    machine.every_wei_is_accounted_for()
    InboxModel.network.inbox.send(machine.accounts[0], "submit", machine.clusters[0].id, 1, 0, b"unseen", value=2)
    with pytest.raises(AssertionError):
        machine.heads_and_counts_agree()
    with pytest.raises(AssertionError):
        machine.every_wei_is_accounted_for()


def test_an_unknown_cluster_takes_nothing(dev_evm: Evm) -> None:
    network = TestNetwork(dev_evm)
    with pytest.raises(Reverted, match="inbox: cluster"):
        network.inbox.send(network.stranger, "submit", digest("none"), 1, 0, b"item", value=5)
    assert network.fees.read("balances", network.stranger.address) == 0
