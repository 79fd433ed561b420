"""``vectors/encoding.json``: CBOR, records, RLP, ABI, EIP-712, and primitives with their public standards' vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coprocessor.codec import abi, cbor, rlp
from coprocessor.codec.eip712 import Domain
from coprocessor.codec.records import RecordTable, to_plain
from coprocessor.crypto.aead import SivKey
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.hkdf import hkdf_derive
from coprocessor.crypto.hpke import SealingKey
from coprocessor.keys.dkg import Announcement
from coprocessor.protocol.output_body import Event
from coprocessor.values.identities import Address
from tests.vectors import world
from tests.vectors.form import Case, Subject, raw

# JSON has no byte strings: they stand as {"bytes": "0x…"}, maps as [[key, value], …] under "map".


def _value(shown: Any) -> Any:
    if isinstance(shown, list):
        return [_value(item) for item in shown]
    if isinstance(shown, dict):
        return raw(shown["bytes"]) if "bytes" in shown else {_value(k): _value(v) for k, v in shown["map"]}
    return shown


def _shown(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"bytes": "0x" + value.hex()}
    if isinstance(value, (list, tuple)):
        return [_shown(item) for item in value]
    if isinstance(value, dict):
        return {"map": [[_shown(key), _shown(item)] for key, item in value.items()]}
    return value


def _cbor(given: Mapping[str, Any]) -> dict[str, Any]:
    data = cbor.dumps(_value(given["value"]))
    assert cbor.loads(data) == _value(given["value"])
    return {"data": data}


def _cbor_read(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"value": _shown(cbor.loads(raw(given["data"]), given.get("maximum")))}


def _record(given: Mapping[str, Any]) -> dict[str, Any]:
    table = RecordTable((Announcement, Event), 4096)
    data = raw(given["data"])
    record = table.decode(data)
    assert table.encode(record) == data
    return {"record": _shown(to_plain(record))}


def _rlp(given: Mapping[str, Any]) -> dict[str, Any]:
    data = raw(given["data"])
    item = rlp.decode(data)
    assert rlp.encode(item) == data
    return {"item": _shown(item)}


def _abi(given: Mapping[str, Any]) -> dict[str, Any]:
    data = raw(given["data"])
    values = abi.decode(given["types"], data)
    assert abi.encode(given["types"], values) == data
    return {"values": _shown(values)}


def _separator(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"separator": Domain(given["chain_id"], Address(raw(given["contract"]))).separator()}


def _keccak(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"digest": keccak256(raw(given["data"]))}


def _hkdf(given: Mapping[str, Any]) -> dict[str, Any]:
    names = ("input_key", "info", "salt")
    input_key, info, salt = (raw(given[name]) for name in names)
    return {"output": hkdf_derive(input_key, info, given["length"], salt)}


def _siv_open(given: Mapping[str, Any]) -> dict[str, Any]:
    nonce, sealed, data = (raw(given[name]) for name in ("nonce", "sealed", "associated_data"))
    return {"plaintext": SivKey(raw(given["key"])).open(nonce, sealed, data)}


def _hpke_open(given: Mapping[str, Any]) -> dict[str, Any]:
    key = SealingKey(raw(given["secret"]))
    return {"public_key": key.public_key, "message": key.open(raw(given["sealed"]), raw(given["info"]))}


def _cbor_cases() -> list[Case]:
    shown = _shown({"a": 1, "bb": [b"\x00", None, True]})
    numbers = [0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**64 - 1, -1, -24, -25, -(2**64)]
    refused = {
        "an integer in a longer form": "1817",
        "a length in a longer form": "580161",
        "keys out of order": "a2626262016161f6",
        "a key that stands twice": "a2616101616102",
        "a map key of bytes": "a14100f6",
        "an indefinite array": "9fff",
        "a float": "f93c00",
        "a tag": "c000",
        "undefined": "f7",
        "text that is not UTF-8": "61ff",
        "a tail": "0000",
        "an end inside a value": "8200",
        "33 levels": "81" * 33 + "00",
        "an array longer than the data": "9b7fffffffffffffff",
        "nothing": "",
    }
    cases = [Case("a map in order", "1.1", "cbor", {"value": shown})]
    cases += [Case(f"the integer {number}", "1.1", "cbor", {"value": number}) for number in numbers]
    cases.append(Case("32 levels", "1.1", "cbor_read", {"data": "0x" + "81" * 32 + "00"}))
    cases += [
        Case(name, "1.1", "cbor_read", {"data": "0x" + data}, "cbor.malformed")
        for name, data in refused.items()
    ]
    long = {"data": cbor.dumps(bytes(100)), "maximum": 100}
    return [*cases, Case("more bytes than allowed", "1.1", "cbor_read", long, "cbor.too_long")]


def _record_cases() -> list[Case]:
    event = ["Event", world.PROGRAM, "Added", b"{}"]
    numbers = ["Announcement", 1, b"", 0, b""]

    def case(name: str, plain: Any, error: str | None = None) -> Case:
        return Case(name, "6.2", "record", {"data": cbor.dumps(plain)}, error)

    return [
        case("a record", event),
        case("a record with numbers", numbers),
        case("an unknown name", ["Occasion", *event[1:]], "message.unknown"),
        case("no name", event[1:], "message.unknown"),
        case("a field too many", [*event, 0], "message.shape"),
        case("a field too few", event[:-1], "message.shape"),
        case("text for bytes", [*event[:-1], "{}"], "message.type"),
        case("a negative number", ["Announcement", -1, b"", 0, b""], "message.type"),
        case("a truth value for a number", ["Announcement", True, b"", 0, b""], "message.type"),
        case("a small number as bytes", ["Announcement", b"\x01", b"", 0, b""], "message.type"),
        case("a wide number", ["Announcement", (2**64).to_bytes(9, "big"), b"", 0, b""]),
        case("a wide number with leading zeros", ["Announcement", bytes(9), b"", 0, b""], "message.type"),
    ]


def _rlp_cases() -> list[Case]:
    """The first six are of the Ethereum wiki's list of examples."""
    read = {
        "dog": "83646f67",
        "cat and dog": "c88363617483646f67",
        "the empty string": "80",
        "the empty list": "c0",
        "a byte below 0x80": "0f",
        "the set of three": "c7c0c1c0c3c0c1c0",
        "a string of 56 bytes": "b838" + "61" * 56,
    }
    refused = {
        "a byte in a longer form": "810f",
        "a length in a longer form": "b80161",
        "a length with a leading zero": "b9003861",
        "a string cut short": "836461",
        "a list that its items do not fill": "c28161",
        "a tail": "8000",
        "nothing": "",
    }
    cases = [Case(f"RLP: {name}", "2.1", "rlp", {"data": "0x" + data}) for name, data in read.items()]
    return cases + [
        Case(f"RLP: {name}", "2.1", "rlp", {"data": "0x" + data}, "rlp.malformed") for name, data in refused.items()
    ]


