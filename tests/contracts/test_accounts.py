"""Programs' accounts: addresses that follow from the program, signers that change with the epoch (PROTOCOL 8.7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from coprocessor.chain.artifacts import load_artifact
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol import layout
from coprocessor.protocol.accounts import MAX_CALL_DATA, AccountCall, compute_account_address
from coprocessor.protocol.statements import ACCOUNT_SIGNER, INPUT_KEY, ProgramKey, ProgramKeysRecord, compute_keys_hash
from coprocessor.values.identities import ZERO_ADDRESS, ZERO_DIGEST, Address, Digest, ProgramId
from tests.contracts.evm import Deployed, Mined, Reverted
from tests.contracts.network import Cluster, TestNetwork, ascending, digest, secret

VALID, NOT_VALID = bytes.fromhex("1626ba7e"), b"\xff" * 4
FIRST, SECOND = secret("signer of epoch 1"), secret("signer of epoch 2")
NOWHERE = Address(b"\x0d" * 20)


@dataclass
class Scene:
    """A program with an account."""

    network: TestNetwork
    cluster: Cluster
    program: ProgramId
    account: Deployed

    def publish(self, signer: bytes, epoch: int = 1, kind: int = ACCOUNT_SIGNER, program: bytes | None = None) -> Mined:
        """As workers do."""
        keys = self.keys(signer, epoch, kind, program)
        return self.network.programs.send(self.network.stranger, "publish_keys", *keys)

    def keys(
        self, signer: bytes, epoch: int, kind: int = ACCOUNT_SIGNER, program: bytes | None = None
    ) -> tuple[Any, ...]:
        network, cluster = self.network, self.cluster
        listed = [ProgramKey(ProgramId(Digest(program or self.program)), kind, signer.rjust(32, b"\0"))]
        record = ProgramKeysRecord(network.genesis, cluster.id, epoch, compute_keys_hash(listed))
        signed = record.digest(network.evm.chain_id, network.programs.address)
        signatures = [member.signer.sign(signed) for member in ascending(cluster.members)]
        return cluster.id, epoch, [(listed[0].program, kind, listed[0].key)], signatures

    def call(self, key: PrivateKey = FIRST, /, **changes: Any) -> tuple[Any, ...]:
        """Arguments of ``execute``; ``sent`` replaces what was signed."""
        fields = {"number": digest("number"), "to": NOWHERE, "value": 0, "data": b"", "deadline": self.soon}
        signed = AccountCall(**(fields | {name: value for name, value in changes.items() if name != "sent"}))
        signature = key.sign(signed.digest(self.network.evm.chain_id, self.account.address))
        sent = {name: getattr(signed, name) for name in fields} | changes.get("sent", {})
        return (*sent.values(), signature)

    @property
    def soon(self) -> int:
        return self.network.evm.timestamp() + 1000

    def execute(self, *call: Any) -> Mined:
        return self.account.send(self.network.stranger, "execute", *call)


def make(network: TestNetwork) -> Scene:
    cluster = network.create_cluster(members=2, quorum=2)
    program = network.instantiate(cluster.id)
    mined = network.accounts.send(network.stranger, "create", program)
    created = network.accounts.event(mined, "Created")
    assert created == {"program": program, "account": compute_account_address(network.accounts.address, program)}
    account = Deployed(network.evm, Address(created["account"]), load_artifact("Accounts").interface, mined)
    return Scene(network, cluster, program, account)


@pytest.fixture
def scene(network: TestNetwork) -> Scene:
    """With the first epoch's signer."""
    made = make(network)
    made.publish(FIRST.address)
    return made


def pay(network: TestNetwork, to: Address, value: int) -> None:
    network.evm.send(network.deployer, to, b"", value)


