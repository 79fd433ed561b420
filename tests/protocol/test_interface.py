"""Interfaces: arguments by position, name and word; results; every mistake named by parameter and type."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.protocol.commands import method_selector
from coprocessor.protocol.interface import MAX_INTERFACE, Interface, Method, parse_interface
from coprocessor.protocol.interface_types import Mismatch, parse_type
from coprocessor.values.errors import CallerMisuse, EvidenceRefused, MalformedInput

BID = {"struct": "Bid", "fields": [{"name": "bidder", "type": "address"}, {"name": "price", "type": "uint256"}]}
COLOUR = {"enum": "Colour", "members": ["RED", "GREEN"]}
WEIGHT = {"name": "weight", "type": "int", "default": 1}
ADDRESS = "0x" + "ab" * 20


def method(name: str, kind: str, parameters: list[dict[str, Any]], returns: Any = "null") -> dict[str, Any]:
    selector = "0x" + method_selector(name).hex()
    return {"name": name, "kind": kind, "selector": selector, "parameters": parameters, "returns": returns}


def interface(*methods: dict[str, Any], language: str = "python") -> Interface:
    document = {"abi": 1, "language": language, "name": "Ballot", "methods": list(methods), "fields": [], "events": []}
    return parse_interface(json.dumps(document).encode())


def taking(kind: Any, returns: Any = "null", language: str = "python") -> Method:
    methods = interface(method("m", "command", [{"name": "value", "type": kind}], returns), language=language)
    return methods.method("m")


BALLOT = interface(
    method("init", "init", [{"name": "owner", "type": "address"}]),
    method("vote", "command", [{"name": "choice", "type": "str"}, WEIGHT], "int"),
    method("tally", "query", [], {"dict": "int"}),
)


def test_arguments_bind_by_position_name_and_default() -> None:
    vote = BALLOT.method("vote", "command")
    assert vote.encode_arguments(["a"]) == b'["a",1]'
    assert vote.encode_arguments(["a"], {"weight": 3}) == b'["a",3]'
    assert vote.encode_arguments((), {"weight": 3, "choice": "ä"}) == '["ä",3]'.encode()
    assert vote.encode_words(["17", "0x10"]) == b'["17",16]'
    assert vote.selector == method_selector("vote")
    assert vote.signature == "vote(choice: str, weight: int) -> int"
    assert BALLOT.init is not None
    assert BALLOT.init.name == "init"


@pytest.mark.parametrize(
    ("values", "named", "says"),
    [
        ([], {}, "missing: choice"),
        (["a", 1, 2], {}, "3 arguments for 2 parameters"),
        (["a"], {"choice": "b"}, "choice is given twice"),
        (["a"], {"colour": "b"}, "no parameter 'colour'"),
        ([1], {}, "choice: expected str, got int 1"),
        (["a", "1"], {}, "weight: expected int, got str '1'"),
        (["a", True], {}, "weight: expected int, got bool True"),
        (["\ud800"], {}, "choice: expected str that UTF-8 can hold"),
        (["a" * 200_000], {}, "the limit is"),
    ],
)
def test_wrong_arguments_are_named(values: list[Any], named: dict[str, Any], says: str) -> None:
    with pytest.raises(CallerMisuse) as caught:
        BALLOT.method("vote").encode_arguments(values, named)
    assert caught.value.code == "interface.argument"
    assert says in caught.value.what
    assert "vote(choice: str" in caught.value.next


def test_unknown_methods_and_wrong_kinds_say_what_to_do() -> None:
    with pytest.raises(CallerMisuse, match="did you mean vote") as caught:
        BALLOT.method("vot")
    assert caught.value.code == "interface.unknown_method"
    with pytest.raises(CallerMisuse, match=r"it has vote\(") as caught:
        BALLOT.method("zzz")
    with pytest.raises(CallerMisuse, match="phat query PROGRAM tally") as caught:
        BALLOT.method("tally", "command")
    assert caught.value.code == "interface.kind"


CASES: list[tuple[Any, Any, str]] = [
    ("bool", True, "true"),
    ("int", -(2**300), str(-(2**300))),
    ("uint8", 255, "255"),
    ("int8", -128, "-128"),
    ("float", 1, "1.0"),
    ("float", 0.1, "0.1"),
    ("str", "tür\n", '"tür\\n"'),
    ("bytes", b"\x00\xff", '"0x00ff"'),
    ("bytes", "0x00FF", '"0x00ff"'),
    ("address", bytes.fromhex("ab" * 20), f'"{ADDRESS}"'),
    ("address", ADDRESS.upper().replace("X", "x"), f'"{ADDRESS}"'),
    ("null", None, "null"),
    ({"list": "int"}, (1, 2), "[1,2]"),
    ({"tuple": ["int", "str"]}, [1, "a"], '[1,"a"]'),
    ({"dict": "int"}, {"b": 1, "a": 2}, '{"a":2,"b":1}'),
    ({"optional": "int"}, None, "null"),
    ({"optional": "int"}, 3, "3"),
    (BID, {"price": 5, "bidder": ADDRESS}, f'{{"bidder":"{ADDRESS}","price":5}}'),
    (COLOUR, "GREEN", '"GREEN"'),
]


@pytest.mark.parametrize(("kind", "value", "encoded"), CASES)
def test_values_have_one_canonical_form(kind: Any, value: Any, encoded: str) -> None:
    assert taking(kind).encode_arguments([value]).decode() == f"[{encoded}]"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("bool", 1),
        ("uint8", 256),
        ("uint256", -1),
        ("int8", 128),
        ("float", float("nan")),
        ("float", 2**60 + 1),
        ("float", 10**400),
        ("bytes", "00ff"),
        ("bytes", "0x0"),
        ("bytes", "0x 00"),
        ("address", b"short"),
        ("address", "0x" + "zz" * 20),
        ("bytes32", bytes(31)),
        ("null", 0),
        ({"list": "int"}, "12"),
        ({"list": "int"}, [1, "2"]),
        ({"tuple": ["int", "str"]}, [1]),
        ({"dict": "int"}, {1: 1}),
        (BID, {"bidder": ADDRESS}),
        (BID, {"bidder": ADDRESS, "price": 1, "more": 2}),
        (COLOUR, "BLUE"),
    ],
)
def test_values_of_another_type_are_refused(kind: Any, value: Any) -> None:
    with pytest.raises(CallerMisuse) as caught:
        taking(kind).encode_arguments([value])
    assert caught.value.code == "interface.argument"


@pytest.mark.parametrize("kind", ["int", "str", "bool", "float", "uint8"])
def test_integers_beyond_all_measure_are_refused(kind: str) -> None:
    with pytest.raises(CallerMisuse):
        taking(kind).encode_arguments([1 << 20_000])


def test_a_mistake_deep_inside_is_located() -> None:
    with pytest.raises(CallerMisuse, match=r"value\[1\]\.price: expected uint256"):
        taking({"list": BID}).encode_arguments([[{"bidder": ADDRESS, "price": 1}, {"bidder": ADDRESS, "price": "x"}]])


@pytest.mark.parametrize(
    ("kind", "word", "encoded"),
    [
        ("str", "17", '"17"'),
        ("str", "null", '"null"'),
        ("int", "1_000", "1000"),
        ("bool", "true", "true"),
        ("float", "2", "2.0"),
        ("bytes", "0x01", '"0x01"'),
        ({"list": "int"}, "[1, 2]", "[1,2]"),
        ({"optional": "str"}, "null", "null"),
        ({"optional": "str"}, "x", '"x"'),
        (BID, json.dumps({"bidder": ADDRESS, "price": 1}), f'{{"bidder":"{ADDRESS}","price":1}}'),
        (COLOUR, "RED", '"RED"'),
    ],
)
def test_words_of_a_command_line(kind: Any, word: str, encoded: str) -> None:
    assert taking(kind).encode_words([word]).decode() == f"[{encoded}]"


@pytest.mark.parametrize(
    ("kind", "word"), [("int", "one"), ("bool", "yes"), ("float", "nan"), ({"list": "int"}, "1,2"), ("bytes", "aa")]
)
def test_wrong_words_are_refused(kind: Any, word: str) -> None:
    with pytest.raises(CallerMisuse, match="value"):
        taking(kind).encode_words([word])


@pytest.mark.parametrize(
    ("kind", "data", "value"),
    [
        ("int", b"5", 5),
        ("bytes", b'"0x00ff"', b"\x00\xff"),
        ("address", f'"{ADDRESS}"'.encode(), ADDRESS),
        ({"tuple": ["int", "str"]}, b'[1,"a"]', (1, "a")),
        ({"dict": "int"}, b'{"a":1}', {"a": 1}),
        (BID, f'{{"bidder":"{ADDRESS}","price":5}}'.encode(), {"bidder": ADDRESS, "price": 5}),
        ("null", b"null", None),
    ],
)
def test_results_come_back_as_python_values(kind: Any, data: bytes, value: Any) -> None:
    assert taking("int", returns=kind).decode_result(data) == value


@pytest.mark.parametrize("data", [b"", b"{", b'"5"', b"5.0", b"true", b"\xff", b"[" * 10_000])
def test_results_of_another_type_are_refused(data: bytes) -> None:
    with pytest.raises(EvidenceRefused) as caught:
        taking("int", returns="int").decode_result(data)
    assert caught.value.code == "interface.result"


def test_raw_programs_pack_their_parameters() -> None:
    add = interface(
        method(
            "add",
            "command",
            [{"name": "amount", "type": "u64"}, {"name": "sign", "type": "bool"}, {"name": "memo", "type": "bytes"}],
            "i64",
        ),
        language="wasm",
    ).method("add")
    assert add.encode_arguments([258, True, b"hi"]) == b"\x02\x01" + bytes(6) + b"\x01hi"
    assert add.encode_words(["258", "true", "0x6869"]) == add.encode_arguments([258, True, b"hi"])
    assert add.decode_result((-2).to_bytes(8, "little", signed=True)) == -2
    with pytest.raises(EvidenceRefused):
        add.decode_result(b"\0")
    for wrong in ([2**64, True, b""], [1, 1, b""], [1, True, 5], [1, True, "zz"]):
        with pytest.raises(CallerMisuse):
            add.encode_arguments(wrong)


@pytest.mark.parametrize("kind", ["u8", "u128", "i32", "bool", "address", "bytes32", "bytes", "str", "null"])
def test_raw_results_round_trip(kind: str) -> None:
    others = {"bool": True, "address": ADDRESS, "bytes32": "0x" + "11" * 32, "bytes": b"x", "str": "ü", "null": None}
    value = others.get(kind, 7)
    one = taking(kind, returns=kind, language="wasm")
    assert one.decode_result(one.encode_arguments([value])) == value


def test_only_the_last_raw_parameter_may_be_open() -> None:
    parameters = [{"name": "a", "type": "bytes"}, {"name": "b", "type": "u8"}]
    with pytest.raises(MalformedInput):
        interface(method("m", "command", parameters, "u8"), language="wasm").method("m").encode_arguments([b"", 1])


@pytest.mark.parametrize(
    "change",
    [
        {"abi": 2},
        {"language": "cobol"},
        {"methods": [method("m", "command", []), method("m", "query", [])]},
        {"methods": [{**method("m", "command", []), "selector": "0x00000000"}]},
        {"methods": [{**method("m", "command", []), "kind": "other"}]},
        {"methods": [{**method("m", "command", []), "name": "ä"}]},
        {"methods": [{**method("m", "command", []), "name": 5}]},
        {"methods": [method("m", "command", [{"name": "a", "type": "uint7"}])]},
        {"methods": [method("m", "command", [{"name": "a", "type": {"list": "int", "of": 1}}])]},
        {"methods": [method("m", "command", [{"name": "a", "type": {"struct": "S", "fields": [{"name": "x"}]}}])]},
        {"methods": [method("m", "command", [{"type": "int"}])]},
        {"methods": 5},
        {"methods": None},
    ],
)
def test_malformed_interfaces_are_refused(change: dict[str, Any]) -> None:
    document = {"abi": 1, "language": "python", "name": "N", "methods": [method("m", "command", [])], **change}
    with pytest.raises(MalformedInput) as caught:
        parse_interface(json.dumps(document).encode())
    assert caught.value.code == "interface.malformed"


def test_hostile_interfaces_are_refused() -> None:
    nested: Any = "int"
    for _ in range(20):
        nested = {"list": nested}
    with pytest.raises(MalformedInput):
        parse_type(nested)
    for data in (b"", b"[]", b"[" * 100_000, b" " * (MAX_INTERFACE + 1), b"\xff\xfe"):
        with pytest.raises(MalformedInput):
            parse_interface(data)


@given(st.binary(max_size=100))
def test_random_bytes_are_no_interface(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        parse_interface(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
types = st.recursive(
    st.sampled_from(["null", "bool", "int", "float", "str", "bytes", "address", "uint8", "int256"]),
    lambda inner: st.one_of(
        inner.map(lambda t: {"list": t}),
        inner.map(lambda t: {"dict": t}),
        inner.map(lambda t: {"optional": t}),
        st.lists(inner, max_size=3).map(lambda ts: {"tuple": ts}),
        inner.map(lambda t: {"struct": "S", "fields": [{"name": "x", "type": t}]}),
    ),
    max_leaves=5,
)


@given(types, json_values)
def test_whatever_decodes_encodes_back_to_itself(kind: Any, raw: Any) -> None:
    parsed = parse_type(kind)
    try:
        value = parsed.decode(raw)
    except Mismatch:
        return
    again = parsed.encode(value)
    assert parsed.decode(again) == value


@pytest.mark.parametrize(
    ("kind", "default"),
    [("int", "1"), ("uint8", 256), ("bytes", "ff"), ({"list": "int"}, [1, None]), (COLOUR, "BLUE"), ("address", "0x")],
)
def test_a_default_fits_its_type(kind: Any, default: Any) -> None:
    with pytest.raises(MalformedInput, match=r"interface\.malformed.*the default of p"):
        interface(method("f", "command", [{"name": "p", "type": kind, "default": default}]))


def test_defaults_are_encoded_as_given_values_are() -> None:
    called = taking_default("float", 2)
    assert called.encode_arguments() == called.encode_arguments([2.0]) == b"[2.0]"
    assert taking_default("bytes", "0xAB").encode_arguments() == b'["0xab"]'


def taking_default(kind: Any, default: Any) -> Method:
    found = interface(method("f", "command", [{"name": "p", "type": kind, "default": default}]))
    return found.methods["f"]


@pytest.mark.parametrize("change", [{"abi": True}, {"abi": 1.0}, {"name": 5}, {"name": None}])
def test_an_interface_is_typed(change: dict[str, Any]) -> None:
    document = {"abi": 1, "language": "python", "name": "X", "methods": []}
    assert parse_interface(json.dumps(document).encode()).name == "X"
    with pytest.raises(MalformedInput, match=r"interface\.malformed"):
        parse_interface(json.dumps({**document, **change}).encode())
