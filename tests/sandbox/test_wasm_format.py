"""Integers and layouts of the binary format."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.sandbox.instrumentation import instrument
from coprocessor.sandbox.validation import RAW_PROFILE
from coprocessor.sandbox.wasm_format import Cursor, SectionId, encode_signed, encode_unsigned, read_layout
from coprocessor.values.errors import MalformedInput
from tests.sandbox.scenes import guest


@given(st.integers(0, 2**32 - 1))
def test_unsigned_round_trip(value: int) -> None:
    encoded = encode_unsigned(value)
    cursor = Cursor(encoded)
    assert (cursor.unsigned(), cursor.at) == (value, len(encoded))
    with pytest.raises(MalformedInput):
        Cursor(encoded[:-1]).unsigned()


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff\x10", b"\x80\x80\x80\x80\x80\x00", b""])
def test_unsigned_of_more_than_32_bits(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        Cursor(data).unsigned()


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, b"\x00"),
        (63, b"\x3f"),
        (64, b"\xc0\x00"),
        (-1, b"\x7f"),
        (-65, b"\xbf\x7f"),
        (2**31 - 1, b"\xff\xff\xff\xff\x07"),
    ],
)
def test_signed(value: int, encoded: bytes) -> None:
    assert encode_signed(value) == encoded


def test_overlong_integers_are_read() -> None:
    """Linkers write padded indexes, which must not change what is seen."""
    assert Cursor(b"\x83\x80\x80\x80\x00").unsigned() == 3


def test_instrumented_module_has_one_more_function_type_and_two_more_globals() -> None:
    before = read_layout(guest("(drop (memory.grow (i32.const 1)))"))
    after = read_layout(instrument(before, RAW_PROFILE).wasm)
    assert len(after.functions) == len(before.functions) + 1
    assert len(after.types) == len(before.types) + 1
    assert after.global_count == before.global_count + 2
    assert after.memories == ((2, RAW_PROFILE.memory_bytes // 65536),)
    names = {export.name for export in after.exports} - {export.name for export in before.exports}
    assert names == {"phat_depth", "phat_growth", "phat_global_0"}
    assert after.sections[SectionId.IMPORT] == before.sections[SectionId.IMPORT]


def test_functions_that_call_nothing_are_left_alone() -> None:
    before = read_layout(guest("", "(func $leaf (param i32) (result i32) (return (local.get 0)))"))
    after = read_layout(instrument(before, RAW_PROFILE).wasm)
    leaf = next(body for body in before.bodies if b"\x0f" in body)
    assert leaf in after.bodies