def test_an_address_follows_from_the_program_and_receives_before_it_exists(network: TestNetwork) -> None:
    cluster = network.create_cluster(members=0)
    program = network.instantiate(cluster.id)
    address = compute_account_address(network.accounts.address, program)
    assert network.accounts.read("address_of", program) == address
    assert network.evm.code(address) == b""
    pay(network, address, 5)
    count = network.accounts.read("count")
    network.accounts.send(network.stranger, "create", program)
    assert network.accounts.read("accounts", program) == address
    assert (network.accounts.read("count"), network.accounts.read("program_at", count)) == (count + 1, program)
    assert network.evm.balance(address) == 5
    pay(network, address, 6)
    assert network.evm.balance(address) == 11
    network.accounts.refuses("accounts: exists", "create", program)
    network.accounts.refuses("accounts: program", "create", digest("none"))


def test_the_factory_is_no_account(network: TestNetwork, scene: Scene) -> None:
    with pytest.raises(Reverted, match="accounts: no account"):
        pay(network, network.accounts.address, 1)
    call = scene.call()
    network.accounts.refuses("accounts: no account", "execute", *call)
    assert network.accounts.read("signer") == ZERO_ADDRESS
    assert network.accounts.read("isValidSignature", digest("x"), FIRST.sign(digest("x"))) == NOT_VALID
    scene.account.refuses("accounts: factory", "create", scene.program)
    for sender in (network.deployer.address, scene.account.address, network.guardian.address):
        scene.account.refuses("accounts: factory", "bind", digest("other"), sender=sender)
    scene.account.refuses("accounts: no account", "bind", digest("other"), sender=network.accounts.address)


def test_a_signed_call_is_made_once_by_whoever_relays_it(scene: Scene) -> None:
    network = scene.network
    pay(network, scene.account.address, 100)
    call = scene.call(value=7)
    mined = scene.execute(*call)
    assert scene.account.event(mined, "Executed") == {
        "number": digest("number"),
        "to": NOWHERE,
        "value": 7,
        "signer": FIRST.address,
    }
    assert scene.account.read("executed") == 1
    assert scene.account.read("is_used", digest("number"))
    scene.account.refuses("accounts: number used", "execute", *call)
    scene.account.refuses("accounts: number used", "execute", *scene.call(value=8))
    scene.execute(*scene.call(number=digest("a later one"), value=1))


def test_a_contract_is_called_with_data_and_answers(scene: Scene) -> None:
    fees, somebody = scene.network.fees, Address(b"\x0e" * 20)
    pay(scene.network, scene.account.address, 50)
    call = scene.call(to=fees.address, value=50, data=fees.encode("deposit", somebody))
    scene.execute(*call)
    assert fees.read("balances", somebody) == 50
    owed = fees.encode("balances", somebody)
    answer = scene.account.read("execute", *scene.call(number=digest("2"), to=fees.address, data=owed))
    assert int.from_bytes(answer, "big") == 50


def test_a_failing_call_has_not_happened_and_can_be_relayed_again(scene: Scene) -> None:
    call = scene.call(value=9)
    with pytest.raises(Reverted):
        scene.execute(*call)
    assert not scene.account.read("is_used", digest("number"))
    pay(scene.network, scene.account.address, 9)
    scene.execute(*call)
    fees = scene.network.fees
    refused = scene.call(number=digest("3"), to=fees.address, data=fees.encode("withdraw", 1))
    scene.account.refuses("fees: balance", "execute", *refused)


@pytest.mark.parametrize(
    "sent",
    [
        {"number": digest("another")},
        {"to": ZERO_ADDRESS},
        {"value": 1},
        {"data": b"\x01"},
        {"deadline": 2**40},
    ],
    ids=lambda sent: next(iter(sent)),
)
def test_whoever_relays_changes_nothing(scene: Scene, sent: dict[str, Any]) -> None:
    scene.account.refuses("accounts: signature", "execute", *scene.call(sent=sent))