def _abi_cases() -> list[Case]:
    """The first is the Solidity documentation's ``f(uint256,uint32[],bytes10,bytes)``."""
    types = ["uint256", "uint32[]", "bytes10", "bytes"]
    data = abi.encode(types, [0x123, [0x456, 0x789], b"1234567890", b"Hello, world!"])
    word = bytes(31) + b"\x02"
    moved = data[:63] + b"\xa0" + data[64:]
    refused: list[tuple[str, list[str], bytes]] = [
        ("a truth value of 2", ["bool"], word),
        ("a number beyond its type", ["uint8"], bytes(30) + b"\x01\0"),
        ("an address with dirty padding", ["address"], b"\x01" + bytes(31)),
        ("bytes with dirty padding", ["bytes4"], bytes(31) + b"\x01"),
        ("an offset elsewhere", types, moved),
        ("a tail", types, data + bytes(32)),
        ("an end inside a word", types, data[:-1]),
        ("dirty padding after bytes", types, data[:-1] + b"\x01"),
    ]
    return [
        Case("ABI: the documentation's example", "3.1", "abi", {"types": types, "data": data}),
        Case("ABI: a tuple", "3.1", "abi",
             {"types": ["(uint8,bytes)[]"], "data": abi.encode(["(uint8,bytes)[]"], [[(1, b"a"), (2, b"")]])}),
        *(Case(f"ABI: {name}", "3.1", "abi", {"types": kinds, "data": found}, "abi.malformed")
          for name, kinds, found in refused),
    ]


def _primitive_cases() -> list[Case]:
    """RFC 5869 A.1; RFC 8452 C.2 (32-byte key); RFC 9180 A.2.1 has sequence 0 with associated data, so ours is own."""
    siv = {
        "key": "0x01" + "00" * 31,
        "nonce": "0x03" + "00" * 11,
        "associated_data": "0x01",
        "sealed": "0x1de22967237a813291213f267e3b452f02d01ae33e4ec854",
    }
    secret = keccak256(b"receiver")
    sealed = world.hpke_seal(b"message", SealingKey(secret).public_key, b"info", "sender")
    hpke = {"secret": secret, "info": b"info", "sealed": sealed}
    hkdf = {
        "input_key": "0x" + "0b" * 22,
        "salt": "0x000102030405060708090a0b0c",
        "info": "0xf0f1f2f3f4f5f6f7f8f9",
        "length": 42,
    }
    return [
        Case("Keccak-256 of nothing", "3.1", "keccak256", {"data": b""}),
        Case("HKDF, RFC 5869 A.1", "8.1", "hkdf", hkdf),
        Case("HKDF without salt, RFC 5869 A.3", "8.1", "hkdf", hkdf | {"salt": b"", "info": b""}),
        Case("GCM-SIV, RFC 8452 C.2", "5.7", "gcm_siv_open", siv),
        Case("GCM-SIV, other associated data", "5.7", "gcm_siv_open", siv | {"associated_data": "0x02"}, "aead.open"),
        Case("HPKE", "4.1", "hpke_open", hpke),
        Case("HPKE, other info", "4.1", "hpke_open", hpke | {"info": b"other"}, "hpke.open"),
        Case("HPKE, too short", "4.1", "hpke_open", hpke | {"sealed": sealed[:47]}, "hpke.open"),
        Case("the domain of Settlement", "7.1", "separator",
             {"chain_id": world.CHAIN_ID, "contract": world.address_of("Settlement")}),
    ]


def subject() -> Subject:
    """The file's content."""
    checks = {
        "cbor": _cbor,
        "cbor_read": _cbor_read,
        "record": _record,
        "rlp": _rlp,
        "abi": _abi,
        "separator": _separator,
        "keccak256": _keccak,
        "hkdf": _hkdf,
        "gcm_siv_open": _siv_open,
        "hpke_open": _hpke_open,
    }
    cases = [*_cbor_cases(), *_record_cases(), *_rlp_cases(), *_abi_cases(), *_primitive_cases()]
    return Subject("encoding", "docs/specification/encoding.md", checks, cases)
