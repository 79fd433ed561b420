"""Code changes at a link: state and keys stay, and what cannot take its place changes nothing (PROTOCOL 12)."""

from __future__ import annotations

import pytest

from coprocessor.codec import abi
from coprocessor.enclave import messages as m
from coprocessor.protocol.commands import method_selector
from coprocessor.protocol.interface import UPGRADE_METHOD
from coprocessor.protocol.links import Link, LinkKind
from coprocessor.protocol.outputs import Status
from coprocessor.sandbox.abi import UPGRADE_SELECTOR
from coprocessor.sandbox.engine import Engine
from coprocessor.sandbox.package import encode_package
from coprocessor.values.errors import CoprocessorError
from coprocessor.values.identities import ProgramId
from tests.enclave.private_scene import FUEL, OWNER, STRANGER, Deployed, PrivateScene, _code_hash
from tests.enclave.stage import ask
from tests.support.python_guest import compiled_python_guest

FIRST = """
from phat import Contract, command, query

class Counter(Contract):
    count: int = 0

    @command
    def add(self, by: int) -> int:
        self.count += by
        return self.count

    @query
    def get(self) -> int:
        return self.count
"""
SECOND = """
from phat import Contract, Map, command, query, revert

class Counter(Contract):
    count: int = 0
    moved: bool = False
    upgrades: int = 0

    @command
    def upgrade(self) -> None:
        if self.count == 13:
            raise ValueError("the secret count is " + str(self.count))
        self.count *= 100
        self.moved = True
        self.upgrades += 1

    @command
    def subtract(self, by: int) -> int:
        self.count -= by
        return self.count

    @query
    def get(self) -> int:
        return self.count

    @query
    def who(self) -> tuple[bool, int]:
        return (self.moved, self.upgrades)
"""
BROKEN = "this is no Python"
CALLER = """
from phat import CallFailed, Contract, Digest, command

class Caller(Contract):
    @command
    def poke(self, program: Digest) -> str:
        try:
            return str(self.env.call(program, "upgrade"))
        except CallFailed as failed:
            return str(failed) + "|" + failed.output.decode()
"""


class UpgradeScene(PrivateScene):
    """Programs whose owner changes their code."""

    def upgrade(self, program: ProgramId, published: bytes, number: int = 1, fuel: int = FUEL) -> Link:
        """As ``Programs.execute`` appends it; the worker follows."""
        self.codes.append(m.Code(_code_hash(published), (published,)))
        link = self.append_upgrade(program, published, number, fuel)
        ask(self.worker.core, self.codes[-1])
        self.worker.follow()
        return link

    def append_upgrade(self, program: ProgramId, published: bytes, number: int = 1, fuel: int = FUEL) -> Link:
        types = ["bytes32", "uint256", "bytes32", "uint256"]
        payload = abi.encode(types, [program, number, _code_hash(published), fuel])
        link = self.chain.append(LinkKind.UPGRADE, payload)
        self.chain.mine()
        return link

    def outcome(self, link: Link) -> tuple[int, bytes]:
        """Status and public words of an upgrade."""
        output = self.output(link)
        assert output.public
        return output.status, output.output


@pytest.fixture(scope="module")
def scene() -> UpgradeScene:
    engine = Engine()
    return UpgradeScene(engine, compiled_python_guest(engine))


def published(scene: UpgradeScene, source: str) -> bytes:
    return encode_package(scene.package(source))


def counter(scene: UpgradeScene, count: int) -> Deployed:
    """The first version, which has counted so far."""
    deployed = scene.deploy(published(scene, FIRST), salt=len(scene.chain.links).to_bytes(32, "big"))
    assert scene.call(deployed, "add", b"[%d]" % count).result == b"%d" % count
    return deployed


def test_state_is_kept_and_carried_over_once(scene: UpgradeScene) -> None:
    deployed = counter(scene, 7)
    link = scene.upgrade(deployed.program, published(scene, SECOND))
    status, words = scene.outcome(link)
    assert (status, words) == (Status.OK, b"")
    assert scene.output(link).fuel > 0
    assert scene.query(deployed, "get").result == b"700"
    assert scene.query(deployed, "who").result == b"[true,1]"
    assert scene.call(deployed, "subtract", b"[1]").result == b"699"
    assert "has no method" in scene.call(deployed, "add", b"[1]").message


def test_commands_are_judged_by_the_code_at_their_link(scene: UpgradeScene) -> None:
    """Those that were sent before the upgrade but come after it meet the new code, in one pass of a late worker too."""
    deployed = counter(scene, 1)
    assert scene.call(deployed, "add", b"[1]").result == b"2"
    scene.upgrade(deployed.program, published(scene, SECOND))
    assert scene.call(deployed, "add", b"[1]").status == Status.REVERTED
    back = scene.upgrade(deployed.program, published(scene, FIRST), 2)
    assert scene.outcome(back)[0] == Status.OK
    assert scene.call(deployed, "add", b"[1]").result == b"201", "the first version has no method that carries over"


@pytest.mark.parametrize("what", ["no code", "no package", "other interface"])
def test_what_does_not_load_changes_nothing(scene: UpgradeScene, what: str) -> None:
    deployed = counter(scene, 5)
    code = {
        "no code": encode_package(scene.package(BROKEN, scene.package(FIRST).interface)),
        "no package": b"\xa1\x01\x02",
        "other interface": encode_package(scene.package(SECOND, scene.package(FIRST).interface)),
    }[what]
    root = scene.worker.status().state_root
    status, words = scene.outcome(scene.upgrade(deployed.program, code))
    assert status == Status.REVERTED
    assert words
    assert scene.worker.status().state_root == root, "the record still names the code that runs"
    assert scene.call(deployed, "add", b"[1]").result == b"6"


