"""JSON from strangers: the same values as Python's own parser, and nothing that ends the process."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.codec import strict_json
from coprocessor.values.errors import MalformedInput

numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


@pytest.fixture
def _deep_recursion_allowed() -> Iterator[None]:
    """The limit that py_ecc sets for the whole process."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    yield
    sys.setrecursionlimit(before)


@given(values, st.booleans())
def test_agreement_with_the_parser_below(value: Any, is_ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii)
    assert strict_json.loads(text) == value
    if is_ascii:
        assert strict_json.loads(text.encode("utf-8")) == value


@given(st.text(alphabet='[]{}",:\\ a1', max_size=40))
def test_random_texts_raise_only_the_documented_error(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(MalformedInput):
            strict_json.loads(text)
        return
    if any(len(dict(pairs)) != len(pairs) for pairs in _objects(text)):
        with pytest.raises(MalformedInput, match="twice"):
            strict_json.loads(text)
    else:
        assert strict_json.loads(text) == expected


def _objects(text: str) -> list[list[tuple[str, Any]]]:
    """The fields of every object in a document, doubled ones too."""
    found: list[list[tuple[str, Any]]] = []
    json.loads(text, object_pairs_hook=found.append)
    return found


@pytest.mark.usefixtures("_deep_recursion_allowed")
@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000, '["\\"' + '",[' * 200_000, "[" * 65 + "]" * 65])
def test_nesting_is_bounded_whatever_the_recursion_limit(text: str) -> None:
    with pytest.raises(MalformedInput) as caught:
        strict_json.loads(text)
    assert caught.value.code == "json.malformed"


def test_brackets_inside_strings_do_not_nest() -> None:
    text = json.dumps(["[" * 100, "\\[" * 100, '"[' * 100, {"{" * 100: "}"}])
    assert strict_json.loads(text) == json.loads(text)
    deepest = "[" * strict_json.MAX_NESTING + "]" * strict_json.MAX_NESTING
    assert strict_json.loads(deepest) == json.loads(deepest)


@pytest.mark.parametrize(
    "text",
    ['{"a":1,"a":1}', '{"a":1,"\\u0061":2}', "NaN", "[Infinity]", "-Infinity", b"\xff", "", "1 2", "9" * 5000, "'a'"],
)
def test_other_documents_are_refused(text: str | bytes) -> None:
    with pytest.raises(MalformedInput):
        strict_json.loads(text)


def test_the_longest_document_is_named_by_the_caller() -> None:
    assert strict_json.loads("[1]", 3) == [1]
    with pytest.raises(MalformedInput) as caught:
        strict_json.loads("[1]", 2)
    assert caught.value.code == "json.too_long"


@pytest.mark.parametrize("text", ["1e999", "[-1e400]", '"\\ud800"', '{"\\udfff": 1}', '"\ud800"'])
def test_numbers_beyond_floats_and_half_signs_are_refused(text: str) -> None:
    with pytest.raises(MalformedInput, match=r"json\.malformed"):
        strict_json.loads(text)


def test_surrogate_pairs_are_one_sign() -> None:
    assert strict_json.loads('"\\ud83d\\ude00"') == "\U0001f600"


@pytest.mark.parametrize("text", [b"[" * 65, b'{"a":' * 65, b'["\\"[", ' + b"[" * 65])
def test_depth_is_counted_for_other_parsers_too(text: bytes) -> None:
    for form in (text, text.decode()):
        with pytest.raises(MalformedInput, match="nested deeper"):
            strict_json.check_nesting(form)


def test_brackets_inside_strings_are_no_depth() -> None:
    strict_json.check_nesting(b'["' + b"[" * 1000 + b'"]')
    strict_json.check_nesting(b"[" * 64 + b"]" * 64)
    strict_json.check_nesting(b"[" + b"[], " * 500 + b"[]]")
