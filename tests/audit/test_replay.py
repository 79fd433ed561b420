"""An honest record holds; each falsehood in it is found, and named by its own code and subject."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from coprocessor.attestation.evidence import (
    SIGNING_KEY,
    compute_collateral_digest,
    decode_evidence,
    encode_evidence,
)
from coprocessor.audit import admissions, policies
from coprocessor.audit.admissions import ADMISSION_SECONDS
from coprocessor.audit.committees import HANDOVER_DELAY_SECONDS
from coprocessor.audit.expectations import check_storage, compute_expected
from coprocessor.audit.policy_history import PolicyHistory
from coprocessor.audit.records import FALSE, NOTHING, Event, Record
from coprocessor.audit.replay import JUDGES, PASSED_OVER, SUBJECTS, Replay, check_complete
from coprocessor.chain.artifacts import load_artifact
from coprocessor.codec import abi
from coprocessor.enclave import gatekeeper, handover, network_policy
from coprocessor.protocol.genesis import compute_configuration_hash
from coprocessor.protocol.terms import LEAST_DELAY
from coprocessor.protocol.upgrade_policy import UpgradePolicy
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import Digest, RuntimeId, WorkerId
from coprocessor.values.network import CONTRACT_NAMES, Custodian
from tests.audit.world import RUNTIME, World, audit, begin, replay
from tests.support.fake_chain import configuration, key

Change = Callable[[Event], Event]


NEXT = RuntimeId(Digest(b"\x12" * 32))


def epoch_payload(epoch: int, runtime: bytes, quorum: int = 2) -> bytes:
    """What the link of an epoch carries."""
    return abi.encode(["uint256", "bytes32", "uint256", "uint256"], [epoch, runtime, quorum, quorum])


def make() -> World:
    """A network that has seen everything once."""
    world = World()
    world.publish_evidence()
    cluster = world.create(quorum=2)
    one, two, three = (world.admit(number) for number in range(3))
    world.join(cluster, one)
    world.join(cluster, two)
    voters = sorted((key(500), key(501)), key=lambda one: one.address)
    policy = UpgradePolicy.votes([one.address for one in voters], 2, 60)
    program = world.instantiate(cluster, b"program", policy)
    world.input_key(cluster, program, [one, two])
    world.upgrade(cluster, program, policy, voters)
    world.link(cluster)
    world.settle(cluster, len(world.heads[cluster]), [one, two])
    world.make_beacon()
    world.refresh()
    world.admit(3)
    world.announce_runtime(cluster, NEXT)
    world.raise_epoch(cluster, NEXT)
    world.link(cluster)
    world.settle(cluster, len(world.heads[cluster]), [one, two])
    world.announce_runtime(cluster, RUNTIME)
    world.place("Clusters.RuntimeWithdrawn", None, None, cluster=cluster, runtime=RUNTIME)
    world.close(cluster, [one, two], three.operator)
    world.remove(cluster, two)
    world.revoke(two)
    return world


@pytest.fixture(scope="module")
def world() -> World:
    return make()


def edit(world: World, name: str, change: Change | None, nth: int = 0) -> list[Record]:
    """The record with the nth event of a name changed, or dropped."""
    records, seen = [], 0
    for record in world.records():
        events: list[Event] = []
        for event in record.events:
            here = f"{event.contract}.{event.name}" == name
            if here and seen == nth:
                events += [] if change is None else [change(event)]
            else:
                events.append(event)
            seen += here
        records.append(replace(record, events=tuple(events)))
    assert seen > nth
    return records


def say(**changed: Any) -> Change:
    """Another thing said."""
    return lambda event: replace(event, fields={**event.fields, **changed})


def sign(**changed: Any) -> Change:
    """Another thing in the call."""

    def change(event: Event) -> Event:
        assert event.call is not None
        return replace(event, call=replace(event.call, arguments={**event.call.arguments, **changed}))

    return change


def fewer(event: Event) -> Event:
    """One signature less."""
    assert event.call is not None
    return sign(signatures=event.call.arguments["signatures"][1:])(event)


def twice(event: Event) -> Event:
    """One signature twice."""
    assert event.call is not None
    first, *rest = event.call.arguments["signatures"]
    return sign(signatures=[first, first, *rest])(event)


def stranger(event: Event) -> Event:
    """A signature of another key in the place of the first."""
    assert event.call is not None
    _, *rest = event.call.arguments["signatures"]
    return sign(signatures=[key(77).sign(bytes(range(32))), *rest])(event)


def admission(at: int, value: Any) -> Change:
    """Another field of an admission."""

    def change(event: Event) -> Event:
        changed = list(event["admission"])
        changed[at] = value
        return say(admission=changed)(event)

    return change


def flip_evidence(event: Event) -> Event:
    data = bytearray(event["evidence"])
    data[600] ^= 1
    return say(evidence=bytes(data))(event)


def other_key(event: Event) -> Event:
    evidence = decode_evidence(event["evidence"]).with_extra(SIGNING_KEY, key(66).public_key)
    return say(evidence=encode_evidence(evidence))(event)


def flip_data(event: Event) -> Event:
    return say(data=event["data"][:-1] + bytes((event["data"][-1] ^ 1,)))(event)


def receipt(at: int, value: Any) -> Change:
    """Another field of a receipt, signed by nobody."""

    def change(event: Event) -> Event:
        assert event.call is not None
        changed = list(event.call.arguments["receipt"])
        changed[at] = value
        return sign(receipt=changed)(event)

    return change


def run_through(found: Replay, records: list[Record]) -> None:
    """An audit to its end; what is judged there alone is admissions."""
    for record in records:
        found.take(record)
    found.failed = "admissions"
    check_complete(found.state)


def reordered(event: Event) -> Event:
    return say(share_keys=[event["share_keys"][at] for at in (1, 0, 2)])(event)


OTHER = Digest(bytes(range(32)))
FALSEHOODS: dict[str, tuple[str, Change | None, int, str, str]] = {
    "another genesis": ("Gatekeeping.Initialized", say(genesis=OTHER), 0, "audit.genesis", "genesis"),
    "a genesis that one did not sign": ("Gatekeeping.Initialized", fewer, 0, "audit.too_few", "genesis"),
    "a genesis that a stranger signed": ("Gatekeeping.Initialized", stranger, 0, "audit.not_in_office", "genesis"),
    "too low a threshold": ("Gatekeeping.Initialized", say(threshold=3), 0, "audit.genesis", "genesis"),
    "another session": ("Gatekeeping.Opened", say(session=OTHER), 0, "audit.session", "ceremonies"),
    "another handover": ("Gatekeeping.Opened", say(session=OTHER), 1, "audit.session", "ceremonies"),
    "a handover that too few began": ("Gatekeeping.Opened", fewer, 1, "audit.too_few", "ceremonies"),
    "a forged message": ("Gatekeeping.Transcript", flip_data, 0, "audit.ceremony", "ceremonies"),
    "a dropped message": ("Gatekeeping.Transcript", None, 4, "audit.ceremony", "ceremonies"),
    "other keys": ("Gatekeeping.Completed", say(master_key=bytes(96)), 0, "audit.ceremony", "ceremonies"),
    "other shares": ("Gatekeeping.Completed", reordered, 0, "audit.ceremony", "ceremonies"),
    "an outcome of too few": ("Gatekeeping.Completed", sign(signatures=[]), 0, "audit.too_few", "ceremonies"),
    "a switch of too few": ("Gatekeeping.Completed", sign(old_signatures=[]), 1, "audit.too_few", "ceremonies"),
    "another beacon's ceremony": ("Beacon.Opened", say(session=OTHER), 0, "audit.session", "beacon"),
    "a beacon's dropped message": ("Beacon.Transcript", None, 1, "audit.ceremony", "beacon"),
    "another beacon key": ("Beacon.Completed", say(beacon_key=bytes(96)), 0, "audit.ceremony", "beacon"),
    "a beacon key of too few": ("Beacon.Completed", sign(signatures=[]), 0, "audit.too_few", "beacon"),
    "a value of another height": ("Beacon.Posted", say(height=4000), 0, "audit.beacon", "beacon"),
    "a value of another committee": ("Beacon.Posted", say(committee=2), 0, "audit.beacon", "beacon"),
    "another fallback": ("Beacon.FellBack", say(prevrandao=OTHER), 0, "audit.beacon", "beacon"),
    "another configuration": (
        "Registry.Configured",
        say(configuration=OTHER),
        0,
        "audit.configuration",
        "configuration",
    ),
    "another contract": ("Directory.Named", say(account=key(5).address), 0, "audit.directory", "directory"),
    "an admission by too few": ("Registry.Admitted", sign(signatures=[]), 0, "audit.too_few", "admissions"),
    "a signature twice": ("Registry.Admitted", twice, 0, "audit.signature", "admissions"),
    "an admission by a stranger": ("Registry.Admitted", stranger, 0, "audit.not_in_office", "admissions"),
    "another level than signed": ("Registry.Admitted", admission(8, 2), 0, "audit.not_in_office", "admissions"),
    "another block": ("Registry.Admitted", admission(12, OTHER), 0, "audit.admission", "admissions"),
    "an endless admission": ("Registry.Admitted", admission(13, 2**40), 0, "audit.admission", "admissions"),
    "forged evidence": ("Registry.Admitted", flip_evidence, 0, "audit.evidence", "admissions"),
    "another worker": ("Registry.Admitted", say(worker=WorkerId(OTHER)), 0, "audit.admission", "admissions"),
    "evidence of another key": ("Registry.Admitted", other_key, 0, "audit.report_data", "admissions"),
    "a hidden admission": ("Registry.Admitted", None, 0, "audit.member", "memberships"),
    "another link": ("Inbox.Link", say(payload=b"other"), 4, "audit.receipt", "settlements"),
    "a hidden link": ("Inbox.Link", None, 3, "audit.inbox", "inbox links"),
    "a hidden epoch": ("Clusters.EpochRaised", None, 0, "audit.input_key", "input keys"),
    "an epoch elsewhere": ("Clusters.EpochRaised", say(link=3), 1, "audit.epoch", "epochs"),
    "an epoch with another runtime": (
        "Inbox.Link",
        say(payload=epoch_payload(2, OTHER)),
        6,
        "audit.runtime",
        "inbox links",
    ),
    "an epoch with another quorum": (
        "Inbox.Link",
        say(payload=epoch_payload(2, NEXT, quorum=1)),
        6,
        "audit.epoch",
        "inbox links",
    ),
    "an epoch's link that is none": ("Inbox.Link", say(payload=b"epoch"), 6, "audit.epoch", "inbox links"),
    "a runtime without delay": ("Clusters.RuntimeAnnounced", say(ready=0), 0, "audit.runtime", "runtimes"),
    "a runtime before its time": ("Clusters.RuntimeAnnounced", say(ready=2**40), 0, "audit.runtime", "runtimes"),
    "a runtime that nobody announced": ("Clusters.RuntimeAnnounced", None, 0, "audit.runtime", "runtimes"),
    "another runtime than announced": ("Clusters.RuntimeSwitched", say(runtime=OTHER), 0, "audit.runtime", "runtimes"),
    "a runtime for another epoch": ("Clusters.RuntimeSwitched", say(epoch=1), 0, "audit.runtime", "runtimes"),
    "a hidden switch": ("Clusters.RuntimeSwitched", None, 0, "audit.runtime", "inbox links"),
    "a withdrawal of nothing": ("Clusters.RuntimeWithdrawn", say(runtime=OTHER), 0, "audit.runtime", "runtimes"),
    "a receipt under the old runtime": ("Settlement.Settled", receipt(3, RUNTIME), 1, "audit.receipt", "settlements"),
    "a hidden member": ("Clusters.Joined", None, 0, "audit.not_a_member", "input keys"),
    "another hidden member": ("Clusters.Joined", None, 1, "audit.not_a_member", "input keys"),
    "another input key": ("Programs.InputKeyPublished", say(key=OTHER), 0, "audit.input_key", "input keys"),
    "an unsigned input key": ("Programs.KeysPublished", None, 0, "audit.input_key", "admissions"),
    "an input key of one": ("Programs.KeysPublished", fewer, 0, "audit.too_few", "input keys"),
    "another program": ("Programs.Instantiated", say(program=OTHER), 0, "audit.program", "programs"),
    "an upgrade that one voted for": ("Programs.Announced", sign(votes=[]), 0, "audit.too_few", "upgrades"),
    "an upgrade under another policy": (
        "Programs.Announced",
        sign(policy=[1, 1, 0, []]),
        0,
        "audit.upgrade",
        "upgrades",
    ),
    "an upgrade without delay": ("Programs.Announced", say(ready=0), 0, "audit.upgrade", "upgrades"),
    "an upgrade to other code": ("Programs.Upgraded", say(code_hash=OTHER), 0, "audit.upgrade", "upgrades"),
    "a hidden announcement": ("Programs.Announced", None, 0, "audit.upgrade", "upgrades"),
    "an upgrade without a link": ("Programs.Upgraded", say(link=0), 0, "audit.upgrade", "upgrades"),
    "a settlement of one": ("Settlement.Settled", fewer, 0, "audit.too_few", "settlements"),
    "a settlement of one twice": ("Settlement.Settled", twice, 0, "audit.signature", "settlements"),
    "another root than signed": ("Settlement.Settled", say(new_root=OTHER), 0, "audit.receipt", "settlements"),
    "another root signed": ("Settlement.Settled", receipt(7, OTHER), 1, "audit.receipt", "settlements"),
    "another runtime": ("Settlement.Settled", receipt(3, OTHER), 0, "audit.receipt", "settlements"),
    "another head": ("Settlement.Settled", receipt(6, OTHER), 0, "audit.receipt", "settlements"),
    "another block of a receipt": ("Settlement.Settled", receipt(11, OTHER), 0, "audit.receipt", "settlements"),
    "a receipt over two epochs": ("Settlement.Settled", receipt(2, 2), 0, "audit.receipt", "settlements"),
    "a hidden receipt": ("Settlement.Settled", None, 0, "audit.receipt", "settlements"),
    "a boundary of one": ("Clusters.EpochsClosed", fewer, 0, "audit.too_few", "boundaries"),
    "a boundary of another state": ("Clusters.EpochsClosed", say(root=OTHER), 0, "audit.boundary", "boundaries"),
    "a boundary that nobody holds": ("Clusters.EpochsClosed", sign(holders=[]), 0, "audit.boundary", "boundaries"),
    "a member that was none": ("Clusters.Removed", say(worker=WorkerId(OTHER)), 0, "audit.member", "memberships"),
}


def test_an_honest_record_holds(world: World) -> None:
    found = audit(world)
    counts = {line.subject: line.count for line in found.lines() if line.verdict != NOTHING}
    assert not any(line.verdict == FALSE for line in found.lines())
    assert counts["genesis"] == 3
    assert counts["gatekeepers"] == 3
    assert not any(line.rests_on for line in found.lines())
    assert len(found.state.warnings) == 1  # the fallback
    assert counts["ceremonies"] == 2
    assert counts["admissions"] == 4
    assert counts["settlements"] == 2
    assert counts["boundaries"] == 1
    assert not found.state.unread
    assert [one.number for one in found.state.committees] == [1, 2]
    assert found.state.simulated["admissions"] == 4


@pytest.mark.parametrize("name", FALSEHOODS)
def test_a_falsehood_is_found_and_named(world: World, name: str) -> None:
    where, change, nth, code, subject = FALSEHOODS[name]
    found = begin(world.network)
    with pytest.raises(EvidenceRefused) as caught:
        run_through(found, edit(world, where, change, nth))
    assert (caught.value.code, found.failed) == (code, subject), caught.value
    assert caught.value.why
    assert caught.value.next
    assert [line.subject for line in found.lines() if line.verdict == FALSE] == [subject]


@pytest.mark.parametrize("name", ["Registry.Revoked", "Clusters.Removed", "Inbox.Link"])
def test_what_is_left_out_at_the_end_shows_in_the_storage(world: World, name: str) -> None:
    """The last event of a kind: nothing after it would miss it."""
    full = compute_expected(audit(world).state)
    proven = {slot: value for slot, (value, _) in full.items()}
    check_storage(full, proven)
    count = sum(f"{event.contract}.{event.name}" == name for record in world.records() for event in record.events)
    state = replay(world.network, edit(world, name, None, count - 1)).state
    with pytest.raises(EvidenceRefused) as caught:
        check_storage(compute_expected(state), proven | dict.fromkeys(set(compute_expected(state)) - set(proven), 0))
    assert caught.value.code == "audit.storage"


def test_a_block_left_out_is_named(world: World) -> None:
    records = world.records()
    with pytest.raises(EvidenceRefused) as caught:
        replay(world.network, records[:5] + records[6:])
    assert caught.value.code == "audit.headers"


def test_a_network_without_its_genesis_is_incomplete(world: World) -> None:
    with pytest.raises(EvidenceRefused) as caught:
        replay(world.network, world.records()[:1])
    assert caught.value.code == "audit.incomplete"


def test_a_retired_committee_admits_nobody() -> None:
    """The gatekeepers stay, so their keys do; a committee of other keys that signs later is a stranger."""
    world = World()
    world.admit(0)
    records = edit(world, "Registry.Admitted", stranger)
    with pytest.raises(EvidenceRefused) as caught:
        replay(world.network, records)
    assert caught.value.code == "audit.not_in_office"


def test_a_key_serves_once() -> None:
    world = World()
    world.admit(0, signing=key(400))
    world.admit(1, signing=key(400))
    with pytest.raises(EvidenceRefused) as caught:
        audit(world)
    assert caught.value.code == "audit.key_twice"


def test_a_revoked_platform_stays_out() -> None:
    world = World()
    world.revoke(world.admit(0))
    world.admit(0, signing=key(401))
    with pytest.raises(EvidenceRefused) as caught:
        audit(world)
    assert caught.value.code == "audit.key_twice"


@pytest.mark.parametrize("subject", ["root", "measurement", "platform"])
def test_what_is_distrusted_neither_enters_nor_signs(subject: str) -> None:
    world = World()
    cluster = world.create()
    worker = world.admit(0)
    world.join(cluster, worker)
    named = getattr(audit(world).state.workers[worker.worker].live, subject)
    world.distrust(named)
    world.settle(cluster, 2, [worker])
    with pytest.raises(EvidenceRefused) as caught:
        audit(world)
    assert caught.value.code == "audit.not_a_member"
    world = World()
    world.distrust(named)
    world.admit(0)
    with pytest.raises(EvidenceRefused) as caught:
        audit(world)
    assert caught.value.code == "audit.distrusted"


def test_a_pause_admits_live_keys_alone() -> None:
    world = World()
    world.admit(0)
    world.place("Registry.AdmissionPaused", None, None, until=world.chain.timestamp + 10_000)
    world.admit(0)
    audit(world)
    world.admit(1)
    with pytest.raises(EvidenceRefused) as caught:
        audit(world)
    assert caught.value.code == "audit.distrusted"


def test_published_evidence_that_does_not_hold_proves_nothing_and_accuses_nobody() -> None:
    lies: list[dict[str, Any]] = [
        {"evidence": b"junk"},
        {"claims": [key(1).public_key, 0, OTHER, 1, OTHER]},
        {"claims": [key(1).public_key, 0, OTHER, 1, World().chain.block_hash(1)]},
    ]
    for lie in lies:
        world = World()
        world.publish_evidence(**lie)
        found = audit(world)
        (line,) = [line for line in found.lines() if line.subject == "gatekeepers"]
        assert (line.count, len(found.state.warnings)) == (2, 1)
        assert line.rests_on.startswith("1 more")


def test_a_listed_gatekeeper_of_code_that_the_policy_refuses_is_a_falsehood() -> None:
    world = World()
    world.publish_evidence()
    configuration = world.network.configuration
    floor = replace(configuration.attestation, measurements=(OTHER,))
    found = begin(replace(world.network, configuration=replace(configuration, attestation=floor)))
    found.state.network_id = world.committee.network
    found.state.configuration_hash = compute_configuration_hash(configuration)
    with pytest.raises(EvidenceRefused) as caught:
        run_through(found, [replace(one, events=tuple(e for e in one.events)) for one in world.records()])
    assert caught.value.code == "audit.evidence"


def test_a_revoked_gatekeeper_signs_no_more_and_gets_no_share() -> None:
    world = World()
    world.revoke_gatekeeper(2)
    world.admit(0, by=[0, 1])
    world.refresh(by=[0, 1])
    (_, renewed) = audit(world).state.committees
    assert [any(key) for key in renewed.share_keys] == [True, True, False]
    world.admit(1, by=[0, 2])
    with pytest.raises(EvidenceRefused) as caught:
        audit(world)
    assert caught.value.code == "audit.not_in_office"


def refuses(world: World, code: str) -> None:
    with pytest.raises(EvidenceRefused) as caught:
        audit(world)
    assert caught.value.code == code


def announce(world: World, version: int, counts_from: int = 0, measurement: bytes = b"\x77" * 32) -> None:
    world.place(
        "Registry.MeasurementAnnounced", None, None, measurement=measurement, version=version, counts_from=counts_from
    )


def test_the_policys_changes_are_judged() -> None:
    world = World()
    announce(world, 2)
    world.place("Registry.MinimumEvaluationRaised", None, None, number=18, sender=bytes(20))
    world.place("Registry.CollateralPinned", None, None, refresh=1, digests=[b"\x01" * 32], until=9)
    world.admit(0)
    found = audit(world).state
    assert found.counts["policy"] == 3
    assert [refresh.pins for refresh in found.policy.refreshes] == [{b"\x01" * 32}]
    announce(world, 3)
    refuses(world, "audit.policy")  # a second time

    world = World()
    world.place("Registry.MinimumVersionRaised", None, None, version=2, sender=bytes(20))
    world.place("Registry.MinimumVersionRaised", None, None, version=2, sender=bytes(20))
    refuses(world, "audit.policy")
    world = World()
    world.place("Registry.CollateralPinned", None, None, refresh=2, digests=[], until=9)
    refuses(world, "audit.policy")


@pytest.mark.parametrize("development", [True, False])
def test_outside_development_an_announcement_waits_for_seven_days_whatever_the_contract_says(development: bool) -> None:
    """As gatekeepers' enclaves wait: a deployer's shorter delay admits nobody earlier (PROTOCOL 1.4)."""
    measurement, since = Digest(b"\x77" * 32), 1_000
    state = SimpleNamespace(
        policy=PolicyHistory(),
        network=SimpleNamespace(configuration=configuration(development=development, custodian=Custodian("none"))),
        now=SimpleNamespace(timestamp=since),
        counts=Counter(),
    )
    said = {"measurement": measurement, "version": 2, "counts_from": since + 60}
    policies.on_announced(state, Event("Registry", "MeasurementAnnounced", said))  # type: ignore[arg-type]
    begin = since + (60 if development else LEAST_DELAY)
    assert [state.policy.version(measurement, set(), now) for now in (begin - 1, begin)] == [0, 2]


def test_who_is_below_the_least_version_was_admitted_falsely() -> None:
    world = World()
    world.admit(0)
    audit(world)
    world.place("Registry.MinimumVersionRaised", None, None, version=2, sender=bytes(20))
    audit(world)
    world.admit(1)
    refuses(world, "audit.version")


def wait_a_window(world: World, blocks: int = admissions.POLICY_WINDOW) -> None:
    """So long that no gatekeeper may judge by what was said before any more."""
    for _ in range(blocks):
        world.chain.mine()


def test_old_collateral_was_admitted_falsely() -> None:
    world = World()
    world.place("Registry.MinimumEvaluationRaised", None, None, number=19, sender=bytes(20))
    world.admit(0)
    audit(world)  # by gatekeepers that had proven the policy before
    wait_a_window(world)
    world.admit(1)
    refuses(world, "audit.evidence")


def pin(world: World, number: int, *digests: bytes, seconds: int = 7 * 86_400) -> None:
    until = world.chain.timestamp + 12 + (seconds if digests else 0)
    world.place("Registry.CollateralPinned", None, None, refresh=number, digests=list(digests), until=until)


def collateral_of(worker: int) -> Digest:
    """As a worker's evidence has it, in a network without pins."""
    world = World()
    world.admit(worker)
    (event,) = [event for record in world.records() for event in record.events if event.name == "Admitted"]
    evidence = decode_evidence(event["evidence"])
    return compute_collateral_digest(evidence.kind, evidence.collateral)


