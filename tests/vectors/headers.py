"""``vectors/headers.json``: block headers, seals, segments (PROTOCOL 2.1, 2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coprocessor.headers.chain import VerifiedChain
from coprocessor.headers.header import parse_header
from coprocessor.headers.sealed import SealedSource, seal_digest
from coprocessor.values.identities import Address
from tests.vectors import world
from tests.vectors.form import Case, Subject, altered, raw


def _header(given: Mapping[str, Any]) -> Any:
    return {"header": parse_header(raw(given["raw"]))}


def _seal_digest(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"digest": seal_digest(given["chain_id"], given["number"], raw(given["hash"]))}


def _source(given: Mapping[str, Any]) -> SealedSource:
    return SealedSource(given["chain_id"], tuple(Address(raw(sealer)) for sealer in given["sealers"]))


def _seals(given: Mapping[str, Any]) -> dict[str, Any]:
    header = parse_header(raw(given["raw"]))
    count = _source(given).verify(header, [raw(seal) for seal in given["seals"]])
    return {
        "digest": seal_digest(given["chain_id"], header.number, header.hash),
        "signed": count.signed,
        "missing": count.missing,
    }


def _segments(given: Mapping[str, Any]) -> dict[str, Any]:
    chain = VerifiedChain(_source(given))
    for segment in given["segments"]:
        chain.extend([raw(item) for item in segment["headers"]], [raw(seal) for seal in segment["seals"]])
    head = chain.head
    assert head is not None
    return {"head_number": head.number, "head_hash": head.hash}


def _cases() -> list[Case]:
    first = world.raw_header()
    second = world.raw_header(71, parse_header(first).hash)
    third = world.raw_header(72, parse_header(second).hash)
    fork = world.raw_header(71, world.header().parent_hash)
    short = world.rlp.encode([bytes(32)] * 15)
    source = {"chain_id": world.CHAIN_ID, "sealers": [sealer.address for sealer in world.SEALERS]}
    good = world.seals(first)

    def sealed(seals: list[bytes], header: bytes = first) -> dict[str, Any]:
        return source | {"raw": header, "seals": seals}

    def segment(*headers: bytes, count: int = 3) -> dict[str, Any]:
        return {"headers": list(headers), "seals": world.seals(headers[-1], count)}

    def segments(*found: dict[str, Any]) -> dict[str, Any]:
        return source | {"segments": list(found)}

    stranger = world.RELAYER.sign(seal_digest(world.CHAIN_ID, 70, parse_header(first).hash))
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    high = (order - int.from_bytes(good[0][32:64], "big")).to_bytes(32, "big")
    malleable = good[0][:32] + high + bytes((55 - good[0][64],))
    return [
        Case("a Prague header", "2.1", "header", {"raw": first}),
        Case("a header of fifteen fields", "2.1", "header", {"raw": short}, "header.shape"),
        Case("a byte after the header", "2.1", "header", {"raw": first + b"\0"}, "rlp.malformed"),
        Case("a header cut short", "2.1", "header", {"raw": first[:-1]}, "rlp.malformed"),
        Case("an endless header", "2.1", "header", {"raw": bytes(2049)}, "header.too_long"),
        Case("what a sealer signs", "2.1", "seal_digest",
             {"chain_id": world.CHAIN_ID, "number": 70, "hash": parse_header(first).hash}),
        Case("three of four sealers", "2.1", "seals", sealed(good)),
        Case("all four, in another order", "2.1", "seals", sealed(world.seals(first, 4)[::-1])),
        Case("two of four sealers", "2.1", "seals", sealed(good[:2]), "headers.not_final"),
        Case("one sealer three times", "2.1", "seals", sealed([good[0]] * 3), "headers.not_final"),
        Case("a stranger's seal beside them", "2.1", "seals", sealed([*good, stranger]), "headers.foreign_seal"),
        Case("seals of another block", "2.1", "seals", sealed(good, second), "headers.foreign_seal"),
        Case("a seal of 64 bytes", "2.1", "seals", sealed([good[0][:64], *good[1:]]), "signature.malformed"),
        Case("a seal that ends in 0 or 1", "2.1", "seals",
             sealed([good[0][:64] + bytes((good[0][64] - 27,)), *good[1:]]), "signature.malformed"),
        Case("a seal with s in the upper half", "2.1", "seals", sealed([malleable, *good[1:]]), "signature.malleable"),
        Case("a segment of three headers", "2.2", "segments", segments(segment(first, second, third))),
        Case("two segments that join", "2.2", "segments", segments(segment(first), segment(second, third))),
        Case("a gap between segments", "2.2", "segments", segments(segment(first), segment(third))),
        Case("parents that do not link", "2.2", "segments", segments(segment(first, third)), "headers.broken_link"),
        Case("an altered parent", "2.2", "segments", segments(segment(first, fork)), "headers.broken_link"),
        Case("two final chains", "2.2", "segments", segments(segment(first), segment(fork)), "headers.fork"),
        Case("nothing", "2.2", "segments", source | {"segments": [{"headers": [], "seals": good}]},
             "headers.segment"),
        Case("a seal over an ancestor alone", "2.2", "segments",
             segments({"headers": [first, second], "seals": good}), "headers.foreign_seal"),
        Case("an altered header", "2.1", "seals", sealed(good, altered(first, 40)), "headers.foreign_seal"),
    ]


def subject() -> Subject:
    """The file's content."""
    checks = {"header": _header, "seal_digest": _seal_digest, "seals": _seals, "segments": _segments}
    return Subject("headers", "docs/specification/headers.md", checks, _cases())
