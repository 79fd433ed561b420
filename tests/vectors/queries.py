"""``vectors/queries.json``: queries, their replies, and statements to the contracts (PROTOCOL 2.3, 4.4, 9.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coprocessor.codec import cbor
from coprocessor.crypto.hashing import keccak256, sha256
from coprocessor.crypto.hpke import SealingKey
from coprocessor.crypto.labels import Label
from coprocessor.protocol.output_body import encode_output_body
from coprocessor.protocol.queries import Query, QueryReply, open_query, open_reply, seal_reply
from coprocessor.protocol.statements import (
    INPUT_KEY,
    Admission,
    Boundary,
    GenesisRecord,
    HandoverRecord,
    HeldRecord,
    InputKeyRecord,
    MasterKeyRecord,
    ProgramKey,
    ProgramKeysRecord,
    compute_keys_hash,
)
from coprocessor.values.identities import Address, NetworkId, ProgramId
from tests.vectors import world
from tests.vectors.form import Case, Subject, altered, plain, raw


def _named(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: raw(value) if isinstance(value, str) else value for name, value in given.items()}


def _digest(given: Mapping[str, Any]) -> dict[str, Any]:
    query, network = Query(**_named(given["query"])), NetworkId(raw(given["network"]))
    program = ProgramId(raw(given["program"]))
    fields = [query.method, query.arguments, query.block_number, query.block_hash, sha256(query.reply_secret)]
    preimage = Label.QUERY_SIGNATURE.context(network, b"query", program, cbor.dumps(fields))
    assert keccak256(preimage) == query.digest(network, program)
    return {"preimage": preimage, "digest": keccak256(preimage), "caller": query.caller(network, program)}


def _open(given: Mapping[str, Any]) -> dict[str, Any]:
    key = SealingKey(raw(given["input_secret"]))
    network, program = NetworkId(raw(given["network"])), ProgramId(raw(given["program"]))
    info = Label.SEALED_QUERY.context(network, program, given["epoch"].to_bytes(8, "big"))
    query = open_query(raw(given["sealed"]), network, program, given["epoch"], key)
    return {"info": info, "plaintext": key.open(raw(given["sealed"]), info), "query": query}


def _reply(given: Mapping[str, Any]) -> dict[str, Any]:
    reply = QueryReply.decode(raw(given["data"]))
    assert reply.encode() == raw(given["data"])
    return {"reply": reply, "digest": reply.digest(), "signer": reply.signer()}


def _seal_result(given: Mapping[str, Any]) -> dict[str, Any]:
    query, network = Query(**_named(given["query"])), NetworkId(raw(given["network"]))
    return {"sealed": seal_reply(raw(given["result"]), query, network, raw(given["query_digest"]))}


def _open_result(given: Mapping[str, Any]) -> dict[str, Any]:
    names = ("sealed", "reply_secret", "network", "query_digest")
    sealed, secret, network, digest = (raw(given[name]) for name in names)
    return {"result": open_reply(sealed, secret, NetworkId(network), digest)}


_STATEMENTS = {
    "Admission": Admission,
    "Boundary": Boundary,
    "Genesis": GenesisRecord,
    "Handover": HandoverRecord,
    "Held": HeldRecord,
    "InputKey": InputKeyRecord,
    "MasterKey": MasterKeyRecord,
    "ProgramKeys": ProgramKeysRecord,
}


def _statement(given: Mapping[str, Any]) -> dict[str, Any]:
    made = _STATEMENTS[given["type"]](**_named(given["fields"]))
    return {"digest": made.digest(given["chain_id"], Address(raw(given["contract"])))}


def _sealed(fields: list[Any], ephemeral: str) -> bytes:
    info = Label.SEALED_QUERY.context(world.NETWORK_ID, world.PROGRAM, world.EPOCH.to_bytes(8, "big"))
    return world.hpke_seal(cbor.dumps(fields), world.PROGRAM_KEYS.input_key.public_key, info, ephemeral)


def _query_cases(query: Query) -> list[Case]:
    where = {"network": world.NETWORK_ID, "program": world.PROGRAM}
    fields = [getattr(query, name) for name in Query.__slots__]
    opening = where | {"epoch": 1, "input_secret": world.PROGRAM_KEYS.input_key.secret}
    opening |= {"sealed": _sealed(fields, "query")}
    anonymous = plain(query) | {"caller_signature": "0x"}
    malformed = plain(query) | {"caller_signature": plain(bytes(65))}

    def changed(at: int, value: Any) -> dict[str, Any]:
        return opening | {"sealed": _sealed([*fields[:at], value, *fields[at + 1 :]], f"changed {at}")}

    return [
        Case("what a caller signs", "2.3", "digest", where | {"query": query}),
        Case("an anonymous query", "2.3", "digest", where | {"query": anonymous}),
        Case("a signature that nobody made", "2.3", "digest", where | {"query": malformed}, "signature.malformed"),
        Case("a sealed query", "2.3", "open", opening),
        Case("sealed for another epoch", "2.3", "open", opening | {"epoch": 2}, "hpke.open"),
        Case("sealed for another program", "2.3", "open", opening | {"program": bytes(32)}, "hpke.open"),
        Case("a method of five bytes", "2.3", "open", changed(0, b"12345"), "query.shape"),
        Case("a block number as text", "2.3", "open", changed(2, "70"), "query.shape"),
        Case("a negative block number", "2.3", "open", changed(2, -1), "query.shape"),
        Case("a reply secret of 16 bytes", "2.3", "open", changed(4, bytes(16)), "query.shape"),
        Case("a field too few", "2.3", "open", opening | {"sealed": _sealed(fields[:-1], "short")}, "query.shape"),
    ]


def _reply_cases(query: Query) -> list[Case]:
    digest = query.digest(world.NETWORK_ID, world.PROGRAM)
    result = encode_output_body(world.output_body(0))
    sealed = seal_reply(result, query, world.NETWORK_ID, digest)
    state_root = world.receipt().new_root
    block = query.block_number, query.block_hash
    reply = QueryReply(
        world.NETWORK_ID, world.CLUSTER, world.PROGRAM, digest, *block, 6, 72, state_root, world.WORKERS[0], 1, 0,
        144_000, sealed,
    ).signed(world.SIGNERS[0])
    fields = [getattr(reply, name) for name in QueryReply.__slots__]
    opening = {
        "sealed": sealed,
        "reply_secret": query.reply_secret,
        "network": world.NETWORK_ID,
        "query_digest": digest,
    }

    def changed(at: int, value: Any) -> dict[str, Any]:
        return {"data": cbor.dumps([*fields[:at], value, *fields[at + 1 :]])}

    return [
        Case("a signed reply", "2.3", "reply", {"data": reply.encode()}),
        Case("a stale block in it", "2.3", "reply", changed(4, 69)),
        Case("a reply of too few fields", "2.3", "reply", {"data": cbor.dumps(fields[:-1])}, "reply.shape"),
        Case("a state root of 31 bytes", "2.3", "reply", changed(8, bytes(31)), "reply.shape"),
        Case("a negative number", "2.3", "reply", changed(6, -1), "reply.shape"),
        Case("a truth value as a number", "2.3", "reply", changed(11, False), "reply.shape"),
        Case("a signature of 64 bytes", "2.3", "reply", changed(14, bytes(64)), "signature.malformed"),
        Case("a result sealed", "2.3", "seal_result",
             {"network": world.NETWORK_ID, "query": query, "query_digest": digest, "result": result}),
        Case("a result opened", "2.3", "open_result", opening),
        Case("another query's secret", "2.3", "open_result", opening | {"reply_secret": bytes(32)}, "aead.open"),
        Case("another query's reply", "2.3", "open_result", opening | {"query_digest": bytes(32)}, "aead.open"),
        Case("an altered result", "2.3", "open_result", opening | {"sealed": altered(sealed)}, "aead.open"),
        Case("a result of eleven bytes", "2.3", "open_result", opening | {"sealed": bytes(11)}, "reply.open"),
    ]


def _statement_cases() -> list[Case]:
    input_key = InputKeyRecord(
        world.NETWORK_ID, world.CLUSTER, world.PROGRAM, 1, world.PROGRAM_KEYS.input_key.public_key
    )
    master = MasterKeyRecord(world.NETWORK_ID, keccak256(b"master key"), keccak256(b"share keys"))
    admission = Admission(
        world.OPERATORS[0],
        keccak256(b"platform 0"),
        1,
        world.SIGNERS[0].address,
        keccak256(b"sealing key"),
        keccak256(b"evidence"),
        keccak256(b"measurement"),
        keccak256(b"root"),
        2,
        True,
        world.compute_configuration_hash(world.NETWORK.configuration),
        70,
        world.header().hash,
        2**31,
    )
    rows: list[tuple[str, str, str, Any]]
    rows = [("InputKey", "Programs", "4.4", input_key), ("MasterKey", "Gatekeeping", "9.1", master)]
    rows.append(("Genesis", "Gatekeeping", "9.1", GenesisRecord(world.NETWORK_ID, 2, keccak256(b"members"))))
    rows.append(("Handover", "Gatekeeping", "9.4", HandoverRecord(keccak256(b"session"))))
    rows.append(("Admission", "Registry", "1.2", admission))
    root, checkpoint = world.receipt().new_root, keccak256(b"checkpoint")
    boundary = Boundary(world.NETWORK_ID, world.CLUSTER, 2, 6, world.heads()[6], root, checkpoint)
    rows.append(("Boundary", "Clusters", "8.4", boundary))
    listed = [ProgramKey(world.PROGRAM, INPUT_KEY, input_key.key)]
    keys = ProgramKeysRecord(world.NETWORK_ID, world.CLUSTER, input_key.epoch, compute_keys_hash(listed))
    rows.append(("ProgramKeys", "Programs", "4.4", keys))
    rows.append(("Held", "Clusters", "8.4", HeldRecord(world.NETWORK_ID, world.CLUSTER, checkpoint)))
    return [
        Case(f"the statement {name}", rule, "statement",
             {"type": name, "chain_id": world.CHAIN_ID, "contract": world.address_of(contract), "fields": fields})
        for name, contract, rule, fields in rows
    ]


def subject() -> Subject:
    """The file's content."""
    checks = {
        "digest": _digest,
        "open": _open,
        "reply": _reply,
        "seal_result": _seal_result,
        "open_result": _open_result,
        "statement": _statement,
    }
    caller = world.AUTHORS[0]
    head = world.header()
    query = Query(world.method_selector("total"), b"[]", head.number, head.hash, keccak256(b"reply secret"))
    signature = caller.sign(query.digest(world.NETWORK_ID, world.PROGRAM))
    signed = Query(query.method, query.arguments, query.block_number, query.block_hash, query.reply_secret, signature)
    cases = [*_query_cases(signed), *_reply_cases(signed), *_statement_cases()]
    return Subject("queries", "docs/specification/queries.md", checks, cases)
