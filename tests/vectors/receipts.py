"""``vectors/receipts.json``: the digest signed, signatures, call data and events, the receipt file (PROTOCOL 7)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from coprocessor.chain.artifacts import load_artifact
from coprocessor.chain.node import Log
from coprocessor.codec import abi
from coprocessor.codec.eip712 import Domain
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import recover_address
from coprocessor.protocol.genesis import network_from_json, network_to_json
from coprocessor.protocol.outputs import prove_output
from coprocessor.protocol.receipt_file import (
    Opened,
    ReceiptFile,
    SealedHeader,
    SignedBy,
    pack_proof,
    receipt_file_to_json,
)
from coprocessor.protocol.receipt_verdict import ReceiptQuestion, minimal_seals, required_slots, verify_receipt
from coprocessor.protocol.receipts import Receipt, verify_signers
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import ZERO_ADDRESS, Address, Digest
from tests.vectors import world
from tests.vectors.form import Case, Subject, altered, plain, raw

TYPE = (
    b"Receipt(bytes32 network,bytes32 cluster,uint64 epoch,bytes32 runtime,uint64 from,uint64 to,bytes32 inboxHead,"
    b"bytes32 previousRoot,bytes32 newRoot,bytes32 outputsRoot,uint64 blockNumber,bytes32 blockHash)"
)


def receipt_of(given: Mapping[str, Any]) -> Receipt:
    """The receipt that a vector describes."""
    return Receipt(**{name: raw(value) if isinstance(value, str) else value for name, value in given.items()})


def _digest(given: Mapping[str, Any]) -> dict[str, Any]:
    receipt, settlement = receipt_of(given["receipt"]), Address(raw(given["settlement"]))
    values = [getattr(receipt, name) for name in Receipt.__slots__]
    kinds = ["bytes32" if isinstance(value, bytes) else "uint64" for value in values]
    struct_hash = keccak256(abi.encode(["bytes32", *kinds], [keccak256(TYPE), *values]))
    separator = Domain(given["chain_id"], settlement).separator()
    digest = receipt.digest(given["chain_id"], settlement)
    assert digest == keccak256(b"\x19\x01" + separator + struct_hash)
    return {
        "type_hash": keccak256(TYPE),
        "struct_hash": struct_hash,
        "domain_separator": separator,
        "digest": digest,
    }


def _recover(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"signer": recover_address(raw(given["digest"]), raw(given["signature"]))}


def _signers(given: Mapping[str, Any]) -> dict[str, Any]:
    members = {Address(raw(signer)): Address(raw(operator)) for signer, operator in given["members"].items()}
    signatures = [raw(signature) for signature in given["signatures"]]
    settlement, receipt = Address(raw(given["settlement"])), receipt_of(given["receipt"])
    count = verify_signers(receipt, signatures, members, given["quorum"], given["chain_id"], settlement)
    return {"signers": count.signers, "missing": count.missing}


def _call(given: Mapping[str, Any]) -> dict[str, Any]:
    fields, signatures = load_artifact("Settlement").interface.function("settle").decode_call(raw(given["input"]))
    return {"receipt": Receipt(*fields), "signatures": signatures}


def _event(given: Mapping[str, Any]) -> dict[str, Any]:
    topics = tuple(raw(topic) for topic in given["topics"])
    log = Log(ZERO_ADDRESS, topics, raw(given["data"]), 0, Digest(bytes(32)), Digest(bytes(32)), 0)
    return load_artifact("Settlement").interface.event("Settled").decode(log)


def _file(given: Mapping[str, Any]) -> dict[str, Any]:
    pinned = network_from_json(given["network"])[0] if given["network"] else None
    verdict = verify_receipt(given["text"], pinned)
    if not verdict.ok:
        raise EvidenceRefused(verdict.code, verdict.reason)
    return {"anchored": verdict.anchored}


def file_text(position: int = 1) -> str:
    """The receipt file of the output in this place."""
    receipt, settlement = world.receipt(), world.address_of("Settlement")
    digest = receipt.digest(world.CHAIN_ID, settlement)
    signatures = tuple(
        SignedBy(worker, signer.sign(digest)) for signer, worker in zip(world.SIGNERS, world.WORKERS, strict=True)
    )
    signers = tuple(zip((signer.address for signer in world.SIGNERS), world.WORKERS, strict=True))
    paths = []
    for contract, slots in required_slots(ReceiptQuestion(world.CLUSTER, 0, world.PROGRAM, signers)):
        paths.append(world.path(world.state_trie(), world.address_of(contract)))
        paths += [world.path(world.storage_trie(contract), slot) for slot in slots]
    header, raw_header = world.header(), world.raw_header()
    seals = minimal_seals(world.NETWORK, header.number, header.hash, world.seals(raw_header, 4))
    sealed, leaf = world.outputs()[position]
    keys = world.derive_output_keys(world.command(0, b"").reply_secret, world.NETWORK_ID, world.heads()[4], 0)
    opened = Opened(keys.salt, world.encode_output_body(world.output_body(0)))
    leaves = [other.digest() for _, other in world.outputs()]
    place = prove_output(leaves, position)
    return receipt_file_to_json(
        ReceiptFile(
            world.NETWORK, SealedHeader(raw_header, seals), 0, receipt, signatures, leaf, place, sealed, opened,
            pack_proof(paths),
        )
    )


def _signature_cases() -> list[Case]:
    receipt, settlement = world.receipt(), world.address_of("Settlement")
    where = {"chain_id": world.CHAIN_ID, "settlement": settlement, "receipt": receipt}
    digest = receipt.digest(world.CHAIN_ID, settlement)
    first, second = (signer.sign(digest) for signer in world.SIGNERS)
    signing = {"digest": digest, "signature": first}
    operators = zip(world.SIGNERS, world.OPERATORS, strict=True)
    members = {plain(signer.address): operator for signer, operator in operators}
    both = where | {"members": members, "quorum": 2, "signatures": [first, second]}
    same = dict.fromkeys(members, world.OPERATORS[0])
    return [
        Case("what an enclave signs", "7.1", "digest", where),
        Case("on another chain", "7.1", "digest", where | {"chain_id": 1}),
        Case("who signed", "7.1", "recover", signing),
        Case("63 bytes", "7.1", "recover", signing | {"signature": first[:63]}, "signature.malformed"),
        Case("v of 0", "7.1", "recover", signing | {"signature": first[:64] + b"\0"}, "signature.malformed"),
        Case("r of 0", "7.1", "recover",
             signing | {"signature": bytes(32) + first[32:]}, "signature.invalid"),
        Case("two members", "7.1", "signers", both),
        Case("one of two that are needed", "7.1", "signers", both | {"signatures": [first]}),
        Case("a stranger", "7.1", "signers",
             both | {"signatures": [first, world.RELAYER.sign(digest)]}, "receipt.signer"),
        Case("one operator twice", "7.1", "signers", both | {"members": same}, "receipt.operator_twice"),
        Case("a signature over another receipt", "7.1", "signers",
             both | {"receipt": plain(receipt) | {"to": 5}}, "receipt.signer"),
        Case("17 signatures", "7.1", "signers", both | {"signatures": [first] * 17}, "receipt.signatures"),
    ]


def _chain_cases() -> list[Case]:
    receipt = world.receipt()
    digest = receipt.digest(world.CHAIN_ID, world.address_of("Settlement"))
    interface = load_artifact("Settlement").interface
    values = tuple(getattr(receipt, name) for name in Receipt.__slots__)
    call = interface.function("settle").encode(values, [signer.sign(digest) for signer in world.SIGNERS])
    event = interface.event("Settled")
    kinds = [kind for _, kind, is_indexed in event.members if not is_indexed]
    data = abi.encode(kinds, [0, 6, receipt.new_root, receipt.outputs_root, world.WORKERS, 68])
    log = {"topics": [event.topic, world.CLUSTER, bytes(32)], "data": data}
    return [
        Case("the call that settled it", "7.1", "call", {"input": call}),
        Case("another function", "7.1", "call", {"input": altered(call, 0)}, "contract.call"),
        Case("a word after the call", "7.1", "call", {"input": call + bytes(32)}, "abi.malformed"),
        Case("an epoch of more than 64 bits", "7.1", "call", {"input": altered(call, 4 + 64)}, "abi.malformed"),
        Case("the event", "7.1", "event", log),
        Case("the event without its number", "7.1", "event", log | {"topics": log["topics"][:2]}, "contract.event"),
    ]


def _file_cases() -> list[Case]:
    network, text = network_to_json(world.NETWORK), file_text()
    good = {"network": network, "text": text}

    def edited(*names: str | int, value: Any) -> dict[str, str]:
        document = json.loads(text)
        place = document
        for name in names[:-1]:
            place = place[name]
        place[names[-1]] = value
        return good | {"text": json.dumps(document)}

    zero = "0x" + "00" * 32
    return [
        Case("a receipt file", "7", "receipt_file", good),
        Case("without an anchor", "1.1", "receipt_file", good | {"network": None}, "receipt.no_anchor"),
        Case("another number", "7.1", "receipt_file", edited("number", value=1), "proof.refused"),
        Case("a number as 0.0", "7.1", "receipt_file", edited("number", value=0.0), "receipt.malformed"),
        Case("an unknown field", "7.1", "receipt_file", edited("comment", value=""), "receipt.malformed"),
        Case("another status", "6.2", "receipt_file", edited("leaf", "status", value=1), "output.proof"),
        # its signatures recover to strangers, of whom the file proves nothing
        Case("another new root", "7.1", "receipt_file", edited("receipt", "new_root", value=zero), "proof.refused"),
        Case("another plaintext", "6.2", "receipt_file", edited("opened", "plaintext", value="0x00"),
             "output.plaintext"),
        Case("a seal too many", "2.1", "receipt_file",
             edited("header", "seals", value=plain(world.seals(world.raw_header(), 4))), "receipt.seals"),
    ]


def subject() -> Subject:
    """The file's content."""
    checks = {
        "digest": _digest,
        "recover": _recover,
        "signers": _signers,
        "call": _call,
        "event": _event,
        "receipt_file": _file,
    }
    cases = [*_signature_cases(), *_chain_cases(), *_file_cases()]
    return Subject("receipts", "docs/specification/receipts.md", checks, cases)
