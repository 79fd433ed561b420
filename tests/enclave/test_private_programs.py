"""Private programs in a worker's core: they run for their owner, and tell nobody what is in them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coprocessor.crypto.hpke import SealingKey
from coprocessor.crypto.secp256k1 import recover_address
from coprocessor.enclave import messages as m
from coprocessor.protocol.outputs import Status
from coprocessor.protocol.private_code import PrivateCode
from coprocessor.protocol.statements import InputKeyRecord
from coprocessor.sandbox.engine import Engine
from coprocessor.sandbox.package import CodePackage, encode_package
from coprocessor.values.identities import ClusterId, NetworkId, ProgramId
from tests.enclave.private_scene import OWNER, STRANGER, Deployed, PrivateScene
from tests.support.fake_chain import CHAIN_ID, CLUSTER, key
from tests.support.python_guest import compiled_python_guest

SECRET = "canary_5d1e"
SOURCE = f'''
"""A vault, {SECRET}_doc."""
from phat import CallFailed, Contract, Digest, Error, command, query, request, revert

class {SECRET}_Case(Error):
    pass

class Vault(Contract):
    kept_{SECRET}: str = "{SECRET}_default"

    def init(self, start: str = "none") -> None:
        if start == "{SECRET}_bad":
            raise ValueError("{SECRET}_init " + start)
        self.kept_{SECRET} = start

    def _{SECRET}(self, how: str) -> None:
        if how == "revert":
            revert("said on purpose")
        if how == "case":
            raise {SECRET}_Case("{SECRET}_case")
        if how == "key":
            {{}}["{SECRET}_constant"]
        if how == "trap":
            raise SystemExit("{SECRET}_exit")
        self.env.log("{SECRET}_log " + how)

    @command
    def fail(self, how: str = "{SECRET}_argument") -> str:
        self._{SECRET}(how)
        return self.kept_{SECRET}

    @query
    def look(self, how: str) -> str:
        self._{SECRET}(how)
        return "looked"

    @request
    def ask(self, how: str) -> str:
        self._{SECRET}(how)
        return "asked"
'''
CALLER = """
from phat import CallFailed, Contract, Digest, command

class Caller(Contract):
    @command
    def poke(self, program: Digest, how: str) -> str:
        try:
            return self.env.call(program, "fail", how)
        except CallFailed as failed:
            return str(failed) + "|" + failed.output.decode()
"""
FUSSY = """
from phat import Contract

class Fussy(Contract):
    def init(self, text: str) -> None:
        assert text == "y", text
