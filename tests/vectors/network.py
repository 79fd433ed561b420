"""``vectors/network.json``: configuration hash, genesis digest, identifiers, report data (PROTOCOL 1)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from coprocessor.attestation.report_data import ReportClaims
from coprocessor.codec import abi, cbor
from coprocessor.crypto.hashing import keccak256, sha256, sha512
from coprocessor.crypto.labels import Label
from coprocessor.enclave.programs import CodeStore
from coprocessor.protocol.genesis import (
    compute_configuration_hash,
    compute_network_id,
    network_from_json,
    network_to_json,
)
from coprocessor.protocol.system import compute_program_id, compute_request_id, compute_worker_id
from coprocessor.values.identities import Address, ClusterId, CodeHash, Digest
from tests.vectors import world
from tests.vectors.form import Case, Subject, altered, raw


def _file(given: Mapping[str, Any]) -> dict[str, Any]:
    """Both digests, with the bytes that are hashed, made here from the document alone."""
    network, hints = network_from_json(given["text"])
    document = json.loads(given["text"])
    plain = _bytes(document["configuration"])
    canonical = cbor.dumps(plain)
    preimage = Label.CONFIGURATION.context(b"", canonical)
    genesis = Label.GENESIS.context(b"", cbor.dumps([plain, _bytes(document["gatekeepers"])]))
    assert sha256(preimage) == compute_configuration_hash(network.configuration)
    assert sha256(genesis) == compute_network_id(network)
    return {
        "canonical_configuration": canonical,
        "configuration_preimage": preimage,
        "configuration_hash": sha256(preimage),
        "genesis_preimage": genesis,
        "network": sha256(genesis),
        "hints": hints,
    }


def _bytes(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _bytes(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_bytes(item) for item in value]
    return raw(value) if isinstance(value, str) and value.startswith("0x") else value


def _cluster_id(given: Mapping[str, Any]) -> dict[str, Any]:
    words = [keccak256(b"coprocessor/v1/cluster"), given["chain_id"], raw(given["clusters"]), given["number"]]
    return {"cluster": keccak256(abi.encode(["bytes32", "uint256", "address", "uint256"], words))}


def _program_id(given: Mapping[str, Any]) -> dict[str, Any]:
    names = ("owner", "code_hash", "cluster", "salt", "policy")
    owner, code_hash, cluster, salt, policy = (raw(given[name]) for name in names)
    programs = Address(raw(given["programs"]))
    found = compute_program_id(
        given["chain_id"], programs, Address(owner), CodeHash(code_hash), ClusterId(cluster), salt, policy
    )
    return {"program": found}


def _worker_id(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"worker": compute_worker_id(Address(raw(given["operator"])), raw(given["platform"]))}


def _request_id(given: Mapping[str, Any]) -> dict[str, Any]:
    inbox, cluster = Address(raw(given["inbox"])), ClusterId(raw(given["cluster"]))
    return {"request": compute_request_id(given["chain_id"], inbox, cluster, given["link"])}


def _code(given: Mapping[str, Any]) -> dict[str, Any]:
    store, claimed = CodeStore(), CodeHash(raw(given["code_hash"]))
    store.add(claimed, [raw(chunk) for chunk in given["chunks"]])
    return {"package": store.get(claimed)}


def _report_data(given: Mapping[str, Any]) -> dict[str, Any]:
    claims = ReportClaims(
        configuration=Digest(raw(given["configuration"])),
        registry=Address(raw(given["registry"])),
        operator=Address(raw(given["operator"])),
        signing_key=raw(given["signing_key"]),
        sealing_key=raw(given["sealing_key"]),
        checkpoint_hash=Digest(raw(given["checkpoint_hash"])),
        block_hash=Digest(raw(given["block_hash"])),
        block_number=given["block_number"],
    )
    parts = (claims.registry, claims.operator, claims.signer, claims.signing_key, claims.sealing_key)
    chain = (claims.checkpoint_hash, claims.block_hash, claims.block_number.to_bytes(8, "big"))
    preimage = Label.REPORT_DATA.context(claims.configuration, *parts, *chain)
    assert sha512(preimage) == claims.compute()
    return {"signer": claims.signer, "preimage": preimage, "report_data": claims.compute()}


def _cases() -> list[Case]:
    text = network_to_json(world.NETWORK, {"rpc": "http://127.0.0.1:8545"})

    def edited(change: Any) -> dict[str, str]:
        document = json.loads(text)
        change(document)
        return {"text": json.dumps(document)}

    def rename_contract(document: Any) -> None:
        contracts = document["configuration"]["contracts"]
        contracts["Ledger"] = contracts.pop("Fees")

    enclave = world.SIGNERS[0]
    claims = {
        "configuration": compute_configuration_hash(world.NETWORK.configuration),
        "registry": world.address_of("Registry"),
        "operator": world.OPERATORS[0],
        "signing_key": enclave.public_key,
        "sealing_key": keccak256(b"sealing key"),
        "checkpoint_hash": keccak256(b"block 60"),
        "block_hash": world.header().hash,
        "block_number": world.BLOCK_NUMBER,
    }
    program = {"chain_id": world.CHAIN_ID, "programs": world.address_of("Programs"), "owner": world.OWNER}
    program |= {"code_hash": world.CODE_HASH, "cluster": world.CLUSTER, "salt": keccak256(b"salt")}
    chunks = [b"a code package in one piece"]
    return [
        Case("a network file", "1.1", "file", {"text": text}),
        Case("no hints", "1.1", "file", {"text": network_to_json(world.NETWORK)}),
        Case("an edited hint changes nothing", "1.1", "file", edited(lambda d: d["hints"].update(rpc="x"))),
        Case("an edited chain id", "1.1", "file",
             edited(lambda d: d["configuration"].update(chain_id=1)), "network.digest"),
        Case("another sealer", "1.1", "file",
             edited(lambda d: d["configuration"]["header_source"]["sealers"].pop()), "network.digest"),
        Case("an unknown field", "1.1", "file", edited(lambda d: d.update(comment="")), "network.format"),
        Case("an unknown field of the configuration", "1.1", "file",
             edited(lambda d: d["configuration"].update(comment="")), "network.format"),
        Case("upper-case digits", "1.1", "file",
             edited(lambda d: d["configuration"]["attestation"].update(roots=["0x" + "AB" * 32])), "network.format"),
        Case("a truth value as a number", "1.1", "file",
             edited(lambda d: d["configuration"].update(development=1)), "network.format"),
        Case("no custodian named", "9.5", "file",
             edited(lambda d: d["configuration"].pop("custodian")), "network.format"),
        Case("a custodian that nobody knows", "9.5", "file",
             edited(lambda d: d["configuration"].update(custodian={"kind": "host"})), "network.custodian"),
        Case("more custodians needed than there are", "9.5", "file",
             edited(lambda d: d["configuration"]["custodian"].update(threshold=4)), "network.custodian"),
        Case("a custodian twice", "9.5", "file",
             edited(lambda d: d["configuration"]["custodian"].update(
                 keys=[d["configuration"]["custodian"]["keys"][0]] * 3)), "network.custodian"),
        Case("a disk as custodian outside development", "9.5", "file",
             edited(lambda d: d["configuration"].update(custodian={"kind": "file"}, development=False)),
             "network.custodian"),
        Case("another custodian than the digest covers", "9.5", "file",
             edited(lambda d: d["configuration"].update(custodian={"kind": "none"})), "network.digest"),
        Case("a contract by another name", "1.1", "file", edited(rename_contract), "network.contracts"),
        Case("an unknown header source", "2.1", "file",
             edited(lambda d: d["configuration"]["header_source"].update(kind="light")), "network.header_source"),
        Case("no root of trust", "1.1", "file",
             edited(lambda d: d["configuration"]["attestation"].update(roots=[])), "network.policy_empty"),
        Case("a key that stands twice", "1.1", "file",
             {"text": text.replace('"hints"', '"format": "coprocessor/v1/network",\n  "hints"')}, "json.malformed"),
        Case("the first cluster", "3.1", "cluster_id",
             {"chain_id": world.CHAIN_ID, "clusters": world.address_of("Clusters"), "number": 0}),
        Case("a program", "3.1", "program_id", program | {"policy": bytes(32)}),
        Case("the same with another policy", "12", "program_id", program | {"policy": keccak256(b"policy")}),
        Case("a worker", "7.6", "worker_id",
             {"operator": world.OPERATORS[0], "platform": keccak256(b"platform 0")}),
        Case("a request", "7.5", "request_id",
             {"chain_id": world.CHAIN_ID, "inbox": world.address_of("Inbox"), "cluster": world.CLUSTER, "link": 5}),
        Case("code in one piece", "3.1", "code", {"code_hash": world.CODE_HASH, "chunks": chunks}),
        Case("code in another cut", "3.1", "code",
             {"code_hash": world.CODE_HASH, "chunks": [chunks[0][:5], chunks[0][5:]]}, "code.hash"),
        Case("code without pieces", "3.1", "code", {"code_hash": bytes(32), "chunks": []}, "code.size"),
        Case("report data", "1.2", "report_data", claims),
        Case("a key that is no point", "1.2", "report_data",
             claims | {"signing_key": b"\x05" + bytes(32)}, "secp256k1.public_key"),
        Case("an uncompressed key", "1.2", "report_data",
             claims | {"signing_key": b"\x04" + bytes(64)}, "attestation.signing_key"),
        Case("a short block hash", "1.2", "report_data",
             claims | {"block_hash": bytes(31)}, "value.digest"),
        Case("another block", "1.2", "report_data", claims | {"block_hash": altered(world.header().hash)}),
    ]


CHECKS = {
    "file": _file,
    "cluster_id": _cluster_id,
    "program_id": _program_id,
    "worker_id": _worker_id,
    "request_id": _request_id,
    "code": _code,
    "report_data": _report_data,
}


def subject() -> Subject:
    """The file's content."""
    return Subject("network", "docs/specification/network.md", CHECKS, _cases())
