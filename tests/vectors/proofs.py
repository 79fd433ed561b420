"""``vectors/trie_and_proofs.json``: Merkle Patricia proofs, storage slots, the map of state (PROTOCOL 1.3, 5.7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import rlp

from coprocessor.crypto.hashing import keccak256
from coprocessor.headers.proofs import verify_account, verify_slot
from coprocessor.protocol import layout
from coprocessor.trie import Proof, Trie, verify_proof
from coprocessor.trie.proofs import Sibling
from tests.vectors import world
from tests.vectors.form import Case, Subject, altered, raw


def _slot(given: Mapping[str, Any]) -> dict[str, Any]:
    """The slot of ``Contract.variable[key]….field``."""
    contract, variable, field = given["contract"], given["variable"], given.get("field")
    base = layout.VARIABLES[contract][variable]
    keys = [raw(key) if isinstance(key, str) else key for key in given["keys"]]
    slot = int.from_bytes(layout.mapping_slot(base.to_bytes(32, "big"), *keys), "big")
    if field is not None:
        slot += layout.STRUCTS[f"{contract}.{variable}"].index(field)
    return {"slot": slot.to_bytes(32, "big"), "trie_key": keccak256(slot.to_bytes(32, "big"))}


def _nodes(given: Mapping[str, Any]) -> list[bytes]:
    return [raw(node) for node in given["proof"]]


def _account(given: Mapping[str, Any]) -> Any:
    return {"account": verify_account(raw(given["state_root"]), raw(given["address"]), _nodes(given))}


def _storage(given: Mapping[str, Any]) -> dict[str, Any]:
    value = verify_slot(raw(given["storage_root"]), raw(given["slot"]), _nodes(given))
    return {"value": value.to_bytes(32, "big")}


def _map_root(given: Mapping[str, Any]) -> dict[str, Any]:
    trie = Trie()
    for path, value in given["entries"]:
        trie.put(raw(path), raw(value))
    for path in given["deleted"]:
        trie.delete(raw(path))
    return {"root": trie.root()}


def _map_proof(given: Mapping[str, Any]) -> dict[str, Any]:
    siblings = tuple(Sibling(bit, raw(digest)) for bit, digest in given["siblings"])
    leaf = [None if given[name] is None else raw(given[name]) for name in ("leaf_path", "leaf_value")]
    return {"value": verify_proof(raw(given["root"]), raw(given["path"]), Proof(siblings, leaf[0], leaf[1]))}


def _slot_cases() -> list[Case]:
    cluster, program, worker = world.CLUSTER, world.PROGRAM, world.WORKERS[0]
    rows: list[tuple[str, str, list[Any], str | None]] = [
        ("Gatekeeping", "genesis", [], None),
        ("Gatekeeping", "members", [0], "signer"),
        ("Registry", "configuration", [], None),
        ("Registry", "workers", [worker], "operator"),
        ("Registry", "workers", [worker], "revoked"),
        ("Registry", "worker_of", [world.SIGNERS[0].address], None),
        ("Registry", "distrusted", [keccak256(b"root")], None),
        ("Registry", "measurements", [keccak256(b"measurement")], "version"),
        ("Registry", "pins", [3, keccak256(b"collateral")], None),
        ("Registry", "bound_worker", [world.SIGNERS[0].address], None),
        ("Clusters", "clusters", [cluster], "quorum"),
        ("Clusters", "members", [cluster, worker], None),
        ("Programs", "programs", [program], "code_hash"),
        ("Programs", "handles", [cluster, 0], None),
        ("Programs", "input_keys", [program, 1], None),
        ("Inbox", "heads", [cluster], None),
        ("Inbox", "counts", [cluster], None),
        ("Settlement", "settled", [cluster], "root"),
        ("Settlement", "receipts", [cluster, 0], "outputs_root"),
        ("Settlement", "frozen_from", [cluster], None),
    ]
    found = []
    for contract, variable, keys, field in rows:
        name = f"{contract}.{variable}" + (f".{field}" if field else "")
        given = {"contract": contract, "variable": variable, "keys": keys} | ({"field": field} if field else {})
        found.append(Case(f"slot of {name}", "1.3", "slot", given))
    return found


def _proof_cases() -> list[Case]:
    state, inbox = world.state_trie(), world.address_of("Inbox")
    root, nodes = state.root_hash, world.path(state, inbox)
    storage = world.storage_trie("Settlement")
    slot = layout.settled(world.CLUSTER, "root")
    absent = layout.settlement_frozen_from(world.CLUSTER)
    account = {"state_root": root, "address": inbox, "proof": nodes}
    held = {"storage_root": storage.root_hash, "slot": slot, "proof": world.path(storage, slot)}
    free = {"storage_root": storage.root_hash, "slot": absent, "proof": world.path(storage, absent)}
    stranger = keccak256(b"nobody")[12:]
    single = rlp.encode([b"\x20" + keccak256(slot), rlp.encode(b"\0\x05")])
    empty = keccak256(b"\x80")
    return [
        Case("the account of Inbox", "1.3", "account", account),
        Case("an altered node", "1.3", "account",
             account | {"proof": [*nodes[:-1], altered(nodes[-1])]}, "proof.refused"),
        Case("another root", "1.3", "account", account | {"state_root": altered(root)}, "proof.refused"),
        Case("a proof without its end", "1.3", "account", account | {"proof": nodes[:-1]}, "proof.refused"),
        Case("a node too many", "1.3", "account", account | {"proof": [*nodes, nodes[-1]]}, "proof.refused"),
        Case("no account there", "1.3", "account",
             account | {"address": stranger, "proof": world.path(state, stranger)}, "proof.no_account"),
        Case("a node of more than 1,024 bytes", "1.3", "account",
             account | {"proof": [bytes(1025)]}, "proof.size"),
        Case("a slot that holds a root", "1.3", "storage", held),
        Case("a slot that holds nothing", "1.3", "storage", free),
        Case("an empty storage trie", "1.3", "storage", {"storage_root": empty, "slot": slot, "proof": []}),
        Case("nodes under an empty trie", "1.3", "storage",
             {"storage_root": empty, "slot": slot, "proof": [nodes[0]]}, "proof.refused"),
        Case("the proof of another slot", "1.3", "storage",
             held | {"slot": layout.settled(world.CLUSTER, "count")}, "proof.refused"),
        Case("a value with leading zeros", "1.3", "storage",
             {"storage_root": keccak256(single), "slot": slot, "proof": [single]}, "proof.slot"),
    ]


def _map_cases() -> list[Case]:
    entries = [(keccak256(b"path %d" % at), keccak256(b"value %d" % at)) for at in range(5)]
    trie = Trie()
    for path, value in entries:
        trie.put(path, value)

    def proven(path: bytes) -> dict[str, Any]:
        proof = trie.prove(path)
        siblings = [(sibling.bit, sibling.digest) for sibling in proof.siblings]
        leaf = {"leaf_path": proof.leaf_path, "leaf_value": proof.leaf_value}
        return {"root": trie.root(), "path": path, "siblings": siblings, **leaf}

    present, absent = proven(entries[2][0]), proven(keccak256(b"elsewhere"))
    none = {"root": bytes(32), "path": bytes(32), "siblings": [], "leaf_path": None, "leaf_value": None}
    joined = entries[2][1] + entries[2][0]
    return [
        Case("an empty map", "5.7", "map_root", {"entries": [], "deleted": []}),
        Case("one entry", "5.7", "map_root", {"entries": entries[:1], "deleted": []}),
        Case("five entries", "5.7", "map_root", {"entries": entries, "deleted": []}),
        Case("five entries in another order", "5.1", "map_root", {"entries": entries[::-1], "deleted": []}),
        Case("two of them deleted", "5.1", "map_root",
             {"entries": entries, "deleted": [entries[0][0], entries[3][0]]}),
        Case("an entry that is there", "5.7", "map_proof", present),
        Case("an entry that is not there", "5.7", "map_proof", absent),
        Case("nothing in an empty map", "5.7", "map_proof", none),
        Case("an empty proof under a root", "5.7", "map_proof", none | {"root": trie.root()}, "trie.proof"),
        Case("another value", "5.7", "map_proof", present | {"leaf_value": altered(entries[2][1])}, "trie.proof"),
        Case("another root of the map", "5.7", "map_proof", present | {"root": bytes(32)}, "trie.proof"),
        Case("siblings in another order", "5.7", "map_proof",
             present | {"siblings": present["siblings"][::-1]}, "trie.proof"),
        Case("bytes moved from value to path", "5.7", "map_proof",
             present | {"leaf_path": joined[:33], "leaf_value": joined[33:]}, "trie.proof"),
    ]


def subject() -> Subject:
    """The file's content."""
    checks = {"slot": _slot, "account": _account, "storage": _storage, "map_root": _map_root, "map_proof": _map_proof}
    cases = [*_slot_cases(), *_proof_cases(), *_map_cases()]
    return Subject("trie_and_proofs", "docs/specification/headers.md", checks, cases)
