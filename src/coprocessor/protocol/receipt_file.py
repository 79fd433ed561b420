"""The one-file receipt: all that it takes to check one output offline (DESIGN 9).

A JSON document that holds a network's identity, a sealed header, Merkle proofs of what the contracts say under it, the
signed receipt, the output's leaf with its place, and the output, sealed and perhaps opened. Nothing in it is free text
and every field is required, so that each value matters; ``protocol.receipt_verdict`` judges it.

Rules enforced here:
1. unknown, missing or doubled fields and every second way of writing a value are refused;
2. seals and signatures are exactly as many as are needed, in one order;
3. proof nodes stand once each and each is used (checked while judging).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coprocessor.codec import strict_json
from coprocessor.protocol.genesis import network_from_json, network_to_json
from coprocessor.protocol.outputs import Leaf, OutputProof
from coprocessor.protocol.receipts import Receipt
from coprocessor.values.errors import MalformedInput
from coprocessor.values.identities import (
    ClusterId,
    Digest,
    NetworkId,
    ProgramId,
    RequestId,
    RuntimeId,
    StateRoot,
    WorkerId,
    from_hex,
    to_hex,
)
from coprocessor.values.network import Network

__all__ = [
    "FORMAT",
    "MAX_RECEIPT_FILE",
    "Opened",
    "PackedProof",
    "ReceiptFile",
    "SealedHeader",
    "SignedBy",
    "pack_proof",
    "receipt_file_from_json",
    "receipt_file_to_json",
]

FORMAT = "coprocessor/v1/receipt-file"
MAX_RECEIPT_FILE = 2 * 1024 * 1024
"""Characters of a receipt file that are read."""

_MALFORMED = "receipt.malformed"
_MAX_NODES = 1024
_MAX_PATHS = 256
_NETWORK_FORMAT = "coprocessor/v1/network"


@dataclass(frozen=True, slots=True)
class SealedHeader:
    """An RLP header and the seals over it: the least number that suffices, in the order of the network's sealers."""

    raw: bytes
    seals: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class SignedBy:
    """One signature (65 bytes) over the receipt, and the worker (32 bytes) whose enclave made it."""

    worker: WorkerId
    signature: bytes


@dataclass(frozen=True, slots=True)
class PackedProof:
    """Merkle Patricia proofs that share nodes: each path lists its nodes from the root down by their place."""

    nodes: tuple[bytes, ...]
    paths: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """What ``plaintext_hash`` of the leaf hides: 32 bytes of salt, and the output."""

    salt: bytes
    plaintext: bytes


@dataclass(frozen=True, slots=True)
class ReceiptFile:
    """The content of a receipt file.

    Args:
        network: the network that it says it comes from.
        header: finalised, after the receipt became final.
        number: of the receipt in its cluster.
        receipt: as the enclaves signed it.
        signatures: exactly a quorum, ascending by signer.
        leaf: the item's public outcome.
        place: where the leaf stands among the receipt's outputs.
        sealed_output: what the leaf's ``ciphertext_hash`` commits to; empty where that is zero: a public output.
        opened: the readable output, or None.
        proof: in the order of ``receipt_verdict.required_slots``.
    """

    network: Network
    header: SealedHeader
    number: int
    receipt: Receipt
    signatures: tuple[SignedBy, ...]
    leaf: Leaf
    place: OutputProof
    sealed_output: bytes
    opened: Opened | None
    proof: PackedProof


def pack_proof(paths: Sequence[Sequence[bytes]]) -> PackedProof:
    """The proofs with each node kept once."""
    places: dict[bytes, int] = {}
    packed = tuple(tuple(places.setdefault(node, len(places)) for node in path) for path in paths)
    return PackedProof(tuple(places), packed)


def receipt_file_to_json(file: ReceiptFile) -> str:
    """The text of a receipt file."""
    return json.dumps(_to_plain(file), indent=1) + "\n"


def receipt_file_from_json(text: str) -> ReceiptFile:
    """The content of a receipt file.

    Raises:
        MalformedInput: not exactly such a document (``receipt.malformed``).
    """
    try:
        document = strict_json.loads(text, MAX_RECEIPT_FILE)
        file = _from_plain(document)
        is_canonical = _canonical(_to_plain(file)) == _canonical(document)
    except MalformedInput as error:
        raise _malformed(error.why if error.code == _MALFORMED else str(error)) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _malformed(f"{type(error).__name__}: {error}"[:200]) from error
    if not is_canonical:
        raise _malformed("unknown fields, or values written in another way")
    return file


def _canonical(document: Any) -> str:
    return json.dumps(document, sort_keys=True)


