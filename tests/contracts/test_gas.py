"""What every path costs, compared with a reviewed snapshot: ``pytest tests/contracts --update-gas`` rewrites it.

``execution`` leaves out what call data costs, since that depends on the zero bytes in random hashes: it is compared
exactly, and null where the calldata floor of EIP-7623 decides. ``total`` is what a user pays, within one percent.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from coprocessor.crypto.hashing import keccak256
from coprocessor.protocol.upgrade_policy import UpgradePolicy
from coprocessor.values.identities import ZERO_DIGEST
from tests.contracts.evm import Evm, Mined
from tests.contracts.network import CONTRACTS, DELAY, Cluster, TestNetwork, digest
from tests.contracts.test_beacon import Scene
from tests.contracts.test_epochs import boundary, holders, newest_receipt, sign
from tests.contracts.test_outputs import ask, compile_consumer, leaf_of, settle_leaves
from tests.contracts.test_programs import key_list, key_signatures
from tests.keys.ceremony import shared_key

SNAPSHOT = Path(__file__).parent / "gas.json"
BASE, ZERO_BYTE, OTHER_BYTE, FLOOR_TOKEN = 21_000, 4, 16, 10  # EIP-2028, EIP-7623
SEALED_ITEM = b"\xc3" * 200


def figures(mined: Mined, creates: bool = False) -> dict[str, int | None]:
    """Execution and total gas of a transaction."""
    zeros = mined.data.count(0)
    others = len(mined.data) - zeros
    if mined.gas_used == BASE + FLOOR_TOKEN * (zeros + 4 * others):
        return {"execution": None, "total": mined.gas_used}
    words = (len(mined.data) + 31) // 32
    intrinsic = BASE + ZERO_BYTE * zeros + OTHER_BYTE * others + (32_000 + 2 * words if creates else 0)
    return {"execution": mined.gas_used - intrinsic, "total": mined.gas_used}


class Recorder:
    """Runs each path once, on a network of its own."""

    def __init__(self, evm: Evm) -> None:
        self.found: dict[str, dict[str, int | None]] = {}
        self.network = TestNetwork(evm)
        self.user = self.network.stranger
        self.paid_link = 0

    def record(self, name: str, mined: Mined, creates: bool = False) -> Mined:
        """Takes a transaction down under a name."""
        assert name not in self.found
        self.found[name] = figures(mined, creates)
        return mined

    def run(self) -> dict[str, dict[str, int | None]]:
        """All paths."""
        for name in CONTRACTS:
            self.record(f"deploy {name}", getattr(self.network, name.lower()).creation, creates=True)
        cluster = self.network.create_cluster(members=3, quorum=1, fast_quorum=1)
        self.members(cluster)
        self.inbox(cluster)
        self.programs(cluster)
        self.settlement(cluster)
        self.epochs()
        self.beacon()
        return self.found

    def members(self, cluster: Cluster) -> None:
        """Admission and membership."""
        network, enclave = self.network, self.network.enclave(5)
        self.record("admit, 8 KiB of evidence", network.admit(enclave, b"\xee" * 8192))
        self.record("admit again, same key", network.admit(enclave, b"\xee" * 8192))
        self.record("join", network.join(cluster.id, enclave))
        self.record("remove", network.clusters.send(network.deployer, "remove", cluster.id, enclave.worker))
        runtime = digest("runtime")
        mined = network.clusters.send(network.deployer, "create", 2, 3, 100, True, runtime)
        self.record("create cluster", mined)
        own = network.clusters.event(mined, "Created")["cluster"]
        announced = network.clusters.send(network.deployer, "announce_runtime", own, digest("next runtime"), DELAY)
        self.record("announce a runtime", announced)

    def inbox(self, cluster: Cluster) -> None:
        """Links. The first of a payer and the first 256 of a cluster fill fresh slots."""
        network, inbox = self.network, self.network.inbox
        submit = (cluster.id, 10**6, 0, SEALED_ITEM)
        self.record("submit 200 B, ring filling", inbox.send(self.user, "submit", *submit))
        paid = (cluster.id, 10**6, 10**9, SEALED_ITEM)
        network.fees.send(self.user, "deposit", self.user.address, value=10**15)
        mined = self.record("submit 200 B with fees, ring filling", inbox.send(self.user, "submit", *paid))
        self.paid_link = inbox.event(mined, "Link")["index"]
        filling = [(cluster.id, 0, 0, b"")] * (256 - inbox.read("counts", cluster.id))
        inbox.send_many(self.user, "submit", filling, gas=100_000)
        self.record("submit 200 B", inbox.send(self.user, "submit", *submit))
        self.record("submit 200 B with fees", inbox.send(self.user, "submit", *paid))
        self.record("submit 4096 B", inbox.send(self.user, "submit", cluster.id, 1, 0, b"\xc3" * 4096))
        for items in (1, 10, 100, 500):
            payload = SEALED_ITEM * items
            mined = inbox.send(self.user, "submit_batch", cluster.id, items, 10**6, 10**9, payload)
            self.record(f"submit_batch {items} x 200 B", mined)
        self.record("deposit", network.fees.send(self.user, "deposit", self.user.address, value=1))
        self.record("withdraw", network.fees.send(self.user, "withdraw", 1))

    def programs(self, cluster: Cluster) -> None:
        """Code and instances."""
        network = self.network
        for size in (5_000, 98_304):
            code = b"\xc0" * size
            mined = network.programs.send(self.user, "publish", digest(f"upload {size}"), 0, True, code)
            self.record(f"publish {size} B", mined)
        code_hash = keccak256(bytes(32) + keccak256(b"\xc0" * 5_000))
        init = (code_hash, cluster.id, digest("salt"), ZERO_DIGEST, [], SEALED_ITEM, 10**6)
        for count in (1, 128):
            wide = network.create_cluster(members=2, quorum=2)
            made = [network.instantiate(wide.id, code_hash) for _ in range(count)]
            keys = key_list(network, wide, *((program, digest(f"key {at}")) for at, program in enumerate(made)))
            call = (wide.id, 1, keys, key_signatures(network, wide, keys, wide.members))
            self.record(f"publish {count} keys, 2 signed", network.programs.send(self.user, "publish_keys", *call))
        self.record("instantiate", network.programs.send(self.user, "instantiate", *init))
        policy = UpgradePolicy.timelock(1)
        init = (code_hash, cluster.id, digest("salt"), policy.digest(), [], SEALED_ITEM, 10**6)
        mined = network.programs.send(self.user, "instantiate", *init)
        program = network.programs.event(mined, "Instantiated")["program"]
        upgrade = (program, policy.fields, code_hash, 10**6, [])
        self.record("announce an upgrade", network.programs.send(self.user, "announce", *upgrade))
        self.record("make an account", network.accounts.send(self.user, "create", program))
        network.evm.client.call("evm_setNextBlockTimestamp", network.evm.timestamp() + 2)
        self.record("execute an upgrade", network.programs.send(self.user, "execute", program))

    def settlement(self, cluster: Cluster) -> None:
        """Receipts and deliveries."""
        network = self.network
        for count in (1, 2, 3):
            network.inbox.send(self.user, "submit", cluster.id, 1, 0, b"item")
            signers = cluster.members[:count]
            self.record(f"settle, {count} signed", network.settle(cluster, signers, new_root=digest(f"root {count}")))
        pending = network.create_cluster(members=2, quorum=2, fast_quorum=3, dispute_window=100)
        self.record("settle, 2 signed, contestable", network.settle(pending))
        self.record("reclaim", network.fees.send(self.user, "reclaim", cluster.id, self.paid_link))
        code, interface = compile_consumer()
        arguments = network.inbox.address.rjust(32, b"\0")
        consumer = network.evm.deploy_code(code + arguments, interface)
        program = network.instantiate(cluster.id)
        for count in (1, 64, 1024):
            leaf = ask(network, consumer, program)
            leaves = [leaf, *(leaf_of(f"{count}/{index}") for index in range(count - 1))]
            answer = settle_leaves(network, cluster, leaves, 0)
            mined = network.settlement.send(self.user, "deliver", *answer.delivery)
            self.record(f"deliver from {count} outputs", mined)
        request = (program, b"\1\2\3\4", 10**6, 0, 10**5, b"\xaa" * 64)
        self.record("request", network.inbox.send(self.user, "request", *request))

    def beacon(self) -> None:
        """A beacon's key and values."""
        scene = Scene(self.network.evm)
        scene.end_master_ceremony()
        beacon, shares = scene.beacon, shared_key(2, 3, b"beacon")
        self.record("begin a beacon's ceremony", beacon.send(self.user, "begin"))
        session = beacon.read("session")
        message = (session, 0, 1, b"\xdd" * 200)
        self.record("post_message 200 B", beacon.send(scene.operator, "post_message", *message))
        point, keys = scene.outcome(shares)
        signatures = scene.signed(session, shares[1].committee.group, keys)
        mined = beacon.send(self.user, "complete", session, point, keys, signatures)
        self.record("complete a beacon's ceremony, 3 members", mined)
        missed = scene.next_height()
        scene.evm.mine(scene.window)
        height = scene.next_height()
        self.record("post a beacon's value", scene.post(height, scene.sign(shares, height)))
        header = scene.header(missed + 2 * scene.window)
        self.record("fall back to a block's randomness", beacon.send(self.user, "fall_back", missed, header))


    def epochs(self) -> None:
        """The end of older keys, and new ones."""
        network = self.network
        cluster = network.create_cluster(members=3, quorum=2)
        mined = network.clusters.send(network.deployer, "contain", cluster.id, [cluster.members[2].worker])
        self.record("contain one member", mined)
        start = network.inbox.read("counts", cluster.id) - 1
        signers = cluster.members[:2]
        head = network.inbox.read("head_at", cluster.id, start)
        network.settle(cluster, signers, to=start, inbox_head=head)
        network.settle(cluster, signers, epoch=2)
        made = boundary(network, cluster)
        signed, held = sign(network, cluster, made), holders(network, made)
        call = (made, newest_receipt(network, cluster), signed, held)
        self.record("close epochs, 2 signed, 2 hold", network.clusters.send(self.user, "close_epochs", *call))


