"""The second reader over the project's vectors: what is right it computes, what is wrong it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.independent import reader

_VECTORS = Path(__file__).parents[2] / "vectors"
# Of each file, the checks that the reader has to do; the others are for who opens, seals or executes.
_CHECKS = {
    "headers": {"header", "seals", "segments"},
    "inbox": {"genesis_head", "head", "replay", "event", "items", "payload"},
    "trie_and_proofs": {"slot", "account", "storage"},
    "receipts": {"digest", "recover", "signers", "call", "event"},
    "outputs": {"leaf", "public", "root", "proof"},
    "network": {"file", "cluster_id"},
    "beacon": {"message", "value", "fallback"},
}
_PAYLOAD = {
    reader.EPOCH: ("epoch", "runtime", "quorum", "fast_quorum"),
    reader.MEMBER: ("worker", "operator", "joined", "epoch"),
    reader.REQUEST: ("program", "handle", "request", "method", "callback_gas", "arguments"),
    reader.UPGRADE: ("program", "number", "code_hash", "fuel_limit"),
    reader.INSTANTIATE: ("program", "handle", "owner", "code_hash", "policy", "fuel_limit", "callees", "init"),
}


def _cases() -> list[Any]:
    cases = []
    for name, checks in _CHECKS.items():
        found = json.loads((_VECTORS / f"{name}.json").read_text())["cases"]
        cases += [pytest.param(case, id=f"{name}: {case['name']}") for case in found if case["check"] in checks]
    # The reader checks places under a root, it never makes one of many leaves.
    return [case for case in cases if len(case.values[0]["input"].get("leaves", [])) <= 1]


def _hex(value: Any) -> Any:
    """As vectors write it: bytes as text, records as objects."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return [_hex(member) for member in value] if isinstance(value, list | tuple) else value


def _named(names: Any, values: Any) -> dict[str, Any]:
    return {name: _hex(value) for name, value in zip(names, values, strict=True)}


def _link(given: dict[str, Any]) -> Any:
    return reader.Link(**given)


def _header(given: dict[str, Any]) -> Any:
    return {"header": _named(reader.Header._fields, reader.read_header(given["raw"]))}


def _seals(given: dict[str, Any]) -> Any:
    header = reader.read_header(given["raw"])
    signed = reader.check_seals(given["chain_id"], given["sealers"], header, given["seals"])
    return {"signed": [_hex(sealer) for sealer in given["sealers"] if sealer in signed]}


def _segments(given: dict[str, Any]) -> Any:
    last = None
    for segment in given["segments"]:
        first = reader.read_header(segment["headers"][0]) if segment["headers"] else None
        joins = last is not None and first is not None and first.number == last.number + 1
        last = reader.check_segment(segment["headers"], last if joins else None)[-1]
        reader.check_seals(given["chain_id"], given["sealers"], last, segment["seals"])
    return {"head_number": last.number, "head_hash": _hex(last.hash)} if last else {}


def _genesis_head(given: dict[str, Any]) -> Any:
    return {"head": _hex(reader.genesis_head(**given))}


def _head(given: dict[str, Any]) -> Any:
    link = _link(given["link"])
    (head,) = reader.replay(given["head"], [link], link.index)
    return {"payload_hash": _hex(reader.keccak(link.payload)), "head": _hex(head)}


def _replay(given: dict[str, Any]) -> Any:
    first = reader.genesis_head(given["chain_id"], given["inbox"], given["cluster"])
    heads = reader.replay(first, [_link(link) for link in given["links"]])
    reader.require((len(heads), heads[-1]) == (given["count"], given["proven_head"]), "another head")
    return {"proven": len(heads)}


def _event(given: dict[str, Any]) -> Any:
    if given["topics"][0] == reader.keccak(reader.SETTLED.encode()):
        names = ("cluster", "receipt_number", "first", "to", "new_root", "outputs_root", "signers", "final_block")
        return _named(names, reader.read_event(reader.SETTLED, given["topics"], given["data"]))
    names = ("cluster", "index", "kind", "origin", "payer", "item_count", "fuel_limit", "fee_limit", "payload")
    return _named(names, reader.read_event(reader.LINK, given["topics"], given["data"]))


def _items(given: dict[str, Any]) -> Any:
    items = reader.read_items(given["payload"], given["item_count"], given["fuel_limit"], given["fee_limit"])
    return {"items": [_named(("handle", "fuel_limit", "fee_limit", "sealed"), item) for item in items]}


def _payload(given: dict[str, Any]) -> Any:
    values = reader.read_abi(reader.PAYLOADS[given["kind"]].split(","), given["payload"])
    return {"content": _named(_PAYLOAD[given["kind"]], values)}


