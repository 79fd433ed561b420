"""Outside development, a committee in which one operator has t seats is found by whoever repeats the history (PROTOCOL
8.9): t enclaves that follow other rules let it pass, the audit does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from coprocessor.audit import committees
from coprocessor.audit.state import AuditState, Block, Committee, Seat
from coprocessor.protocol.statements import compute_handover_session
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import Address, Digest
from coprocessor.values.network import Custodian, Network
from tests.support.fake_chain import configuration

NOW = Block(9, Digest(bytes(32)), 40 * 86_400, Digest(bytes(32)))


def seats_of(*operators: int) -> tuple[Seat, ...]:
    """A member for each operator, each with keys of its own."""
    return tuple(
        (Address(bytes((operator,)) * 20), Address(bytes((100 + at,)) * 20), bytes(32), Digest(bytes((at,)) * 32))
        for at, operator in enumerate(operators)
    )


def state_of(*, development: bool, first: tuple[Seat, ...]) -> AuditState:
    terms = replace(configuration(custodian=Custodian("none")), development=development)
    state = AuditState(Network(terms, tuple(seat[3] for seat in first)), 10)
    state.blocks = [NOW]
    return state


def initialize(state: AuditState, first: tuple[Seat, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committees, "signatures_of", lambda *_: None)
    event = {"genesis": state.network_id, "members": first, "threshold": 2}
    committees.on_initialized(state, cast(Any, event))


@pytest.mark.parametrize(("operators", "is_good"), [((1, 2, 3), True), ((1, 2, 1), False)])
def test_a_genesis(operators: tuple[int, ...], is_good: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    first = seats_of(*operators)
    initialize(state_of(development=True, first=first), first, monkeypatch)
    state = state_of(development=False, first=first)
    if is_good:
        initialize(state, first, monkeypatch)
        return
    with pytest.raises(EvidenceRefused) as found:
        initialize(state, first, monkeypatch)
    assert found.value.code == "audit.one_operator"
    assert "2 of 3 seats, t is 2" in found.value.what


@pytest.mark.parametrize(("operators", "is_good"), [((1, 2, 4), True), ((1, 4, 4), False)])
def test_a_next_committee(operators: tuple[int, ...], is_good: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    first, following = seats_of(1, 2, 3), seats_of(*operators)
    state = state_of(development=False, first=first)
    initialize(state, first, monkeypatch)
    state.proposed = 2, following, 0
    committee = cast(Committee, state.committee)
    session = compute_handover_session(state.session, committee.number, 2, 0, following)
    if is_good:
        committees._check_handover_begins(state, cast(Any, {}), committee, session)
        return
    with pytest.raises(EvidenceRefused) as found:
        committees._check_handover_begins(state, cast(Any, {}), committee, session)
    assert found.value.code == "audit.one_operator"