SPREAD = {"post a beacon's value": 60}
"""Gas by which a path varies: how much of a signature's y is compared follows from its bytes, thus from the network."""


@pytest.fixture(scope="module")
def found(dev_evm: Evm) -> dict[str, dict[str, int | None]]:
    """What the paths cost now."""
    return Recorder(dev_evm).run()


def test_gas_is_that_of_the_snapshot(found: dict[str, Any], request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-gas", default=False):
        SNAPSHOT.write_text(json.dumps(found, indent=1) + "\n")
    expected = json.loads(SNAPSHOT.read_text())
    assert list(found) == list(expected)
    for name, measured in found.items():
        spread = SPREAD.get(name, 0)
        assert measured["execution"] == pytest.approx(expected[name]["execution"], abs=spread), name
        assert abs(measured["total"] - expected[name]["total"]) <= expected[name]["total"] // 100, name


def test_budgets(found: dict[str, Any]) -> None:
    """Figures that other parts of the project quote."""
    assert found["submit 200 B"]["total"] <= 50_000
    assert found["submit 200 B, ring filling"]["total"] <= 75_000
    assert found["submit 200 B with fees"]["total"] <= 90_000
    for items in (100, 500):
        batch = found[f"submit_batch {items} x 200 B"]
        assert batch["execution"] is None
        assert batch["total"] <= 8_500 * items
    assert found["publish 98304 B"]["execution"] is None
    assert found["post a beacon's value"]["total"] <= 320_000
    assert max(figure["total"] for figure in found.values()) < 2**24  # EIP-7825
