"""Counter, counter in C, and ballot."""

from __future__ import annotations

import pytest

from tests.examples.scene import ALICE, BOB, Failed, Theatre, refused


@pytest.mark.parametrize("path", ["counter/counter.py", "c_counter/counter.wasm"])
def test_counters_count_alike_in_both_languages(theatre: Theatre, path: str) -> None:
    scene = theatre.open(path, start=40)
    assert scene.call("add", 2) == 42
    assert scene.call("add", 3, author=BOB) == 45
    assert scene.query("get") == 45


def test_python_counter_has_defaults(theatre: Theatre) -> None:
    scene = theatre.open("counter/counter.py")
    assert scene.call("add") == 1


def test_c_counter_refuses_an_overflow_and_keeps_its_count(theatre: Theatre) -> None:
    scene = theatre.open("c_counter/counter.wasm", start=2**64 - 1)
    with pytest.raises(Failed, match="the counter would overflow"):
        scene.call("add", 1)
    assert scene.query("get") == 2**64 - 1


def test_c_counter_emits_the_new_count(theatre: Theatre) -> None:
    scene = theatre.open("c_counter/counter.wasm", start=1)
    scene.call("add", 5)
    assert scene.last is not None
    assert [(event.name, int.from_bytes(event.data, "little")) for event in scene.last.events] == [("Added", 6)]


def test_ballot_counts_one_vote_of_each_author(theatre: Theatre) -> None:
    scene = theatre.open("ballot/ballot.py", choices=["yes", "no"])
    scene.batch((ALICE, "vote", "yes"), (BOB, "vote", "yes"))
    assert scene.query("tally") == {"no": 0, "yes": 2}
    with refused("you have voted already"):
        scene.call("vote", "no", author=ALICE)
    with refused("vote for one of: yes, no"):
        scene.call("vote", "maybe")
    assert scene.query("tally") == {"no": 0, "yes": 2}


@pytest.mark.parametrize("choices", [[], ["only"], ["same", "same"]])
def test_ballot_needs_two_different_choices(theatre: Theatre, choices: list[str]) -> None:
    with refused("a ballot has at least two choices, all different"):
        theatre.open("ballot/ballot.py", choices=choices)
