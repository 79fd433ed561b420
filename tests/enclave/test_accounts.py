"""Programs sign for their accounts: in commands, with the epoch's signer, a digest that they compute (PROTOCOL 8.8)."""

from __future__ import annotations

import json

import pytest

from coprocessor.crypto.secp256k1 import recover_address
from coprocessor.enclave import messages as m
from coprocessor.protocol.accounts import AccountCall, compute_account_address
from coprocessor.protocol.outputs import Status
from coprocessor.protocol.statements import (
    ACCOUNT_SIGNER,
    INPUT_KEY,
    ProgramKey,
    ProgramKeysRecord,
    compute_keys_hash,
)
from coprocessor.sandbox.engine import Engine
from coprocessor.sandbox.package import encode_package
from coprocessor.values.identities import Address, ProgramId
from tests.enclave.private_scene import Deployed, PrivateScene
from tests.enclave.stage import RUNTIME, ask, refusal
from tests.support.fake_chain import CHAIN_ID, CLUSTER
from tests.support.python_guest import compiled_python_guest
from tests.support.treasury import TREASURY

ACCOUNTS = Address(b"\xac" * 20)
TO = Address(b"\x0d" * 20)


@pytest.fixture(scope="module")
def scene() -> PrivateScene:
    engine = Engine()
    return PrivateScene(engine, compiled_python_guest(engine))


@pytest.fixture(scope="module")
def treasury(scene: PrivateScene) -> Deployed:
    published = encode_package(scene.package(TREASURY))
    return scene.deploy(published, json.dumps(["0x" + ACCOUNTS.hex()]).encode())


def signers(scene: PrivateScene, program: ProgramId, epoch: int = 1) -> m.KeysSigned:
    """What the enclave says for ``Programs.publish_keys``."""
    signed: m.KeysSigned = ask(scene.worker.core, m.SignKeys(epoch, ACCOUNT_SIGNER, (program,)))
    return signed


def expected(program: ProgramId, number: int) -> tuple[AccountCall, bytes]:
    call = AccountCall(number.to_bytes(32, "big"), TO, 5, b"\xaa\xbb", 2_000_000_000)
    return call, call.digest(CHAIN_ID, compute_account_address(ACCOUNTS, program))


ARGUMENTS = json.dumps(["0x" + TO.hex(), 5, "0xaabb", 2_000_000_000], separators=(",", ":")).encode()


def test_a_program_computes_what_its_account_checks(scene: PrivateScene, treasury: Deployed) -> None:
    body = scene.call(treasury, "pay", ARGUMENTS)
    assert body.status == Status.OK, body.message
    number, signature = json.loads(body.result)
    call, digest = expected(treasury.program, int(number, 16))
    assert int(number, 16) == 1
    signer = recover_address(digest, bytes.fromhex(signature[2:]))
    (key,) = signers(scene, treasury.program).keys
    assert key == signer.rjust(32, b"\0")
    assert call.data == b"\xaa\xbb"


def test_queries_sign_with_a_key_that_no_account_knows(scene: PrivateScene, treasury: Deployed) -> None:
    """PROTOCOL 8.8: the same digest, signed in a query, opens nothing."""
    _, digest = expected(treasury.program, 9)
    asked = json.dumps(["0x" + digest.hex()]).encode()
    in_query = bytes.fromhex(json.loads(scene.query(treasury, "sign_anything", asked).result)[2:])
    in_command = bytes.fromhex(json.loads(scene.call(treasury, "sign_something", asked).result)[2:])
    (key,) = signers(scene, treasury.program).keys
    assert recover_address(digest, in_command).rjust(32, b"\0") == key
    assert recover_address(digest, in_query).rjust(32, b"\0") != key


def test_members_sign_the_same_list_and_nothing_else(scene: PrivateScene, treasury: Deployed) -> None:
    signed = signers(scene, treasury.program)
    listed = [ProgramKey(treasury.program, ACCOUNT_SIGNER, signed.keys[0])]
    record = ProgramKeysRecord(scene.network, CLUSTER, 1, compute_keys_hash(listed))
    contract = scene.chain.configuration.contract("Programs").address
    assert recover_address(record.digest(CHAIN_ID, contract), signed.signature) == scene.worker.booted.signer
    assert signed.keys != ask(scene.worker.core, m.SignKeys(1, INPUT_KEY, (treasury.program,))).keys
    core = scene.worker.core
    assert refusal(core, m.SignKeys(1, 2, (treasury.program,))) == "keys.kind"
    assert refusal(core, m.SignKeys(1, ACCOUNT_SIGNER, (CLUSTER,))) == "keys.program"
    assert refusal(core, m.SignKeys(2, ACCOUNT_SIGNER, (treasury.program,))) == "keys.list"


def test_the_signer_changes_with_the_epoch(scene: PrivateScene, treasury: Deployed) -> None:
    """MUST stand last: the scene is in its second epoch afterwards."""
    before = signers(scene, treasury.program).keys
    scene.chain.append_epoch(RUNTIME, 2)
    scene.chain.mine()
    scene.worker.follow()
    scene.worker.take_keys(2)
    scene.worker.work()
    after = signers(scene, treasury.program, 2).keys
    assert after != before
    body = scene.call(treasury, "pay", ARGUMENTS)
    number, signature = json.loads(body.result)
    _, digest = expected(treasury.program, int(number, 16))
    assert recover_address(digest, bytes.fromhex(signature[2:])).rjust(32, b"\0") == after[0]
