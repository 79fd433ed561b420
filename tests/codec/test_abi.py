"""The contract ABI: another implementation as oracle, and one encoding for each value."""

from __future__ import annotations

from typing import Any

import eth_abi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coprocessor.codec import abi
from coprocessor.values.errors import CallerMisuse, MalformedInput

# A type name, its values as we take them, and the same value as the oracle takes it.
TypeAndValues = tuple[str, st.SearchStrategy[Any]]


def _integers() -> st.SearchStrategy[TypeAndValues]:
    bits = st.integers(1, 32).map(lambda count: count * 8)
    unsigned = bits.map(lambda size: (f"uint{size}", st.integers(0, 2**size - 1)))
    signed = bits.map(lambda size: (f"int{size}", st.integers(-(2 ** (size - 1)), 2 ** (size - 1) - 1)))
    return unsigned | signed


def _words() -> st.SearchStrategy[TypeAndValues]:
    fixed = st.integers(1, 32).map(lambda size: (f"bytes{size}", st.binary(min_size=size, max_size=size)))
    address: TypeAndValues = ("address", st.binary(min_size=20, max_size=20))
    return _integers() | fixed | st.just(address) | st.just(("bool", st.booleans()))


def _dynamic() -> st.SearchStrategy[TypeAndValues]:
    return st.sampled_from([("bytes", st.binary(max_size=70)), ("string", st.text(max_size=30))])


def _nested(inner: st.SearchStrategy[TypeAndValues]) -> st.SearchStrategy[TypeAndValues]:
    def array(kind: TypeAndValues) -> TypeAndValues:
        return kind[0] + "[]", st.lists(kind[1], max_size=3)

    def fixed(pair: tuple[TypeAndValues, int]) -> TypeAndValues:
        (name, values), size = pair
        return f"{name}[{size}]", st.lists(values, min_size=size, max_size=size)

    def struct(members: list[TypeAndValues]) -> TypeAndValues:
        return f"({','.join(name for name, _ in members)})", st.tuples(*(values for _, values in members))

    arrays = inner.map(array) | st.tuples(inner, st.integers(1, 3)).map(fixed)
    return arrays | st.lists(inner, min_size=1, max_size=3).map(struct)


kinds = st.recursive(_words() | _dynamic(), _nested, max_leaves=5)


@st.composite
def typed_values(draw: st.DrawFn) -> tuple[list[str], list[Any]]:
    """Type names and values for them."""
    members = draw(st.lists(kinds, min_size=1, max_size=4))
    return [name for name, _ in members], [draw(values) for _, values in members]


def _for_oracle(kind: str, value: Any) -> Any:
    if kind.endswith("]"):
        return [_for_oracle(kind[: kind.rindex("[")], item) for item in value]
    if kind.startswith("("):
        return tuple(_for_oracle(part, item) for part, item in zip(abi.split_types(kind), value, strict=True))
    return "0x" + value.hex() if kind == "address" else value


@given(typed_values())
def test_agreement_with_eth_abi(case: tuple[list[str], list[Any]]) -> None:
    types, values = case
    encoded = abi.encode(types, values)
    theirs = [_for_oracle(kind, value) for kind, value in zip(types, values, strict=True)]
    assert encoded == eth_abi.encode(types, theirs)
    assert abi.decode(types, encoded) == values


@settings(max_examples=300)
@given(typed_values(), st.data())
def test_mutated_encodings_decode_to_their_one_form_or_not_at_all(
    case: tuple[list[str], list[Any]], data: st.DataObject
) -> None:
    types, values = case
    encoded = bytearray(abi.encode(types, values))
    if not encoded:
        return
    encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = abi.decode(types, bytes(encoded))
    except MalformedInput:
        return
    assert abi.encode(types, decoded) == encoded


@given(st.lists(kinds, min_size=1, max_size=3), st.binary(max_size=200))
def test_random_bytes_raise_only_the_documented_error(members: list[TypeAndValues], data: bytes) -> None:
    types = [name for name, _ in members]
    try:
        decoded = abi.decode(types, data)
    except MalformedInput:
        return
    assert abi.encode(types, decoded) == data


# Solidity documentation, "Contract ABI Specification", section "Examples".
def test_examples_of_the_specification() -> None:
    assert abi.selector("baz(uint32,bool)").hex() == "cdcd77c0"
    assert abi.encode_call("baz(uint32,bool)", 69, True).hex() == "cdcd77c0" + f"{69:064x}" + f"{1:064x}"
    assert abi.encode_call("sam(bytes,bool,uint256[])", b"dave", True, [1, 2, 3]).hex() == (
        "a5643bf2"
        + "".join(f"{word:064x}" for word in (0x60, 1, 0xA0, 4))
        + b"dave".hex().ljust(64, "0")
        + "".join(f"{word:064x}" for word in (3, 1, 2, 3))
    )


WORD = 32
REFUSED = {
    "dirty address": (["address"], b"\1" + bytes(31)),
    "dirty bytes4": (["bytes4"], b"abcd" + bytes(27) + b"\1"),
    "bool of two": (["bool"], bytes(31) + b"\2"),
    "uint8 of 256": (["uint8"], (256).to_bytes(WORD, "big")),
    "int8 of 128": (["int8"], (128).to_bytes(WORD, "big")),
    "dirty tail of bytes": (["bytes"], (32).to_bytes(WORD, "big") + (1).to_bytes(WORD, "big") + b"a" + b"\1" * 31),
    "tail cut off": (["bytes"], (32).to_bytes(WORD, "big") + (1).to_bytes(WORD, "big") + b"a"),
    "offset elsewhere": (["bytes"], (64).to_bytes(WORD, "big") + bytes(2 * WORD)),
    "offset into itself": (["bytes[]"], bytes(WORD)),
    "string that is not UTF-8": (
        ["string"],
        (32).to_bytes(WORD, "big") + (1).to_bytes(WORD, "big") + b"\xff" + bytes(31),
    ),
    "array longer than the data": (["uint256[]"], (32).to_bytes(WORD, "big") + b"\xff" * WORD),
    "word missing": (["uint256", "uint256"], bytes(WORD)),
    "word left over": (["uint256"], bytes(2 * WORD)),
    "nothing": (["uint256"], b""),
}


@pytest.mark.parametrize(("types", "data"), REFUSED.values(), ids=list(REFUSED))
def test_every_other_form_is_refused(types: list[str], data: bytes) -> None:
    with pytest.raises(MalformedInput):
        abi.decode(types, data)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uint8", 256),
        ("uint8", -1),
        ("int8", 128),
        ("int8", -129),
        ("uint256", "1"),
        ("address", bytes(19)),
        ("address", "0x" + "00" * 20),
        ("bytes32", bytes(31)),
        ("bytes", "text"),
        ("uint8[2]", [1]),
        ("real", 1),
        ("(uint8,uint8)", (1,)),
    ],
)
def test_values_that_do_not_fit_are_refused(kind: str, value: Any) -> None:
    with pytest.raises(CallerMisuse):
        abi.encode([kind], [value])


@pytest.mark.parametrize("text", ["uint256", "(uint256", "uint256)"])
def test_type_lists_stand_in_parentheses(text: str) -> None:
    with pytest.raises(CallerMisuse):
        abi.split_types(text)


def test_split_types_keeps_inner_lists_whole() -> None:
    assert abi.split_types("(uint8,(bytes,bool[])[],string)") == ["uint8", "(bytes,bool[])[]", "string"]
    assert abi.split_types("()") == []
