"""A committee in which one operator, or one vendor's hardware, has t shares: each honest member refuses it, by its own
knowledge. With the rule off, as on development networks, the same list hands the key to one of them (PROTOCOL 8.9)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from coprocessor.attestation.evidence import Evidence, EvidenceKind
from coprocessor.attestation.vendors.simulated_nitro import NitroEnclave, SimulatedNitroPlatform
from coprocessor.attestation.vendors.simulated_platform import SimulatedPlatform, TdReport
from coprocessor.attestation.vendors.simulated_snp import SimulatedSnpPlatform, SnpGuest
from coprocessor.attestation.verify import verify_evidence
from coprocessor.attesters.simulated import SimulatedAttester
from coprocessor.crypto.hashing import sha256
from coprocessor.enclave import messages as m
from coprocessor.enclave.diversity import _MOST_SEEN, Diversity
from coprocessor.enclave.handover import HANDOVER_DELAY_SECONDS
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import Address
from coprocessor.values.network import Custodian
from tests.enclave.committee import Committee, Place
from tests.enclave.cores import ask, policy_proof, refusal
from tests.enclave.test_ceremony_machine import is_key
from tests.support.fake_chain import GENESIS_TIME, MEASURED, FakeChain, configuration, key

ALICE, BOB, CAROL, MALLORY, DAVE = (key(60 + at).address for at in range(5))
INTEL, INTEL_TDX, AMD, AWS = EvidenceKind.SGX, EvidenceKind.TDX, EvidenceKind.SNP, EvidenceKind.NITRO


class Machine(SimulatedAttester):
    """A simulated machine whose evidence has one vendor's format.

    Args:
        name: of the machine.
        kind: the format.
    """

    def __init__(self, name: bytes, kind: EvidenceKind) -> None:
        super().__init__(sha256(name), MEASURED)
        self._kind, self._name = kind, sha256(name)

    def quote(self, report_data: bytes, now: int) -> Evidence:
        if self._kind is AMD:
            return SimulatedSnpPlatform(self._name).evidence(SnpGuest(b"m" * 48, report_data), now)
        if self._kind is AWS:
            enclave = NitroEnclave(dict.fromkeys(range(3), b"m" * 48), report_data)
            return SimulatedNitroPlatform(self._name).evidence(enclave, now)
        if self._kind is INTEL_TDX:
            return SimulatedPlatform(self._name).tdx_evidence(TdReport(b"m" * 48, report_data), now)
        return super().quote(report_data, now)


def place(operator: bytes, kind: EvidenceKind, machine: bytes = b"") -> Place:
    return operator, Machine(operator + machine, kind)


MEASUREMENTS = tuple(
    verify_evidence(Machine(b"any", kind).quote(bytes(64), GENESIS_TIME), GENESIS_TIME).measurement_digest
    for kind in (INTEL_TDX, AMD, AWS)
)
FIRST = [place(ALICE, INTEL), place(BOB, AMD), place(CAROL, AWS)]


def chain_of(*, development: bool) -> FakeChain:
    terms = configuration(custodian=Custodian("none"), development=development, measurements=MEASUREMENTS)
    return FakeChain(terms)


def whole(*, development: bool) -> Committee:
    """Two of three, each of another operator on another vendor's hardware."""
    committee = Committee(chain_of(development=development), 3, 2, FIRST)
    committee.hold_genesis()
    committee.run()
    committee.record_members()
    return committee


def announce(committee: Committee, following: Sequence[int]) -> None:
    """The list has waited for its time; every present member has verified each newcomer meanwhile."""
    committee.propose(following, 2)
    for at in committee.present:
        committee.verify(at)
    committee.evidence = {}  # it would be too old now
    committee.chain.skip(HANDOVER_DELAY_SECONDS)
    committee.chain.mine()


def answers(committee: Committee) -> list[str]:
    return [refusal(committee.sync_handover(at), m.SignHandover()) for at in committee.present]


def test_a_proposer_with_t_enclaves_of_its_own_is_refused_by_each_member() -> None:
    committee = whole(development=False)
    own = [committee.add_candidate(place(MALLORY, kind, bytes((at,)))) for at, kind in enumerate((AMD, AWS))]
    announce(committee, [0, *own])
    assert answers(committee) == ["committee.one_operator"] * 3
    said = committee.sync_handover(1).handle(m.SignHandover())[0]
    assert MALLORY.hex() in said.what
    assert "2 of 3 shares, t is 2" in said.what
    assert "phat gatekeeper candidates" in said.next


