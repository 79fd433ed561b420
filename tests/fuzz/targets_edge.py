"""Targets above the enclave: what nodes, workers and people say to hosts and clients."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from coprocessor.chain.artifacts import load_artifact
from coprocessor.chain.contract import Event
from coprocessor.chain.errors import ResponseMalformed, RpcError, TransactionReverted, decode_revert
from coprocessor.chain.keyfile import load_key_file
from coprocessor.chain.node import Log
from coprocessor.client.target import load_target
from coprocessor.client.workers import _decode_output, _decode_status, _failure
from coprocessor.codec import abi, cbor
from coprocessor.codec.transaction import Transaction
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.devnode.dispatch import decode_json
from coprocessor.devnode.errors import RpcError as NodeRefused
from coprocessor.devnode.transactions import decode_transaction
from coprocessor.host.http import _decode_json, _refusal
from coprocessor.host.worker_server import _query_body
from coprocessor.protocol.genesis import network_to_json
from coprocessor.values.errors import CallerMisuse, MalformedInput
from coprocessor.values.identities import Address, Digest
from tests.fuzz.target import Target, Unsound
from tests.protocol import samples
from tests.support.byte_mutation import join_parts, split_parts
from tests.support.rpc_answers import ANSWERS, ask, body_of

_METHODS = tuple(ANSWERS)
_URL = "http://worker.invalid"


def _answer(data: bytes) -> None:
    """First byte: the method; the rest is the HTTP body."""
    ask(_METHODS[(data[0] if data else 0) % len(_METHODS)], data[1:])


def _answer_seeds() -> list[bytes]:
    return [bytes((at,)) + body_of(name, ANSWERS[name][1]) for at, name in enumerate(_METHODS)]


def _event() -> Event:
    return load_artifact("Inbox").interface.event("Link")


def _log(data: bytes) -> None:
    """Parts: topics beside the first, then the data of the event."""
    *topics, content = split_parts(data) or [b""]
    link = _event()
    _event().decode(Log(Address(bytes(20)), (link.topic, *topics), content, 1, _DIGEST, _DIGEST, 0))


def _log_seeds() -> list[bytes]:
    members = _event().members
    indexed = [kind for _, kind, is_indexed in members if is_indexed]
    plain = [kind for _, kind, is_indexed in members if not is_indexed]
    return [
        join_parts(
            [*(abi.encode([kind], [_sample(kind)]) for kind in indexed), abi.encode(plain, list(map(_sample, plain)))]
        )
    ]


def _sample(kind: str) -> Any:
    return {"address": bytes(20), "bytes32": bytes(32), "bytes": b"payload"}.get(kind, 7)


def _revert(data: bytes) -> None:
    if not isinstance(decode_revert(data), str):
        raise Unsound("a reason that is no text")


def _output_seeds() -> list[bytes]:
    digest = "0x" + "ab" * 32
    leaf = {"link": 1, "position": 0, "program": digest, "request": digest, "status": 0, "fuel": 5}
    leaf |= {"plaintext_hash": digest, "ciphertext_hash": digest}
    place = {"index": 0, "count": 2, "siblings": [digest]}
    return [json.dumps({"ok": True, "leaf": leaf, "place": place, "output": "0x12", "link_hash": digest}).encode()]


def _refused(data: bytes) -> None:
    if not str(_refusal(_URL, 400, data)) or not str(_failure(_URL, 400, data)):
        raise Unsound("a refusal without words")


def _transaction_seeds() -> list[bytes]:
    key = PrivateKey(b"\x07" * 32)
    return [
        Transaction(31337, 1, 10**6, 10**9, 1, to, 5, b"data").sign(key).raw for to in (Address(b"\x01" * 20), None)
    ]


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


def _file(data: bytes, name: str) -> Path:
    path = Path(_folder().name) / name
    path.touch(0o600)
    path.write_bytes(data)
    return path


_DIGEST = Digest(bytes(32))

EDGE_TARGETS = (
    Target(
        "rpc-answer",
        _answer,
        _answer_seeds,
        errors=(ResponseMalformed, RpcError, TransactionReverted),
        examples=250,
    ),
    Target("contract-event", _log, _log_seeds),
    Target("revert", _revert, lambda: [abi.selector("Error(string)") + abi.encode(["string"], ["no"])], errors=()),
    Target("worker-output", lambda data: _decode_output(_URL, data), _output_seeds, examples=150),
    Target("worker-status", lambda data: _decode_status(_URL, data), lambda: [b'{"ok": true, "pid": 5}']),
    Target("peer-answer", lambda data: _decode_json(_URL, data), lambda: [b'{"ok": true, "list": [1]}']),
    Target("refusal", _refused, lambda: [b'{"code": "a.b", "what": "w", "why": "", "next": ""}'], errors=()),
    Target("query-body", _query_body, lambda: [cbor.dumps([bytes(32), b"sealed"])]),
    Target("transaction", decode_transaction, _transaction_seeds, examples=150),
    Target(
        "node-request",
        decode_json,
        lambda: [b'{"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}'],
        errors=(NodeRefused,),
    ),
    Target(
        "key-file",
        lambda data: load_key_file(_file(data, "key")),
        lambda: [b"0x" + b"ab" * 32 + b"\n", b"ab" * 32],
        errors=(CallerMisuse,),
    ),
    Target(
        "network-file",
        lambda data: load_target(_file(data, "network.json")),
        lambda: [network_to_json(samples.make_network()).encode()],
        errors=(CallerMisuse, MalformedInput),
    ),
)
