"""The cluster's root tells what a program is, also where nothing is written when that changes (PROTOCOL 5.1, 12)."""

from __future__ import annotations

from coprocessor.crypto.hashing import sha256
from coprocessor.enclave.sealed_state import ClusterState, ProgramState
from coprocessor.values.identities import Digest
from tests.vectors import world

BEFORE, AFTER = sha256(b"code"), sha256(b"other code")


def state_with(record: Digest) -> ClusterState:
    state = ClusterState(world.NETWORK_ID)
    state.add(world.PROGRAM, ProgramState(world.NETWORK_ID, world.PROGRAM_KEYS, record))
    state.write(world.PROGRAM, b"total", b"5", 1, 0)
    return state


def test_a_changed_record_changes_the_root_without_a_write() -> None:
    state = state_with(BEFORE)
    before = state.root(1, 2)
    state.set_record(world.PROGRAM, AFTER)
    assert before != state.root(1, 2) == state_with(AFTER).root(1, 2)
