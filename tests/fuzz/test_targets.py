"""Random bytes, mutated valid bytes and hostile lengths into every target: only documented errors, bounded means.

What ``make fuzz`` found before lies in ``corpus`` and is replayed here.
"""

from __future__ import annotations

import signal
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coprocessor.codec import cbor
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS
from tests.support.byte_mutation import mutate

CORPUS = Path(__file__).parent / "corpus"
CPU_SECONDS = 60
"""Processor time of one test here; each takes below one second, so more means that something does not end."""

BOMB_BYTES = 96 * 1024
MEMORY_BYTES = 24 * 1024 * 1024
"""Greatest allocation by Python for one bomb: what is declared must not be allocated before it is there."""

_HUGE = [(1 << bits) - 1 for bits in (16, 31, 32, 63, 64)]
BOMBS: dict[str, bytes] = {
    "nothing": b"",
    "zeros": bytes(BOMB_BYTES),
    "ones": b"\xff" * BOMB_BYTES,
    "arrays": b"\x81" * BOMB_BYTES,
    "maps": b"\xa1\x00" * (BOMB_BYTES // 2),
    "json arrays": b"[" * BOMB_BYTES,
    "json objects": b'{"a":' * (BOMB_BYTES // 5),
    "json string": b'"' + b"\\" * BOMB_BYTES,
    "json number": b"9" * BOMB_BYTES,
    "lists": b"\xc1" * BOMB_BYTES,
    "nested lists": b"\xf8\xff" * (BOMB_BYTES // 2),
    "text": b"0x" + b"f" * BOMB_BYTES,
    "not UTF-8": b"\xc3\x28" * 1000,
    **{f"bytes of {size}": b"\x5b" + size.to_bytes(8, "big") for size in _HUGE},
    **{f"array of {size}": b"\x9b" + size.to_bytes(8, "big") + bytes(99) for size in _HUGE},
    **{f"map of {size}": b"\xbb" + size.to_bytes(8, "big") + bytes(99) for size in _HUGE},
    **{f"list of {size}": b"\xff" + size.to_bytes(8, "big") for size in _HUGE},
    **{f"frame of {size}": size.to_bytes(4, "big") for size in _HUGE[:3]},
    **{f"word {size}": size.to_bytes(32, "big") * 40 for size in _HUGE},
}


@contextmanager
def ends_in_time() -> Iterator[None]:
    """Raises where the block uses more processor time than anything here may."""

    def stop(*_: Any) -> None:
        raise AssertionError(f"no end after {CPU_SECONDS} seconds of processor time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@cache
def seeds_of(target: Target) -> tuple[bytes, ...]:
    """The target's valid inputs, made once."""
    return tuple(target.seeds())


all_targets = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


@all_targets
def test_valid_inputs_are_accepted(target: Target) -> None:
    for seed in seeds_of(target):
        assert target.attack(seed), "a seed is refused, so mutations of it would prove nothing"


@all_targets
def test_only_documented_errors(target: Target) -> None:
    seeds = seeds_of(target) or (b"",)
    mutated = st.builds(mutate, st.sampled_from(seeds), st.integers(0, 2**32))

    @settings(max_examples=target.examples)
    @given(st.one_of(mutated, mutated, mutated, st.binary(max_size=200)))
    def attack(data: bytes) -> None:
        target.attack(data)

    with ends_in_time():
        attack()


@all_targets
def test_hostile_lengths_and_depths_cost_little(target: Target) -> None:
    bombs = list(BOMBS.items())
    bombs += [(f"much of seed {at}", (seed * (BOMB_BYTES // (len(seed) or 1)))[:BOMB_BYTES])
              for at, seed in enumerate(seeds_of(target)[:2])]  # fmt: skip
    tracemalloc.start()
    try:
        with ends_in_time():
            for name, bomb in bombs:
                tracemalloc.reset_peak()
                before = tracemalloc.get_traced_memory()[0]
                target.attack(bomb)
                used = tracemalloc.get_traced_memory()[1] - before
                assert used < MEMORY_BYTES, f"{name}: {used >> 20} MiB for {len(bomb)} bytes"
    finally:
        tracemalloc.stop()


@all_targets
def test_what_fuzzing_found_stays_mended(target: Target) -> None:
    with ends_in_time():
        for path in sorted((CORPUS / target.name).glob("*")):
            target.attack(path.read_bytes())


def test_the_corpus_belongs_to_targets_and_is_small() -> None:
    folders = {path.name for path in CORPUS.iterdir()} if CORPUS.exists() else set()
    assert folders <= set(TARGETS)
    sizes = [path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()]
    assert sum(sizes) < 3 << 20


def test_mutations_repeat_and_differ() -> None:
    seed = cbor.dumps({"a": [1, b"x" * 40, "text"], "b": None})
    drawn = [mutate(seed, number) for number in range(300)]
    assert drawn == [mutate(seed, number) for number in range(300)]
    assert len(set(drawn)) > 200
    still_cbor = 0
    for data in drawn:
        try:
            cbor.loads(data)
        except Exception:
            continue
        still_cbor += data != seed
    assert still_cbor > 30, "the structure is never mutated"
