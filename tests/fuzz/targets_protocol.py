"""Targets of the protocol: links and items, sealed commands and queries, outputs, receipts, interfaces, networks."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from coprocessor.codec import abi, cbor, strict_json
from coprocessor.crypto import hpke
from coprocessor.crypto.hashing import keccak256
from coprocessor.protocol import commands, outputs, queries, system
from coprocessor.protocol.commands import open_command, seal_command
from coprocessor.protocol.genesis import network_from_json, network_to_json
from coprocessor.protocol.interface import Method, parse_interface
from coprocessor.protocol.interface_types import Mismatch, parse_type
from coprocessor.protocol.items import ClearItem, decode_items, encode_items
from coprocessor.protocol.links import MAX_LINK_PAYLOAD
from coprocessor.protocol.output_body import Event, LogLine, OutputBody, decode_output_body, encode_output_body
from coprocessor.protocol.outputs import OutputProof, derive_output_keys, verify_output
from coprocessor.protocol.packed import decode_packed, parse_packed_type
from coprocessor.protocol.queries import Query, QueryReply, open_query, open_reply, seal_query, seal_reply
from coprocessor.protocol.receipt_file import receipt_file_from_json, receipt_file_to_json
from coprocessor.protocol.receipt_verdict import verify_receipt
from coprocessor.protocol.receipts import verify_signers
from coprocessor.values.errors import CallerMisuse, EvidenceRefused
from coprocessor.values.identities import Digest, StateRoot, WorkerId
from tests.fuzz.target import REFUSED, Target, Unsound
from tests.protocol import samples
from tests.support.byte_mutation import join_parts, split_parts
from tests.support.receipt_world import World

_FUEL, _FEE = 10**9, 10**15
_COUNTER = Path(__file__).parents[2] / "examples" / "c_counter" / "counter.interface.json"
_SECRET = b"r" * 32


def _items(data: bytes) -> None:
    """Counts and sums are taken from the payload itself, so that its framing alone decides."""
    payload = data[:MAX_LINK_PAYLOAD]
    groups, at, count, fuel, fee = 0, 0, 0, 0, 0
    while at + 26 <= len(payload) and groups < 2000:
        members = int.from_bytes(payload[at + 24 : at + 26], "big")
        fuel += members * int.from_bytes(payload[at + 4 : at + 12], "big")
        fee += members * int.from_bytes(payload[at + 12 : at + 24], "big")
        at, count, groups = at + 26, count + members, groups + 1
        for _ in range(min(members, 2000)):
            at += 2 + int.from_bytes(payload[at : at + 2], "big")
    found = decode_items(samples.make_link(payload, count, fuel, fee))
    if len(found) != count:
        raise Unsound("items appeared or vanished")


def _items_seeds() -> list[bytes]:
    items = [ClearItem(handle, fuel, 5, b"x" * size) for handle, fuel, size in ((1, 2, 3), (1, 2, 0), (2, 9, 146))]
    return [encode_items(items), encode_items([ClearItem(2**32 - 1, 2**64 - 1, 2**96 - 1, b"")] * 3)]


def _open(sealed: bytes) -> commands.OpenedCommand:
    return open_command(sealed, samples.make_destination(), samples.INPUT_KEY, _FUEL, _FEE)


def _plaintext() -> bytes:
    destination, command = samples.make_destination(), samples.make_command()
    sealed = seal_command(command, destination, samples.AUTHOR, samples.INPUT_KEY.public_key)
    return samples.INPUT_KEY.open(sealed, destination.info(_FUEL, _FEE))


def _command_content(data: bytes) -> None:
    """A command that somebody sealed properly around any bytes."""
    info = samples.make_destination().info(_FUEL, _FEE)
    opened = _open(hpke.seal(data, samples.INPUT_KEY.public_key, info))
    if opened.author != samples.AUTHOR.address or data != _plaintext():
        raise Unsound("somebody else's bytes pass as the author's")


def _query() -> Query:
    return Query(b"abcd", b"[1]", 5, keccak256(b"block"), _SECRET, bytes(65))


def _query_content(data: bytes) -> None:
    info = queries._info(samples.NETWORK, samples.PROGRAM, 1)
    sealed = hpke.seal(data, samples.INPUT_KEY.public_key, info)
    query = open_query(sealed, samples.NETWORK, samples.PROGRAM, 1, samples.INPUT_KEY)
    query.digest(samples.NETWORK, samples.PROGRAM)
    query.caller(samples.NETWORK, samples.PROGRAM)


def _query_plain() -> list[bytes]:
    signed = samples.AUTHOR.sign(_query().digest(samples.NETWORK, samples.PROGRAM))
    return [cbor.dumps([b"abcd", b"[1]", 5, keccak256(b"block"), _SECRET, signature]) for signature in (b"", signed)]


def _query_sealed() -> list[bytes]:
    return [seal_query(_query(), samples.NETWORK, samples.PROGRAM, 1, samples.INPUT_KEY.public_key)]


def _reply(data: bytes) -> None:
    reply = QueryReply.decode(data)
    if reply.encode() != data:
        raise Unsound("a reply has two forms")
    reply.signer()


def _reply_seeds() -> list[bytes]:
    digest = Digest(keccak256(b"query"))
    reply = QueryReply(
        samples.NETWORK, samples.CLUSTER, samples.PROGRAM, digest, 5, digest, 3, 6, StateRoot(digest),
        WorkerId(digest), 1, 0, 77, b"sealed",
    )  # fmt: skip
    return [reply.signed(samples.AUTHOR).encode()]


def _sealed_reply() -> bytes:
    return seal_reply(b"result", _query(), samples.NETWORK, keccak256(b"query"))


@cache
def _world() -> World:
    return World()


@cache
def _receipts() -> tuple[str, ...]:
    return tuple(receipt_file_to_json(_world().file(position, opened)) for position, opened in ((3, True), (0, False)))


def _verdict(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    if not verify_receipt(text, _world().network).ok:
        return
    if json.loads(text) not in [json.loads(receipt) for receipt in _receipts()]:
        raise Unsound("an altered receipt verifies")


def _output(data: bytes) -> None:
    sealed, leaf, _ = _world().outputs[2]
    keys = derive_output_keys(b"s" * 16, _world().network_id, keccak256(b"link"), 2)
    outputs.open_output(data, keys, leaf, _world().network_id)
    if data != sealed:
        raise Unsound("another output opens")


def _place(data: bytes) -> None:
    """Parts: index and count in eight bytes each, then siblings."""
    numbers, *siblings = split_parts(data) or [b""]
    index, count = int.from_bytes(numbers[:8], "big"), int.from_bytes(numbers[8:16], "big")
    proof = OutputProof(index, count, tuple(Digest(sibling) for sibling in siblings))
    verify_output(_world().receipt.outputs_root, _world().outputs[3][1], proof)
    if (index, count) != (3, 5):
        raise Unsound("a leaf stands in two places")


def _place_seeds() -> list[bytes]:
    place = _world().file().place
    numbers = place.index.to_bytes(8, "big") + place.count.to_bytes(8, "big")
    return [join_parts([numbers, *place.siblings])]


def _signers(data: bytes) -> None:
    members = {samples.AUTHOR.address: samples.RELAYER.address, samples.STRANGER.address: samples.STRANGER.address}
    verify_signers(samples.make_receipt(), split_parts(data), members, 2, samples.CHAIN_ID, samples.SETTLEMENT)


def _signers_seeds() -> list[bytes]:
    digest = samples.make_receipt().digest(samples.CHAIN_ID, samples.SETTLEMENT)
    return [join_parts([samples.AUTHOR.sign(digest), samples.STRANGER.sign(digest)])]


def _interface(data: bytes) -> None:
    """Parts: the interface, a result, words of a command line. Whatever parses must also be usable."""
    document, result, *words = (*split_parts(data), b"", b"")
    texts = [word.decode("utf-8", "surrogateescape") for word in words]
    for method in parse_interface(document).methods.values():
        _use(method, result, texts)


def _use(method: Method, result: bytes, words: list[str]) -> None:
    if not method.signature.startswith(method.name):
        raise Unsound("a signature without its name")
    for attempt in (
        lambda: method.encode_words(words[: len(method.parameters)]),
        lambda: method.encode_arguments(),
        lambda: method.encode_arguments(words[:1]),
        lambda: method.decode_result(result),
    ):
        try:
            attempt()
        except (CallerMisuse, EvidenceRefused):
            continue


_TYPES = ("null", "bool", "int", "float", "str", "bytes", "address", "uint8", "int256", {"list": "int"},
          {"dict": "str"}, {"tuple": ["int", "str"]}, {"optional": "bool"}, {"enum": "E", "members": ["A", "B"]},
          {"struct": "S", "fields": [{"name": "a", "type": "bytes32"}]})  # fmt: skip


def _interface_seeds() -> list[bytes]:
    parameters = [{"name": f"p{at}", "type": kind} for at, kind in enumerate(_TYPES)]
    method = {"name": "all", "kind": "command", "parameters": parameters, "returns": {"list": "float"}}
    default = {
        "name": "one",
        "kind": "query",
        "parameters": [{"name": "w", "type": "int", "default": 1}],
        "returns": "null",
    }
    document = {"abi": 1, "language": "python", "name": "All", "methods": [method, default]}
    words = [b"null", b"true", b"5", b"0.5", b"text", b"0xff", b"0x" + b"ab" * 20, b"7", b"-7", b"[1]", b'{"a": "b"}',
             b'[1, "x"]', b"null", b"A", b'{"a": "0x' + b"00" * 32 + b'"}']  # fmt: skip
    return [
        join_parts([json.dumps(document).encode(), b"[1.5]", *words]),
        join_parts([_COUNTER.read_bytes(), bytes(8), b"12"]),
    ]


def _type(data: bytes) -> None:
    """Parts: a type as JSON, a word, a result; mismatches are the types' own way to refuse."""
    raw, word, result = (*split_parts(data), b"", b"", b"")[:3]
    parsed = parse_type(strict_json.loads(raw))
    for attempt in (
        lambda: parsed.encode(parsed.read(word.decode("utf-8", "surrogateescape"))),
        lambda: parsed.decode(strict_json.loads(result)),
    ):
        try:
            attempt()
        except Mismatch:
            continue