def _slot(given: dict[str, Any]) -> Any:
    slot = reader.find_slot(given["contract"], given["variable"], given.get("field", ""), *given["keys"])
    return {"slot": f"0x{slot:064x}", "trie_key": _hex(reader.keccak(reader.words(slot)))}


def _account(given: dict[str, Any]) -> Any:
    root, code_hash = reader.read_account(**given)
    return {"account": {"storage_root": _hex(root), "code_hash": _hex(code_hash)}}


def _storage(given: dict[str, Any]) -> Any:
    value = reader.read_storage(given["storage_root"], int.from_bytes(given["slot"]), given["proof"])
    return {"value": f"0x{value:064x}"}


def _digest(given: dict[str, Any]) -> Any:
    receipt = reader.Receipt(**given["receipt"])
    return {"digest": _hex(reader.receipt_digest(given["chain_id"], given["settlement"], receipt))}


def _recover(given: dict[str, Any]) -> Any:
    return {"signer": _hex(reader.recover(**given))}


def _signers(given: dict[str, Any]) -> Any:
    digest = reader.receipt_digest(given["chain_id"], given["settlement"], reader.Receipt(**given["receipt"]))
    signers = sorted(reader.recover(digest, signature) for signature in given["signatures"])
    operators = [given["members"]["0x" + signer.hex()] for signer in signers]
    reader.check_signers(list(zip(signers, operators, strict=True)), given["quorum"])
    return {"signers": _hex(signers), "missing": 0}


def _call(given: dict[str, Any]) -> Any:
    receipt, signatures = reader.read_call(given["input"])
    return {"receipt": _named(receipt._fields, receipt), "signatures": _hex(signatures)}


def _leaf(given: dict[str, Any]) -> Any:
    return {"digest": _hex(reader.leaf_digest(reader.Leaf(**given["leaf"])))}


def _root(given: dict[str, Any]) -> Any:
    leaves = [reader.leaf_digest(reader.Leaf(**leaf)) if isinstance(leaf, dict) else leaf for leaf in given["leaves"]]
    return {"outputs_root": _hex(reader.outputs_root(len(leaves), leaves[0] if leaves else reader.ZERO))}


def _proof(given: dict[str, Any]) -> Any:
    digest = reader.leaf_digest(reader.Leaf(**given["leaf"]))
    reader.check_place(given["outputs_root"], digest, given["index"], given["count"], given["siblings"])
    return {"included": True}


def _file(given: dict[str, Any]) -> Any:
    network = reader.read_network(given["text"])
    return {"network": _hex(network["network"]), "configuration_hash": _hex(network["hash"]), "hints": network["hints"]}


def _cluster_id(given: dict[str, Any]) -> Any:
    tag = reader.keccak(b"coprocessor/v1/cluster")
    return {"cluster": _hex(reader.keccak(reader.words(tag, given["chain_id"], given["clusters"], given["number"])))}


def _message(given: dict[str, Any]) -> Any:
    return {"message": _hex(reader.beacon_message(given["network"], given["height"], given["insecure"]))}


def _value(given: dict[str, Any]) -> Any:
    message = reader.beacon_message(given["network"], given["height"], given["insecure"])
    return {"value": _hex(reader.beacon_value(message, given["key"], given["signature"]))}


def _fallback(given: dict[str, Any]) -> Any:
    return {"value": _hex(reader.fallback_value(given["network"], given["height"], given["prevrandao"]))}


def _compute(check: str) -> Callable[[dict[str, Any]], Any]:
    compute: Callable[[dict[str, Any]], Any] = globals()["_" + check]
    return compute


def _agrees(computed: Any, expected: Any) -> bool:
    """Whether all that the reader computes is what is expected; it may compute less."""
    if isinstance(computed, dict) and isinstance(expected, dict):
        same = all(_agrees(value, expected.get(name)) for name, value in computed.items())
        return same and bool(computed or not expected)
    return bool(computed == expected)


@pytest.mark.parametrize("case", _cases())
def test_a_case_of_the_vectors(case: dict[str, Any]) -> None:
    given, check = reader.plain(case["input"]), case["check"]
    # This reader does not tell how many signers are missing.
    if "error" in case or (check == "signers" and case["expect"]["missing"]):
        with pytest.raises(Exception) as refused:  # noqa: PT011
            _compute(check)(given)
        assert not isinstance(refused.value, AssertionError | NameError | ImportError)
        return
    if check == "public":
        committed = reader.plain(case["expect"]["plaintext_hash"])
        assert reader.check_output(reader.Leaf(0, 0, b"", b"", 0, 0, committed, reader.ZERO), given["plaintext"])
        return
    computed = _compute(check)(given)
    assert _agrees(computed, case["expect"]), (computed, case["expect"])
