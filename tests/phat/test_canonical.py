"""Canonical JSON: one text for each value, and nothing else is read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phat import canonical
from phat.limits import MAX_JSON_NESTING

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_round_trip_and_agreement_with_json(value: canonical.Json) -> None:
    encoded = canonical.encode(value)
    assert canonical.decode(encoded) == value
    plain = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    assert encoded == plain.encode()


@pytest.mark.parametrize(
    "data",
    [
        b"", b" ", b" 1", b"1 ", b"[1, 2]", b'{"b":1,"a":2}', b'{"a":1,"a":1}', b"1.50", b"1E5", b"01", b"-0", b"+1",
        b"NaN", b"Infinity", b"-Infinity", b'"\\u0041"', b'"\\/"', b'"\\ud800"', b"'a'", b"[1,]", b"nul", b"1 2",
        b'"a', b"\xff", b'"\xed\xa0\x80"', b"\xef\xbb\xbf1", b"[" * 65 + b"]" * 65, b"9" * 4301,
    ],
)  # fmt: skip
def test_everything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - UnicodeDecodeError and JSONDecodeError are ValueErrors
        canonical.decode(data)


def test_nesting_counts_structure_only() -> None:
    deepest = b"[" * MAX_JSON_NESTING + b"]" * MAX_JSON_NESTING
    assert canonical.encode(canonical.decode(deepest)) == deepest
    text = canonical.encode("[" * 1000 + '"\\[')
    assert canonical.decode(text) == "[" * 1000 + '"\\['
    wide = b"[" + b",".join([b"[]"] * 1000) + b"]"
    assert canonical.decode(wide) == [[]] * 1000


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_values_without_a_form(value: canonical.Json) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - UnicodeEncodeError is one
        canonical.encode(value)


@given(st.binary(max_size=60))
def test_random_bytes_raise_only_value_error(data: bytes) -> None:
    try:
        value = canonical.decode(data)
    except ValueError:
        return
    assert canonical.encode(value) == data