"""
NOT_OPENED = b"code.not_opened: the private code does not open for this instance"


@pytest.fixture(scope="module")
def scene() -> PrivateScene:
    engine = Engine()
    return PrivateScene(engine, compiled_python_guest(engine))


@pytest.fixture(scope="module")
def package(scene: PrivateScene) -> CodePackage:
    return scene.package(SOURCE)


@pytest.fixture(scope="module")
def vault(scene: PrivateScene, package: CodePackage) -> Deployed:
    published = scene.seal(package).encode()
    return scene.deploy(published, scene.seal_init(b'["start"]', published))


def everything(scene: PrivateScene) -> bytes:
    """All that left the enclave, and all that was fed to it."""
    outside = b"".join(m.WORKER_REPLIES.encode(notice) for notice in scene.worker.notices)
    return outside + b"".join(chunk for code in scene.codes for chunk in code.chunks)


# ---- attacks on the seal


def assert_dead(scene: PrivateScene, deployed: Deployed) -> None:
    output = scene.output(deployed.link)
    assert (output.status, output.fuel, output.public) == (Status.REVERTED, 0, True)
    assert output.output.startswith(NOT_OPENED)


def test_copied_code_is_dead_for_another_owner(scene: PrivateScene, package: CodePackage) -> None:
    code = scene.seal(package)
    stolen = scene.deploy(code.encode(), owner=STRANGER.address)
    renamed = scene.deploy(replace(code, owner=STRANGER.address).encode(), owner=STRANGER.address)
    assert_dead(scene, stolen)
    assert_dead(scene, renamed)
    outputs = [replace(scene.output(deployed.link), program=b"") for deployed in (stolen, renamed)]
    assert replace(outputs[0], program=b"") == outputs[1], "the reasons differ, so they tell something"


@pytest.mark.parametrize(
    "place",
    [
        {"network": NetworkId(b"\x05" * 32)},
        {"cluster": ClusterId(b"\x06" * 32)},
        {"epoch": 2},
        {"owner": STRANGER.address},
    ],
)
def test_code_of_another_place_is_dead(scene: PrivateScene, package: CodePackage, place: dict[str, object]) -> None:
    foreign = scene.seal(package, scene.place(**place))
    assert_dead(scene, scene.deploy(foreign.encode()))
    claimed = replace(foreign, cluster=CLUSTER, epoch=1, owner=OWNER.address)
    assert_dead(scene, scene.deploy(claimed.encode()))


def altered(code: PrivateCode) -> dict[str, PrivateCode]:
    last = bytes((code.sealed[-1] ^ 1,))
    return {
        "seal": replace(code, sealed=code.sealed[:-1] + last),
        "commitment": replace(code, commitment=bytes(32)),  # type: ignore[arg-type]
        "interface": replace(code, interface=code.interface.replace(b"Vault", b"Fault")),
        "language": replace(code, language="wasm"),
        "empty": replace(code, sealed=b""),
    }


@pytest.mark.parametrize("name", ["seal", "commitment", "interface", "language", "empty"])
def test_altered_records_are_dead(scene: PrivateScene, package: CodePackage, name: str) -> None:
    assert_dead(scene, scene.deploy(altered(scene.seal(package))[name].encode()))


def test_what_does_not_hold_its_promise_is_dead(scene: PrivateScene, package: CodePackage) -> None:
    """Sealed well, but not what commitment or interface say."""
    other = b'{"abi":1,"events":[],"fields":[],"language":"python","methods":[],"name":"Vault"}'
    for changes in ({"commitment": bytes(32)}, {"interface": other}, {"language": "wasm"}):
        assert_dead(scene, scene.deploy(scene.seal(package, **changes).encode()))
    assert_dead(scene, scene.deploy(scene.seal(package, key=SealingKey(b"\x09" * 32).public_key).encode()))


def test_garbage_is_dead(scene: PrivateScene, package: CodePackage) -> None:
    good = scene.seal(package).encode()
    for bad in (good[:16], good[:-1], good + b"\0", b"phat-private-1\n\xa0", b"phat-private-1\n" + bytes(100)):
        assert_dead(scene, scene.deploy(bad))


def test_code_that_does_not_load_says_only_that(scene: PrivateScene, package: CodePackage) -> None:
    broken = scene.package(f"def {SECRET}_broken(:\n", package.interface)
    deployed = scene.deploy(scene.seal(broken).encode())
    assert scene.output(deployed.link).output.startswith(b"code.not_runnable: ")
    mute = scene.package("from phat import Contract\nclass Vault(Contract): pass\n", package.interface)
    other = scene.deploy(scene.seal(mute).encode())
    assert scene.output(other.link).output == scene.output(deployed.link).output
    assert SECRET.encode() not in everything(scene)


# ---- constructor arguments


def test_sealed_arguments_reach_the_constructor(scene: PrivateScene, vault: Deployed) -> None:
    assert Status(scene.output(vault.link).status) is Status.OK, scene.output(vault.link).output
    assert scene.call(vault, "fail", b'["fine"]').result == b'"start"'
    assert b'"start"' not in b"".join(link.payload for link in scene.chain.links)


def test_copied_arguments_open_for_no_other_program(scene: PrivateScene, package: CodePackage) -> None:
    published = scene.seal(package).encode()
    init = scene.seal_init(b'["start"]', published, b"\x01" * 32)
    for deployed in (
        scene.deploy(published, init, salt=b"\x02" * 32),
        scene.deploy(published, init, salt=b"\x01" * 31 + b"\x02"),
        scene.deploy(published, init[:-1], salt=b"\x01" * 32),
    ):
        assert scene.output(deployed.link).output.startswith(b"init.not_opened: ")


def test_a_failing_constructor_says_only_that(scene: PrivateScene, package: CodePackage) -> None:
    published = scene.seal(package).encode()
    deployed = scene.deploy(published, scene.seal_init(f'["{SECRET}_bad"]'.encode(), published))
    output = scene.output(deployed.link)
    assert (Status(output.status), output.output) == (
        Status.REVERTED,
        b"code.constructor: the constructor failed; its words are not public",
    )
    assert SECRET.encode() not in everything(scene)


def test_public_code_may_have_sealed_arguments(scene: PrivateScene) -> None:
    published = encode_package(scene.package(FUSSY))
    good = scene.deploy(published, scene.seal_init(b'["y"]', published))
    bad = scene.deploy(published, scene.seal_init(b'["hidden"]', published, b"\x01" * 32), salt=b"\x01" * 32)
    assert Status(scene.output(good.link).status) is Status.OK
    assert scene.output(bad.link).output.startswith(b"code.constructor: ")


# ---- who learns why a call failed


@pytest.mark.parametrize("how", ["case", "key", "trap"])
def test_only_the_owner_reads_the_text_of_a_failure(scene: PrivateScene, vault: Deployed, how: str) -> None:
    arguments = f'["{how}"]'.encode()
    own = scene.call(vault, "fail", arguments)
    assert SECRET in own.message
    assert "contract.py:" in own.message
    for body in (scene.call(vault, "fail", arguments, STRANGER), scene.query(vault, "look", arguments)):
        assert (body.status, body.message, body.logs) == (Status.REVERTED, "the private program failed", ())
    words = len(how).to_bytes(32, "big") + how.encode().ljust(32, b"\0")
    asked = (32).to_bytes(32, "big") + words
    assert scene.request(vault, "ask", asked) == b"the private program failed"
    assert scene.request(vault, "ask", asked, OWNER.address) == b"the private program failed"


def test_what_a_program_says_on_purpose_reaches_its_caller(scene: PrivateScene, vault: Deployed) -> None:
    arguments = b'["revert"]'
    for body in (scene.call(vault, "fail", arguments, STRANGER), scene.query(vault, "look", arguments)):
        assert body.message == "Error: said on purpose"
    asked = (32).to_bytes(32, "big") + (6).to_bytes(32, "big") + b"revert".ljust(32, b"\0")
    assert scene.request(vault, "ask", asked) == b"Error: said on purpose"


def test_log_lines_reach_the_owner_alone(scene: PrivateScene, vault: Deployed) -> None:
    own, other = (scene.call(vault, "fail", b'["fine"]', author) for author in (OWNER, STRANGER))
    assert [line.text for line in own.logs] == [f"{SECRET}_log fine"]
    assert (other.status, other.logs) == (Status.OK, ())


def test_a_calling_program_learns_no_more_than_its_caller(scene: PrivateScene, vault: Deployed) -> None:
    """Not even where the private program's owner calls it through another program."""
    caller = scene.deploy(encode_package(scene.package(CALLER)), callees=(vault.program,))
    target = "0x" + vault.program.hex()
    for author in (OWNER, STRANGER):
        for how in ("key", "fine"):
            body = scene.call(caller, "poke", f'["{target}","{how}"]'.encode(), author)
            assert body.status == Status.OK, body.message
            assert SECRET.encode() not in body.result
            assert body.logs == ()