def test_a_failing_method_changes_nothing_and_tells_no_state(scene: UpgradeScene) -> None:
    deployed = counter(scene, 13)
    status, words = scene.outcome(scene.upgrade(deployed.program, published(scene, SECOND)))
    assert status == Status.REVERTED
    assert words == b"code.upgrade: the method upgrade failed (contract.py:12); the old code goes on"
    assert scene.call(deployed, "add", b"[1]").result == b"14"
    again = scene.upgrade(deployed.program, published(scene, SECOND), 2)
    assert scene.outcome(again)[0] == Status.OK
    assert scene.query(deployed, "get").result == b"1400"


def test_a_method_without_fuel_changes_nothing(scene: UpgradeScene) -> None:
    deployed = counter(scene, 2)
    assert scene.outcome(scene.upgrade(deployed.program, published(scene, SECOND), fuel=1000))[0] == Status.EXHAUSTED
    assert scene.call(deployed, "add", b"[1]").result == b"3"


def test_nobody_else_runs_the_method(scene: UpgradeScene) -> None:
    """Not authors, whoever they are, not other programs, not smart contracts."""
    assert method_selector(UPGRADE_METHOD) == UPGRADE_SELECTOR
    deployed = scene.deploy(published(scene, SECOND), salt=b"\x77" * 32)
    for author in (OWNER, STRANGER):
        assert void_rule(scene, deployed, author) == "void.upgrade"
    caller = scene.deploy(published(scene, CALLER), callees=(deployed.program,), salt=b"\x78" * 32)
    said = scene.call(caller, "poke", b'["0x%s"]' % deployed.program.hex().encode())
    assert b"by the cluster alone" in said.result
    assert scene.request(deployed, "upgrade") == b"void.upgrade"
    assert scene.query(deployed, "who").result == b"[false,0]"


def void_rule(scene: UpgradeScene, deployed: Deployed, author: object) -> str:
    """The rule by which an author's call of ``upgrade`` is void."""
    with pytest.raises(CoprocessorError):  # the output is public, so that no author's key opens it
        scene.call(deployed, "upgrade", author=author)
    return scene.worker.executed()[-1].outputs[0].void_rule


def test_unknown_and_dead_programs_have_no_versions(scene: UpgradeScene) -> None:
    dead = scene.deploy(encode_package(scene.package(BROKEN, scene.package(FIRST).interface)), salt=b"\x79" * 32)
    for program in (dead.program, ProgramId(b"\x0f" * 32)):
        link = scene.upgrade(program, published(scene, FIRST))
        assert scene.outcome(link) == (Status.VOID, b"void.program")


def test_private_code_follows_for_its_owner_alone(scene: UpgradeScene) -> None:
    first = scene.seal(scene.package(FIRST)).encode()
    deployed = scene.deploy(first, salt=b"\x7a" * 32)
    scene.call(deployed, "add", b"[13]")
    foreign = scene.seal(scene.package(SECOND), scene.place(owner=STRANGER.address)).encode()
    status, words = scene.outcome(scene.upgrade(deployed.program, foreign))
    assert status == Status.REVERTED
    assert words.startswith(b"code.not_opened")
    second = scene.seal(scene.package(SECOND)).encode()
    status, words = scene.outcome(scene.upgrade(deployed.program, second, 2))
    assert (status, words) == (Status.REVERTED, b"code.upgrade: the method upgrade failed; the old code goes on")
    scene.call(deployed, "add", b"[1]")
    assert scene.outcome(scene.upgrade(deployed.program, second, 3))[0] == Status.OK
    assert scene.query(deployed, "get").result == b"1400"


def test_a_new_executor_runs_the_present_version(scene: UpgradeScene) -> None:
    deployed = counter(scene, 3)
    scene.upgrade(deployed.program, published(scene, SECOND))
    port = scene.worker.port
    port.die_at.add(port.count + 1)
    assert scene.call(deployed, "subtract", b"[1]").result == b"299"


@pytest.mark.parametrize("offset", range(1, 4))
def test_an_executor_that_dies_at_the_link_changes_nothing_of_the_outcome(scene: UpgradeScene, offset: int) -> None:
    deployed = counter(scene, 4)
    port = scene.worker.port
    port.die_at.add(port.count + offset)
    assert scene.outcome(scene.upgrade(deployed.program, published(scene, SECOND)))[0] == Status.OK
    assert scene.query(deployed, "get").result == b"400"


def test_the_code_is_asked_for_and_nothing_runs_before_it_is_there(scene: UpgradeScene) -> None:
    deployed = counter(scene, 9)
    code = published(scene, SECOND.replace("*= 100", "*= 1000"))
    link = scene.append_upgrade(deployed.program, code)
    scene.worker.follow()
    assert scene.worker.notices[-1] == m.NeedCode(_code_hash(code))
    assert scene.worker.status().executed == link.index
    scene.codes.append(m.Code(_code_hash(code), (code,)))
    ask(scene.worker.core, scene.codes[-1])
    scene.worker.work()
    assert scene.query(deployed, "get").result == b"9000"


def test_a_worker_that_replays_all_of_this_agrees(scene: UpgradeScene) -> None:
    """MUST stand last: it judges every link of this page."""
    later = scene.start_worker(b"later")
    assert later.executed() == scene.worker.executed()
    assert later.status().state_root == scene.worker.status().state_root