def test_collateral_that_was_not_pinned_was_admitted_falsely() -> None:
    world = World()
    pin(world, 1, OTHER)
    world.admit(0)
    audit(world)  # by gatekeepers that had proven the policy before
    wait_a_window(world)
    pin(world, 2, b"\x02" * 32)
    world.admit(1)
    with pytest.raises(EvidenceRefused) as caught:
        audit(world)
    assert (caught.value.code, "attestation.collateral_not_pinned" in caught.value.what) == ("audit.evidence", True)


def test_pinned_collateral_and_what_comes_after_pins_is_admitted_rightly() -> None:
    world = World()
    pin(world, 1, OTHER, collateral_of(0))
    wait_a_window(world)
    world.admit(0)
    assert audit(world).state.counts["admissions"] == 1
    pin(world, 2, OTHER)
    wait_a_window(world)
    pin(world, 3)  # none
    world.admit(1)
    assert audit(world).state.counts["admissions"] == 2
    pin(world, 4, OTHER, seconds=60)
    wait_a_window(world)
    world.admit(2)  # its pins are over
    assert audit(world).state.counts["admissions"] == 3


def test_what_another_contract_sends_rests_on_the_code() -> None:
    world = World()
    world.admit(0)
    records = edit(world, "Registry.Admitted", lambda event: replace(event, call=None))
    (line,) = [line for line in replay(world.network, records).lines() if line.subject == "admissions"]
    assert "by another contract" in line.rests_on


