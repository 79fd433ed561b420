"""Programs whose code changes: who may announce it, how long it waits, what stays readable (PROTOCOL 12)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from coprocessor.protocol import layout
from coprocessor.protocol.links import LinkKind
from coprocessor.protocol.system import Upgrade, decode_upgrade
from coprocessor.protocol.upgrade_policy import (
    EXECUTION_WINDOW,
    FROZEN,
    MAX_DELAY,
    PolicyKind,
    UpgradePolicy,
    decode_policy,
    upgrade_digest,
    withdrawal_digest,
)
from coprocessor.values.identities import ZERO_ADDRESS, ZERO_DIGEST, CodeHash, Digest, ProgramId
from tests.contracts.evm import Mined
from tests.contracts.network import Cluster, TestNetwork, digest, secret

DELAY = 3600
FUEL = 10**9
VOTERS = sorted((secret(f"voter/{index}") for index in range(3)), key=lambda key: key.address)
TIMELOCK = UpgradePolicy.timelock(DELAY)
VOTES = UpgradePolicy.votes([key.address for key in VOTERS], 2, DELAY)
NOTHING = (ZERO_DIGEST, 0, 0, 0, 0)


@dataclass
class Program:
    """A program of the deployer under a policy."""

    network: TestNetwork
    cluster: Cluster
    policy: UpgradePolicy
    id: ProgramId
    first: Digest

    def announce(self, code: bytes, votes: list[bytes] | None = None, **changes: Any) -> tuple[Any, ...]:
        """Arguments of ``announce``."""
        policy = changes.get("policy", self.policy.fields)
        return changes.get("program", self.id), policy, code, changes.get("fuel", FUEL), votes or []

    def vote(self, code: bytes, number: int, voters: tuple[int, ...] = (0, 1), fuel: int = FUEL) -> list[bytes]:
        """Signatures for an upgrade, ascending by key."""
        at = (self.network.evm.chain_id, self.network.programs.address)
        signed = upgrade_digest(*at, self.id, number, CodeHash(Digest(code)), fuel)
        return [VOTERS[index].sign(signed) for index in voters]

    def vote_withdrawal(self, number: int, voters: tuple[int, ...] = (0, 1)) -> list[bytes]:
        signed = withdrawal_digest(self.network.evm.chain_id, self.network.programs.address, self.id, number)
        return [VOTERS[index].sign(signed) for index in voters]

    @property
    def waiting(self) -> Any:
        return self.network.programs.read("announcements", self.id)


def make(network: TestNetwork, policy: UpgradePolicy) -> Program:
    cluster = network.create_cluster(members=0)
    code, salt = network.publish(), digest(network.label("salt"))
    arguments = (code, cluster.id, salt, policy.digest(), [], b"", 1)
    mined = network.programs.send(network.deployer, "instantiate", *arguments)
    program = ProgramId(network.programs.event(mined, "Instantiated")["program"])
    return Program(network, cluster, policy, program, code)


def pass_time(network: TestNetwork, seconds: int) -> None:
    network.evm.client.call("evm_setNextBlockTimestamp", network.evm.timestamp() + seconds)
    network.evm.mine()


def execute(program: Program) -> Mined:
    network = program.network
    return network.programs.send(network.stranger, "execute", program.id)


def test_an_upgrade_from_announcement_to_link(network: TestNetwork) -> None:
    program, programs, code = make(network, TIMELOCK), network.programs, network.publish()
    mined = programs.send(network.deployer, "announce", *program.announce(code))
    ready = network.evm.timestamp() + DELAY
    assert programs.event(mined, "Announced") == {
        "program": program.id,
        "number": 0,
        "code_hash": code,
        "ready": ready,
        "expires": ready + EXECUTION_WINDOW,
        "fuel_limit": FUEL,
    }
    assert program.waiting == (code, ready, ready + EXECUTION_WINDOW, FUEL, 0)
    programs.refuses("programs: early", "execute", program.id)
    pass_time(network, DELAY - 10)
    programs.refuses("programs: early", "execute", program.id)
    pass_time(network, 10)
    count = network.inbox.read("counts", program.cluster.id)
    mined = execute(program)
    link = network.inbox.event(mined, "Link")
    assert (link["index"], link["kind"], link["cluster"]) == (count, LinkKind.UPGRADE, program.cluster.id)
    assert decode_upgrade(link["payload"]) == Upgrade(program.id, 1, CodeHash(code), FUEL)
    assert programs.event(mined, "Upgraded") == {
        "program": program.id,
        "number": 1,
        "code_hash": code,
        "link": count,
    }
    assert program.waiting == NOTHING
    programs.refuses("programs: not announced", "execute", program.id)


def test_a_stealthy_deployer_leaves_both_versions_and_two_delays(network: TestNetwork) -> None:
    """Attack 25: upgrade, dump, upgrade back. Each way is announced, waits, and stays in the lineage."""
    program, programs, dump = make(network, TIMELOCK), network.programs, network.publish()
    links = []
    for number, code in enumerate((dump, program.first)):
        programs.send(network.deployer, "announce", *program.announce(code))
        programs.refuses("programs: early", "execute", program.id)
        pass_time(network, DELAY)
        links.append(programs.event(execute(program), "Upgraded")["link"])
        assert programs.read("upgrade_counts", program.id) == number + 1
    assert programs.read("upgrades", program.id, 1) == (dump, links[0])
    assert programs.read("upgrades", program.id, 2) == (program.first, links[1])
    assert programs.read("programs", program.id)[2] == program.first


def test_one_waits_at_a_time_and_can_be_withdrawn(network: TestNetwork) -> None:
    program, programs = make(network, TIMELOCK), network.programs
    code, other = network.publish(), network.publish()
    policy = TIMELOCK.fields
    programs.refuses("programs: not announced", "withdraw", program.id, policy, [])
    programs.send(network.deployer, "announce", *program.announce(code))
    programs.refuses("programs: announced", "announce", *program.announce(other))
    programs.refuses("programs: owner", "withdraw", program.id, policy, [], sender=network.stranger.address)
    mined = programs.send(network.deployer, "withdraw", program.id, policy, [])
    assert programs.event(mined, "Withdrawn") == {"program": program.id, "number": 0}
    assert program.waiting == NOTHING
    pass_time(network, DELAY)
    programs.refuses("programs: not announced", "execute", program.id)
    mined = programs.send(network.deployer, "announce", *program.announce(other))
    assert programs.event(mined, "Announced")["number"] == 1
    programs.refuses("programs: early", "execute", program.id)


def test_an_announcement_lapses_and_another_follows(network: TestNetwork) -> None:
    program, programs, code = make(network, TIMELOCK), network.programs, network.publish()
    programs.send(network.deployer, "announce", *program.announce(code))
    pass_time(network, DELAY + EXECUTION_WINDOW)
    programs.refuses("programs: expired", "execute", program.id)
    programs.send(network.deployer, "announce", *program.announce(code))
    programs.refuses("programs: early", "execute", program.id)


def test_only_the_owner_of_a_timelock_announces(network: TestNetwork) -> None:
    program, code = make(network, TIMELOCK), network.publish()
    for sender in (network.stranger, network.guardian, *network.operators):
        network.programs.refuses("programs: owner", "announce", *program.announce(code), sender=sender.address)


def test_only_published_code_is_announced(network: TestNetwork) -> None:
    program = make(network, TIMELOCK)
    network.programs.refuses("programs: code", "announce", *program.announce(digest("nowhere")))


LOOSER = {
    "no delay": (1, 0, 0, []),
    "shorter": UpgradePolicy.timelock(1).fields,
    "one vote": UpgradePolicy.votes([VOTERS[0].address], 1, DELAY).fields,
    "frozen": FROZEN.fields,
    "unknown kind": (3, DELAY, 0, []),
    "longer than ten years": (1, MAX_DELAY + 1, 0, []),
    "timelock with keys": (1, DELAY, 0, [VOTERS[0].address]),
}


@pytest.mark.parametrize("loosened", LOOSER)
@pytest.mark.parametrize("policy", [TIMELOCK, VOTES, FROZEN], ids=["timelock", "votes", "frozen"])
def test_no_policy_is_loosened(network: TestNetwork, policy: UpgradePolicy, loosened: str) -> None:
    program, code = make(network, policy), network.publish()
    shown = LOOSER[loosened]
    votes = program.vote(code, 0, (0,)) if shown[0] == PolicyKind.VOTES else []
    network.programs.refuses("programs: policy", "announce", *program.announce(code, votes, policy=shown))


@pytest.mark.parametrize(
    "shown",
    [
        (2, DELAY, 0, [VOTERS[0].address]),
        (2, DELAY, 2, [VOTERS[0].address]),
        (2, DELAY, 1, []),
        (2, DELAY, 1, [VOTERS[1].address, VOTERS[0].address]),
        (2, DELAY, 1, [VOTERS[0].address, VOTERS[0].address]),
        (2, DELAY, 1, [ZERO_ADDRESS]),
        (1, 0, 0, []),
        (0, 0, 0, []),
    ],
)
def test_a_policy_has_one_form(network: TestNetwork, shown: tuple[Any, ...]) -> None:
    network.programs.refuses("programs: policy", "disclose", shown)


@pytest.mark.parametrize("policy", [TIMELOCK, VOTES, UpgradePolicy.timelock(MAX_DELAY)])
def test_a_disclosed_policy_hashes_to_what_python_computes(network: TestNetwork, policy: UpgradePolicy) -> None:
    mined = network.programs.send(network.stranger, "disclose", policy.fields)
    event = network.programs.event(mined, "PolicyDisclosed")
    assert event["digest"] == policy.digest()
    assert decode_policy(event["kind"], event["delay"], event["threshold"], event["keys"]) == policy


def test_votes(network: TestNetwork) -> None:
    program, programs, code = make(network, VOTES), network.programs, network.publish()
    refused: list[list[bytes]] = [
        [],
        program.vote(code, 0, (0,)),
        program.vote(code, 0, (1, 0)),
        program.vote(code, 0, (0, 0)),
        program.vote(code, 1),
        program.vote(program.first, 0),
        program.vote(code, 0, fuel=FUEL + 1),
        [*program.vote(code, 0, (0,)), network.deployer.sign(digest("anything"))],
        [*program.vote(code, 0, (0,)), b"\0" * 65],
        program.vote_withdrawal(0),
    ]
    for votes in refused:
        programs.refuses("programs: votes", "announce", *program.announce(code, votes))
    votes = program.vote(code, 0, (0, 2))
    programs.send(network.stranger, "announce", *program.announce(code, votes))
    for votes in ([], program.vote_withdrawal(1), program.vote_withdrawal(0, (2,))):
        programs.refuses("programs: votes", "withdraw", program.id, VOTES.fields, votes)
    programs.send(network.stranger, "withdraw", program.id, VOTES.fields, program.vote_withdrawal(0, (1, 2)))
    assert program.waiting == NOTHING
    programs.refuses("programs: votes", "announce", *program.announce(code, program.vote(code, 0, (0, 2))))
    programs.send(network.stranger, "announce", *program.announce(code, program.vote(code, 1, (0, 1, 2))))
    pass_time(network, DELAY)
    assert programs.event(execute(program), "Upgraded")["code_hash"] == code


def test_votes_of_another_program_or_contract_do_not_count(network: TestNetwork) -> None:
    program, other, code = make(network, VOTES), make(network, VOTES), network.publish()
    network.programs.refuses("programs: votes", "announce", *program.announce(code, other.vote(code, 0)))
    signed = upgrade_digest(network.evm.chain_id, network.inbox.address, program.id, 0, CodeHash(code), FUEL)
    votes = [key.sign(signed) for key in VOTERS]
    network.programs.refuses("programs: votes", "announce", *program.announce(code, votes))


def test_there_is_no_upgrade_of_what_is_no_program(network: TestNetwork) -> None:
    program, code = make(network, TIMELOCK), network.publish()
    nowhere = program.announce(code, program=digest("none"))
    network.programs.refuses("programs: policy", "announce", *nowhere)
    network.programs.refuses("programs: not announced", "execute", digest("none"))


def test_the_policy_is_part_of_the_id(network: TestNetwork) -> None:
    """Another policy is another program, and so are its keys (PROTOCOL 8.1)."""
    cluster, code, salt = network.create_cluster(members=0), network.publish(), digest("one salt")
    ids = set()
    for policy in (FROZEN, TIMELOCK, UpgradePolicy.timelock(DELAY + 1), VOTES):
        arguments = (code, cluster.id, salt, policy.digest(), [], b"", 1)
        mined = network.programs.send(network.deployer, "instantiate", *arguments)
        ids.add(network.programs.event(mined, "Instantiated")["program"])
    assert len(ids) == 4


def test_slots_that_clients_prove(network: TestNetwork) -> None:
    program, programs, code = make(network, TIMELOCK), network.programs, network.publish()
    programs.send(network.deployer, "announce", *program.announce(code))
    pass_time(network, DELAY)
    execute(program)
    programs.send(network.deployer, "announce", *program.announce(program.first))

    def stored(slot: Digest) -> int:
        return network.evm.storage(programs.address, slot)

    assert stored(layout.program_upgrade_count(program.id)) == 1
    for mapping, keys, slot_of in (
        ("announcements", (program.id,), layout.program_announcement),
        ("upgrades", (program.id, 1), layout.program_upgrade),
    ):
        fields = layout.STRUCTS[f"Programs.{mapping}"]
        for field, value in zip(fields, programs.read(mapping, *keys), strict=True):
            held = stored(slot_of(*keys, field))  # type: ignore[operator]
            assert held == (value if isinstance(value, int) else int.from_bytes(value, "big")), f"{mapping}.{field}"
