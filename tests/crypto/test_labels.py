"""The label registry: no two purposes share bytes."""

from __future__ import annotations

import re
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.crypto.labels import PREFIX, Label
from coprocessor.values.errors import CallerMisuse

NETWORK = b"\x01" * 32
parts = st.lists(st.binary(max_size=6), max_size=4).map(tuple)
networks = st.sampled_from([b"", NETWORK, b"\x02" * 32])
uses = st.tuples(st.sampled_from(Label), networks, parts, st.booleans())


def test_values_are_unique_and_follow_the_grammar() -> None:
    members = Label.__members__
    assert len({label.value for label in members.values()}) == len(members), "an Enum alias hides a doubled value"
    for name, label in members.items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", label.value)
        assert label.value.replace("-", "_").upper() == name
        assert not label.value.endswith("insecure"), "the ending is reserved for simulated roots (PROTOCOL 8.1)"


@given(uses, uses)
def test_contexts_are_equal_only_for_equal_uses(one: tuple, other: tuple) -> None:  # type: ignore[type-arg]
    contexts = [label.context(network, *rest, insecure=insecure) for label, network, rest, insecure in (one, other)]
    assert (contexts[0] == contexts[1]) == (one == other)
    assert not contexts[0].startswith(contexts[1]) or one[:2] + one[3:] == other[:2] + other[3:]


@given(uses)
def test_a_context_can_be_read_back(use: tuple) -> None:  # type: ignore[type-arg]
    label, network, rest, insecure = use
    data, fields = label.context(network, *rest, insecure=insecure), []
    while data:
        length = int.from_bytes(data[:4], "big")
        fields.append(data[4 : 4 + length])
        data = data[4 + length :]
    name = PREFIX + label.value + ("-insecure" if insecure else "")
    assert fields == [name.encode(), network, *rest]


def test_no_label_begins_with_another_of_the_same_network() -> None:
    for one, other in permutations(Label, 2):
        assert not one.context(NETWORK).startswith(other.context(NETWORK))
        assert not one.context(NETWORK, insecure=True).startswith(other.context(NETWORK))


@pytest.mark.parametrize("length", [1, 20, 31, 33])
def test_a_network_is_32_bytes_or_none(length: int) -> None:
    with pytest.raises(CallerMisuse):
        Label.STATE_KEY.context(bytes(length))