def _to_plain(file: ReceiptFile) -> dict[str, Any]:
    network = json.loads(network_to_json(file.network))
    del network["format"], network["hints"]
    receipt, leaf, place = file.receipt, file.leaf, file.place
    return {
        "format": FORMAT,
        "network": network,
        "header": {"raw": to_hex(file.header.raw), "seals": [to_hex(seal) for seal in file.header.seals]},
        "number": file.number,
        "receipt": {
            "network": to_hex(receipt.network),
            "cluster": to_hex(receipt.cluster),
            "epoch": receipt.epoch,
            "runtime": to_hex(receipt.runtime),
            "first": receipt.first,
            "to": receipt.to,
            "inbox_head": to_hex(receipt.inbox_head),
            "previous_root": to_hex(receipt.previous_root),
            "new_root": to_hex(receipt.new_root),
            "outputs_root": to_hex(receipt.outputs_root),
            "block_number": receipt.block_number,
            "block_hash": to_hex(receipt.block_hash),
        },
        "signatures": [
            {"worker": to_hex(item.worker), "signature": to_hex(item.signature)} for item in file.signatures
        ],
        "leaf": {
            "link": leaf.link,
            "position": leaf.position,
            "program": to_hex(leaf.program),
            "request": to_hex(leaf.request),
            "status": leaf.status,
            "fuel": leaf.fuel,
            "plaintext_hash": to_hex(leaf.plaintext_hash),
            "ciphertext_hash": to_hex(leaf.ciphertext_hash),
        },
        "place": {
            "index": place.index,
            "count": place.count,
            "siblings": [to_hex(sibling) for sibling in place.siblings],
        },
        "sealed_output": to_hex(file.sealed_output),
        "opened": None
        if file.opened is None
        else {"salt": to_hex(file.opened.salt), "plaintext": to_hex(file.opened.plaintext)},
        "proof": {
            "nodes": [to_hex(node) for node in file.proof.nodes],
            "paths": [list(path) for path in file.proof.paths],
        },
    }


def _from_plain(document: dict[str, Any]) -> ReceiptFile:
    if document["format"] != FORMAT:
        raise _malformed(f"the document calls itself {document['format']!r}, not {FORMAT}")
    header, opened = document["header"], document["opened"]
    network = json.dumps({"format": _NETWORK_FORMAT, "hints": {}, **document["network"]})
    return ReceiptFile(
        network=network_from_json(network)[0],
        header=SealedHeader(from_hex(header["raw"]), tuple(from_hex(seal, 65, "seal") for seal in header["seals"])),
        number=_integer(document["number"]),
        receipt=_receipt(document["receipt"]),
        signatures=tuple(
            SignedBy(WorkerId(_digest(item["worker"])), from_hex(item["signature"], 65, "signature"))
            for item in document["signatures"]
        ),
        leaf=_leaf(document["leaf"]),
        place=OutputProof(
            _integer(document["place"]["index"]),
            _integer(document["place"]["count"]),
            tuple(_digest(sibling) for sibling in document["place"]["siblings"]),
        ),
        sealed_output=from_hex(document["sealed_output"]),
        opened=None if opened is None else Opened(_digest(opened["salt"]), from_hex(opened["plaintext"])),
        proof=_proof(document["proof"]),
    )


def _receipt(plain: dict[str, Any]) -> Receipt:
    return Receipt(
        network=NetworkId(_digest(plain["network"])),
        cluster=ClusterId(_digest(plain["cluster"])),
        epoch=_integer(plain["epoch"]),
        runtime=RuntimeId(_digest(plain["runtime"])),
        first=_integer(plain["first"]),
        to=_integer(plain["to"]),
        inbox_head=_digest(plain["inbox_head"]),
        previous_root=StateRoot(_digest(plain["previous_root"])),
        new_root=StateRoot(_digest(plain["new_root"])),
        outputs_root=_digest(plain["outputs_root"]),
        block_number=_integer(plain["block_number"]),
        block_hash=_digest(plain["block_hash"]),
    )


def _leaf(plain: dict[str, Any]) -> Leaf:
    return Leaf(
        link=_integer(plain["link"]),
        position=_integer(plain["position"]),
        program=ProgramId(_digest(plain["program"])),
        request=RequestId(_digest(plain["request"])),
        status=_integer(plain["status"]),
        fuel=_integer(plain["fuel"]),
        plaintext_hash=_digest(plain["plaintext_hash"]),
        ciphertext_hash=_digest(plain["ciphertext_hash"]),
    )


def _proof(plain: dict[str, Any]) -> PackedProof:
    nodes = tuple(from_hex(node) for node in plain["nodes"])
    paths = tuple(tuple(_integer(place) for place in path) for path in plain["paths"])
    if len(nodes) > _MAX_NODES or len(paths) > _MAX_PATHS or len(set(nodes)) != len(nodes):
        raise _malformed("too many nodes or paths, or a node stands twice")
    if {place for path in paths for place in path} != set(range(len(nodes))):
        raise _malformed("a node is missing or unused")
    return PackedProof(nodes, paths)


def _digest(text: Any) -> Digest:
    return Digest(from_hex(text, 32, "digest"))


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 64:
        raise _malformed(f"{value!r:.40} is no whole number below 2**64")
    return value


def _malformed(why: str) -> MalformedInput:
    hint = "get the file again; it was cut, edited or made by another version"
    return MalformedInput(_MALFORMED, "the file is no receipt", why, hint)