def test_what_is_late_or_signed_by_others_is_refused(scene: Scene) -> None:
    scene.account.refuses("accounts: late", "execute", *scene.call(deadline=scene.network.evm.timestamp() - 1))
    for key in (SECOND, scene.network.deployer, scene.cluster.members[0].signer):
        scene.account.refuses("accounts: signature", "execute", *scene.call(key))
    scene.account.refuses("accounts: signature", "execute", *scene.call()[:-1], b"")
    with pytest.raises(Reverted):
        scene.account.read("execute", *scene.call(data=b"\0" * (MAX_CALL_DATA + 1)))


def test_a_signature_is_for_one_account_and_one_chain(scene: Scene) -> None:
    other = make(scene.network)
    other.publish(FIRST.address)
    *fields, signature = scene.call()
    other.account.refuses("accounts: signature", "execute", *fields, signature)
    call = AccountCall(*fields)
    foreign = FIRST.sign(call.digest(scene.network.evm.chain_id + 1, scene.account.address))
    scene.account.refuses("accounts: signature", "execute", *fields, foreign)


def test_the_signer_of_an_older_epoch_counts_for_nothing_from_the_rotation_on(scene: Scene) -> None:
    network, call = scene.network, scene.call()
    scene.account.read("execute", *call)
    message = digest("a message")
    assert scene.account.read("isValidSignature", message, FIRST.sign(message)) == VALID
    network.clusters.send(network.guardian, "raise_epoch", scene.cluster.id)
    scene.account.refuses("accounts: no signer", "execute", *call)
    assert scene.account.read("signer") == ZERO_ADDRESS
    assert scene.account.read("isValidSignature", message, FIRST.sign(message)) == NOT_VALID
    scene.publish(SECOND.address, epoch=2)
    assert scene.account.read("signer") == SECOND.address
    scene.account.refuses("accounts: signature", "execute", *call)
    assert scene.account.read("isValidSignature", message, FIRST.sign(message)) == NOT_VALID
    assert scene.account.read("isValidSignature", message, SECOND.sign(message)) == VALID
    assert scene.account.read("isValidSignature", message, b"\0" * 65) == NOT_VALID
    scene.execute(*scene.call(SECOND))


def test_signers_are_recorded_by_a_quorum_once_an_epoch(network: TestNetwork) -> None:
    scene, programs = make(network), network.programs
    assert scene.account.read("signer") == ZERO_ADDRESS
    scene.account.refuses("accounts: no signer", "execute", *scene.call())
    keys = scene.keys(FIRST.address, 1)
    programs.refuses("programs: quorum", "publish_keys", *keys[:3], keys[3][:1])
    programs.refuses("programs: epoch", "publish_keys", *scene.keys(FIRST.address, 2))
    programs.refuses("programs: key", "publish_keys", *scene.keys(b"", 1))
    programs.refuses("programs: key", "publish_keys", *scene.keys(b"\x01" * 21, 1))
    programs.refuses("programs: key", "publish_keys", *scene.keys(FIRST.address, 1, program=scene.cluster.id))
    programs.refuses("programs: kind", "publish_keys", *scene.keys(FIRST.address, 1, kind=2))
    mined = scene.publish(FIRST.address)
    event = programs.event(mined, "AccountSignerPublished")
    assert event == {"program": scene.program, "epoch": 1, "signer": FIRST.address}
    scene.publish(SECOND.address)
    assert programs.read("account_signers", scene.program, 1) == FIRST.address, "what is recorded stays"
    assert programs.read("input_keys", scene.program, 1) == ZERO_DIGEST
    scene.publish(b"\x05" * 32, kind=INPUT_KEY)
    assert programs.read("input_keys", scene.program, 1) == b"\x05" * 32


def test_slots_that_are_proven(scene: Scene) -> None:
    evm, network = scene.network.evm, scene.network
    held = evm.storage(network.programs.address, layout.account_signer(scene.program, 1))
    assert held == int.from_bytes(FIRST.address, "big")
    held = evm.storage(network.accounts.address, layout.program_account(scene.program))
    assert held == int.from_bytes(scene.account.address, "big")