def test_every_event_of_every_contract_is_judged_or_passed_over_with_a_reason() -> None:
    known = {f"{name}.{event}" for name in CONTRACT_NAMES for event in load_artifact(name).interface.event_names}
    assert known == set(JUDGES) | set(PASSED_OVER)
    assert not set(JUDGES) & set(PASSED_OVER)
    assert all(PASSED_OVER.values())
    assert {subject for subject, _ in JUDGES.values()} <= set(SUBJECTS)


def test_an_event_of_a_later_release_is_not_passed_over(world: World) -> None:
    records = world.records()
    records[-1] = replace(records[-1], events=(Event("Registry", "of topic 0x00", {}),))
    with pytest.raises(EvidenceRefused) as caught:
        replay(world.network, records)
    assert caught.value.code == "audit.event"


def test_a_runtime_that_is_due_must_be_taken() -> None:
    world = World()
    cluster = world.create()
    world.announce_runtime(cluster, NEXT)
    world.raise_epoch(cluster)
    with pytest.raises(EvidenceRefused) as caught:
        replay(world.network, world.records())
    assert caught.value.code == "audit.runtime"


def test_the_rules_are_those_that_gatekeepers_enforce() -> None:
    assert ADMISSION_SECONDS == gatekeeper.ADMISSION_SECONDS
    assert HANDOVER_DELAY_SECONDS == handover.HANDOVER_DELAY_SECONDS
    assert admissions.POLICY_WINDOW == network_policy.POLICY_WINDOW