def test_a_dead_program_is_called_by_no_other(scene: PrivateScene) -> None:
    """Neither one whose constructor failed, nor one whose interface is a lie; public or not. A worker that starts
    from a checkpoint does not load them either."""
    package = scene.package(SOURCE.replace(SECRET, "public"))
    dead = scene.deploy(encode_package(package), b'["public_bad"]')
    liar = scene.deploy(encode_package(replace(package, interface=package.interface.replace(b"kept", b"held"))))
    assert Status(scene.output(dead.link).status) is Status(scene.output(liar.link).status) is Status.REVERTED
    callees = (dead.program, liar.program)
    caller = scene.deploy(encode_package(scene.package(CALLER)), callees=callees, salt=b"\x05" * 32)
    for target in (dead, liar):
        body = scene.call(caller, "poke", f'["0x{target.program.hex()}","fine"]'.encode())
        assert b"not loaded" in body.result, body


def test_a_missing_argument_is_told_without_its_default(scene: PrivateScene, vault: Deployed) -> None:
    body = scene.call(vault, "fail", b"[5]", STRANGER)
    assert body.message.startswith("fail(how)")
    assert SECRET not in body.message


# ---- the cluster's key, replicas, and what leaves the enclave


def test_the_code_key_is_a_signed_statement_of_the_cluster(scene: PrivateScene) -> None:
    signed = next(notice for notice in scene.worker.notices if isinstance(notice, m.InputKeySigned))
    assert (signed.program, signed.epoch) == (CLUSTER, 1)
    record = InputKeyRecord(scene.network, CLUSTER, ProgramId(CLUSTER), 1, signed.key)
    programs = scene.chain.configuration.contract("Programs").address
    assert recover_address(record.digest(CHAIN_ID, programs), signed.signature) == scene.worker.booted.signer


def test_replicas_agree_and_survive_an_executor(scene: PrivateScene, vault: Deployed) -> None:
    other = scene.start_worker(b"other")
    assert other.executed() == scene.worker.executed()
    scene.worker.port.die_at = {scene.worker.port.count + 1}
    assert scene.call(vault, "fail", b'["fine"]').result == b'"start"'


def test_nothing_of_the_source_leaves_the_enclave(scene: PrivateScene, vault: Deployed) -> None:
    scene.call(vault, "fail", b'["key"]', key(77))
    outside = everything(scene)
    assert vault.program in outside, "the search finds what is there"
    assert SECRET.encode() not in outside
    assert repr(scene.worker.core).find(SECRET) < 0