def _type_seeds() -> list[bytes]:
    return [join_parts([json.dumps(kind).encode(), b"5", b"5"]) for kind in _TYPES]


def _packed(data: bytes) -> None:
    """Parts: a type's name, a word, a result."""
    name, word, result = (*split_parts(data), b"", b"", b"")[:3]
    kind = parse_packed_type(name.decode("utf-8", "replace"))
    for attempt in (
        lambda: kind.encode(kind.read(word.decode("utf-8", "surrogateescape"))),
        lambda: decode_packed(kind, result),
        lambda: kind.decode(result),
    ):
        try:
            attempt()
        except Mismatch:
            continue


def _network_seeds() -> list[bytes]:
    return [network_to_json(samples.make_network(), {"rpc": "http://127.0.0.1:1"}).encode()]


def _body_seeds() -> list[bytes]:
    program = bytes(32)
    body = OutputBody(0, "", b"[1]", "", (Event(program, "sold", b"{}"),), (LogLine(program, 1, "lög"),))
    return [encode_output_body(body)]


_SYSTEM = (
    ("epoch", system.decode_epoch, ["uint256", "bytes32", "uint256", "uint256"], [2, bytes(32), 1, 1]),
    ("member", system.decode_member, ["bytes32", "address", "bool", "uint256"], [bytes(32), bytes(20), True, 1]),
    ("instantiation", system.decode_instantiation, system._INSTANTIATE,
     [bytes(32), 1, bytes(20), bytes(32), bytes(32), 5, [bytes(32)], b"init"]),
    ("upgrade", system.decode_upgrade, ["bytes32", "uint256", "bytes32", "uint256"], [bytes(32), 1, bytes(32), 5]),
    ("request", system.decode_request, ["bytes32", "uint256", "bytes32", "bytes4", "uint256", "bytes"],
     [bytes(32), 1, bytes(32), b"abcd", 5, b"arguments"]),
)  # fmt: skip