def test_where_the_rule_is_off_the_same_proposer_holds_the_key() -> None:
    committee = whole(development=True)
    own = [committee.add_candidate(place(MALLORY, kind, bytes((at,)))) for at, kind in enumerate((AMD, AWS))]
    announce(committee, [0, *own])
    committee.begin_handover([0, 1])
    committee.run_handover()
    shares = {}
    for at in own:
        state = committee.cores[at]._state
        assert state is not None
        assert state.custody.share is not None
        shares[state.custody.share.index] = state.custody.share.secret.value
    assert is_key(committee.master_key, shares)


@pytest.mark.parametrize("kind", [INTEL, INTEL_TDX])
def test_t_shares_on_one_vendors_hardware_are_refused_members_that_stay_included(kind: EvidenceKind) -> None:
    committee = whole(development=False)
    newcomer = committee.add_candidate(place(DAVE, kind))
    announce(committee, [0, 1, newcomer])
    assert answers(committee) == ["committee.one_vendor"] * 3
    said = committee.sync_handover(2).handle(m.SignHandover())[0]
    assert "2 of 3 shares would rest on hardware of Intel, t is 2" in said.what


def test_a_diverse_list_is_agreed_to_and_takes_over() -> None:
    committee = whole(development=False)
    newcomer = committee.add_candidate(place(DAVE, INTEL_TDX))
    announce(committee, [newcomer, 1, 2])
    committee.begin_handover([0, 1])
    assert [step.has_share for step in committee.run_handover()] == [False, True, True, True]


def test_a_member_that_was_restarted_must_see_the_hardware_again() -> None:
    """What an enclave saw at the genesis is gone with its memory: unknown is not diverse."""
    committee = whole(development=False)
    newcomer = committee.add_candidate(place(DAVE, INTEL))
    announce(committee, [newcomer, 1, 2])
    committee.crash(0)
    committee.recover(0, [1, 2])
    committee.evidence = {newcomer: committee.admission(newcomer)}
    committee.verify(0)
    assert refusal(committee.sync_handover(0), m.SignHandover()) == "handover.unverified"  # evidence is another one
    committee.propose([newcomer, 1, 2], 2)
    committee.verify(0)
    committee.chain.skip(HANDOVER_DELAY_SECONDS)
    committee.chain.mine()
    said = committee.sync_handover(0).handle(m.SignHandover())[0]
    assert (said.code, "members [1, 2]" in said.what) == ("committee.unknown_hardware", True)
    for at in (1, 2):
        fresh = committee.admission(at)
        ask(committee.sync_handover(0), policy_proof(fresh, committee.chain))
        ask(committee.cores[0], m.VerifyCandidate(fresh))
    assert isinstance(ask(committee.sync_handover(0), m.SignHandover()), m.HandoverSigned)


def test_a_member_deals_to_no_such_list_even_where_t_others_have_begun() -> None:
    committee = whole(development=False)
    own = [committee.add_candidate(place(MALLORY, kind, bytes((at,)))) for at, kind in enumerate((AMD, AWS))]
    announce(committee, [0, *own])
    for dishonest in (1, 2):
        state = committee.cores[dishonest]._state
        assert state is not None
        state.custody._diversity._is_demanded = False
    committee.begin_handover([1, 2])
    assert [said.member for said in committee.look_handover(0).says] == [3]  # as a receiver alone
    assert len(committee.look_handover(1).says) == 1


@pytest.mark.parametrize(
    ("places", "code"),
    [
        ([place(ALICE, INTEL), place(ALICE, AMD), place(CAROL, AWS)], "committee.one_operator"),
        ([place(ALICE, INTEL), place(BOB, INTEL_TDX), place(CAROL, AWS)], "committee.one_vendor"),
    ],
)
def test_nobody_signs_a_genesis_without_diversity(places: list[Place], code: str) -> None:
    committee = Committee(chain_of(development=False), 3, 2, places)
    message = committee.genesis_message()
    assert [refusal(core, message) for core in committee.cores] == [code] * 3
    loose = Committee(chain_of(development=True), 3, 2, places)
    loose.hold_genesis()


def test_one_gatekeeper_alone_is_for_development() -> None:
    rule = Diversity(is_demanded=True)
    with pytest.raises(EvidenceRefused) as refused:
        rule.check([(Address(ALICE), Address(BOB))], 1)
    assert refused.value.code == "committee.one_operator"
    Diversity(is_demanded=False).check([(Address(ALICE), Address(BOB))], 1)


def test_what_is_remembered_of_hardware_is_bounded() -> None:
    rule = Diversity(is_demanded=True)
    for at in range(_MOST_SEEN + 1):
        rule.note(Address(at.to_bytes(20, "big")), INTEL)
    assert len(rule._vendors) == _MOST_SEEN
    rule.check([(Address(ALICE), Address((1).to_bytes(20, "big")))], 2)
    with pytest.raises(EvidenceRefused) as refused:
        rule.check([(Address(ALICE), Address(bytes(20)))], 2)
    assert refused.value.code == "committee.unknown_hardware"
