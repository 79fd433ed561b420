"""A program's lineage from a replayed record, and what people call the enclaves in it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coprocessor.attestation.roots import AMD_GENOA_ROOT, AMD_MILAN_ROOT
from coprocessor.audit.exposure import compute_exposure
from coprocessor.audit.lineage import compute_lineage
from coprocessor.audit.names import find_subject
from coprocessor.protocol.items import ClearItem, encode_items
from coprocessor.protocol.links import LinkKind
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import ProgramId
from tests.audit.world import TestWorker, World, audit


def scene() -> tuple[World, ProgramId, list[TestWorker]]:
    """Two workers; one leaves before the second epoch, another joins in it; another cluster stands beside."""
    world = World()
    cluster, other = world.create(quorum=2), world.create(b"other")
    one, two, three, four = (world.admit(number) for number in range(4))
    for worker in (one, two):
        world.join(cluster, worker)
    world.join(other, four)
    program = world.instantiate(cluster, b"program")
    world.instantiate(cluster, b"neighbour")
    world.input_key(cluster, program, [one, two])
    payload = encode_items(
        [ClearItem(0, 1, 0, b"x" * 150), ClearItem(1, 1, 0, b"y" * 90), ClearItem(0, 1, 0, b"z" * 50)]
    )
    world.link(cluster, LinkKind.BATCH, payload, items=3)
    world.remove(cluster, two)
    for _ in range(3):  # past the grace
        world.chain.mine()
    world.raise_epoch(cluster)
    world.join(cluster, three)
    for _ in range(3):
        world.chain.mine()
    world.link(cluster, LinkKind.BATCH, payload, items=3)
    return world, program, [one, two, three, four]


def test_a_lineage_names_everybody_who_could_have_had_the_keys() -> None:
    world, program, (one, two, three, four) = scene()
    lineage = compute_lineage(audit(world).state, program)
    first, second = lineage.epochs
    assert {holder.worker for holder in first.holders} == {one.worker, two.worker, three.worker}  # it is still open
    assert {holder.worker for holder in second.holders} == {one.worker, three.worker}
    assert four.worker not in {holder.worker for epoch in lineage.epochs for holder in epoch.holders}
    assert {holder.state for holder in first.holders} == {"member", "left"}
    assert all(holder.simulated and holder.vendor for holder in first.holders)
    assert (first.links, first.items, first.size) == (1, 2, 200)
    assert (second.links, second.items, second.size) == (1, 2, 200)
    assert first.input_key_signers == 2
    assert second.input_key == b""
    (committee,) = lineage.committees
    assert (committee.threshold, len(committee.members), committee.until) == (2, 3, None)
    assert all(member.has_share for member in committee.members)
    shown = " ".join(leak.opens + leak.not_opened for leak in lineage.leaks)
    assert "missing for the master key: 1" in shown
    assert "of which there are 1" in shown


def test_a_refresh_makes_another_committee() -> None:
    world, program, _ = scene()
    world.refresh()
    before, after = compute_lineage(audit(world).state, program).committees
    assert (before.number, after.number) == (1, 2)
    assert before.until == after.since


def test_a_program_that_is_none() -> None:
    world, _, _ = scene()
    with pytest.raises(CallerMisuse) as caught:
        compute_lineage(audit(world).state, ProgramId(bytes(32)))
    assert caught.value.code == "program.unknown"


def test_subjects_are_found_by_any_of_their_names() -> None:
    world, _, (one, two, *_) = scene()
    state = audit(world).state
    for name in (one.worker.hex(), "0x" + one.worker.hex()[:12], one.key.address.hex(), one.operator.address.hex()):
        subject = find_subject(state, "worker", name)
        assert subject.broken.workers == {one.worker}
    assert len(find_subject(state, "gatekeeper", "0").broken.gatekeepers) == 1
    signer = world.committee.booted[1].signer
    assert find_subject(state, "gatekeeper", signer.hex()[:10]).broken.gatekeepers == {signer}
    platform = find_subject(state, "platform", state.workers[two.worker].live.platform.hex()[:10])
    assert platform.broken.workers == {two.worker}
    vendor = find_subject(state, "vendor", "simulated")
    assert len(vendor.assumed) == 3
    world.publish_evidence()
    assert not find_subject(audit(world).state, "vendor", "simulated").assumed
    assert len(vendor.broken.workers) == 4
    assert set(vendor.broken.gatekeepers) == {booted.signer for booted in world.committee.booted}


def test_a_maker_breaks_with_all_its_roots_that_count_here() -> None:
    """AMD has one for each generation: who names AMD means all, and those that no machine of today comes with, too."""
    world, _, (one, two, *_) = scene()
    state = audit(world).state
    configuration = state.network.configuration
    amd = (AMD_MILAN_ROOT.digest, AMD_GENOA_ROOT.digest)
    floor = replace(configuration.attestation, roots=(*configuration.attestation.roots, *amd))
    state.network = replace(state.network, configuration=replace(configuration, attestation=floor))
    ((admission, block),) = state.workers[one.worker].admissions
    state.workers[one.worker].admissions = [(replace(admission, root=AMD_MILAN_ROOT.digest), block)]
    found = find_subject(state, "vendor", "AMD")
    assert found.digests == tuple(sorted(amd))
    assert found.broken.workers == {one.worker}
    assert two.worker in find_subject(state, "vendor", "simulated").broken.workers
    assert find_subject(state, "vendor", AMD_GENOA_ROOT.digest.hex()).digests == (AMD_GENOA_ROOT.digest,)
    with pytest.raises(CallerMisuse, match=r"it has: .*amd"):
        find_subject(state, "vendor", "intel")


@pytest.mark.parametrize("kind", ["worker", "gatekeeper", "vendor", "platform"])
@pytest.mark.parametrize("name", ["", "0x", "zz", "nobody", "0x" + "11" * 32, "x" * 5000])
def test_names_of_nobody(kind: str, name: str) -> None:
    world = World()
    with pytest.raises(CallerMisuse) as caught:
        find_subject(audit(world).state, kind, name)
    assert caught.value.code == "drill.unknown"


def test_a_name_of_two() -> None:
    world, _, _ = scene()
    with pytest.raises(CallerMisuse) as caught:  # one operator runs all gatekeepers
        find_subject(audit(world).state, "gatekeeper", audit(world).state.committees[0].seats[0][0].hex())
    assert caught.value.code == "drill.ambiguous"


def test_a_worker_exposes_its_open_epochs_and_a_quorum_only_with_others() -> None:
    world, _, (one, two, three, four) = scene()
    state = audit(world).state
    exposure = compute_exposure(state, find_subject(state, "worker", two.worker.hex()).broken)
    assert [(one.epoch, one.is_open) for one in exposure.now] == [(1, True)]
    assert not exposure.quorums
    both = (
        find_subject(state, "worker", one.worker.hex()).broken
        | find_subject(state, "worker", three.worker.hex()).broken
    )
    assert len(compute_exposure(state, both).quorums) == 1
    alone = compute_exposure(state, find_subject(state, "worker", four.worker.hex()).broken)
    assert len({one.cluster for one in alone.now}) == 1