PROTOCOL_TARGETS = (
    Target("items", _items, _items_seeds, covers=("protocol.items.decode_items",), examples=200),
    Target(
        "sealed-command",
        _open,
        lambda: [
            seal_command(
                samples.make_command(), samples.make_destination(), samples.AUTHOR, samples.INPUT_KEY.public_key
            )
        ],
        errors=REFUSED,
        covers=("protocol.commands.open_command",),
    ),
    Target("command", _command_content, lambda: [_plaintext()], errors=REFUSED),
    Target(
        "sealed-query",
        lambda data: open_query(data, samples.NETWORK, samples.PROGRAM, 1, samples.INPUT_KEY),
        _query_sealed,
        errors=REFUSED,
        covers=("protocol.queries.open_query",),
    ),
    Target("query", _query_content, _query_plain, errors=REFUSED),
    Target("query-reply", _reply, _reply_seeds, errors=REFUSED, covers=("protocol.queries.QueryReply.decode",)),
    Target(
        "sealed-reply",
        lambda data: open_reply(data, _SECRET, samples.NETWORK, keccak256(b"query")),
        lambda: [_sealed_reply()],
        errors=REFUSED,
        covers=("protocol.queries.open_reply",),
    ),
    Target("output-body", decode_output_body, _body_seeds, covers=("protocol.output_body.decode_output_body",)),
    Target(
        "output",
        _output,
        lambda: [_world().outputs[2][0]],
        errors=REFUSED,
        covers=("protocol.outputs.open_output",),
    ),
    Target("output-place", _place, _place_seeds, errors=REFUSED, covers=("protocol.outputs.verify_output",)),
    Target("receipt-signers", _signers, _signers_seeds, errors=REFUSED, covers=("protocol.receipts.verify_signers",)),
    Target(
        "receipt-file",
        lambda data: receipt_file_from_json(data.decode("utf-8", "replace")),
        lambda: [text.encode() for text in _receipts()],
        covers=("protocol.receipt_file.receipt_file_from_json",),
    ),
    Target(
        "receipt-verdict",
        _verdict,
        lambda: [text.encode() for text in _receipts()],
        errors=(),
        covers=("protocol.receipt_verdict.verify_receipt",),
    ),
    Target(
        "interface",
        _interface,
        _interface_seeds,
        covers=("protocol.interface.parse_interface", "protocol.interface.Method.decode_result"),
        examples=200,
    ),
    Target(
        "interface-type",
        _type,
        _type_seeds,
        covers=(
            "protocol.interface_types.parse_type",
            "protocol.interface_types.Type.decode",
            "protocol.interface_types.Type.read",
        ),
        examples=200,
    ),
    Target(
        "packed-type",
        _packed,
        lambda: [join_parts([b"u64", b"7", bytes(8)]), join_parts([b"address", b"0x" + b"ab" * 20, bytes(20)])],
        covers=(
            "protocol.packed.parse_packed_type",
            "protocol.packed.decode_packed",
            "protocol.packed.PackedType.decode",
            "protocol.packed.PackedType.read",
        ),
    ),
    Target(
        "network",
        lambda data: network_from_json(data.decode("utf-8", "surrogateescape")),
        _network_seeds,
        covers=("protocol.genesis.network_from_json",),
        examples=200,
    ),
    *(
        Target(
            f"system-{name}",
            decode,
            lambda kinds=kinds, values=values: [abi.encode(kinds, values)],
            covers=(f"protocol.system.decode_{name}",),
        )
        for name, decode, kinds, values in _SYSTEM
    ),
)
