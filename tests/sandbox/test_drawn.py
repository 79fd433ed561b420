"""What guests draw from their secrets: equal for equal uses, different for any two different ones."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from coprocessor.crypto.hashing import sha256
from coprocessor.sandbox.drawn import derive_application_key, draw_random
from coprocessor.values.identities import ProgramId

secrets = st.sampled_from([sha256(b"one"), sha256(b"other")])
programs = st.sampled_from([ProgramId(sha256(b"program")), ProgramId(sha256(b"callee"))])
draws = st.tuples(secrets, programs, st.integers(0, 3), st.just(32))
purposes = st.tuples(secrets, st.binary(max_size=4))


@given(draws, draws)
def test_each_call_of_random_has_its_own_bytes(one: tuple, other: tuple) -> None:  # type: ignore[type-arg]
    assert (draw_random(*one) == draw_random(*other)) == (one == other)


@given(secrets, programs, st.integers(0, 3), st.integers(0, 1024))
def test_a_shorter_draw_is_the_beginning_of_a_longer_one(
    seed: bytes, program: ProgramId, call: int, length: int
) -> None:
    assert draw_random(seed, program, call, 1024)[:length] == draw_random(seed, program, call, length)


@given(purposes, purposes)
def test_each_purpose_has_its_own_key(one: tuple, other: tuple) -> None:  # type: ignore[type-arg]
    assert (derive_application_key(*one) == derive_application_key(*other)) == (one == other)
