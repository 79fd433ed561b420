"""``vectors/state.json``: sealed entries, program records, nonces, the state root (PROTOCOL 4.2, 5.1, 5.7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coprocessor.codec import cbor
from coprocessor.crypto.aead import SivKey, pad_to_bucket, unpad
from coprocessor.crypto.hashing import hmac_sha256, sha256
from coprocessor.crypto.labels import Label
from coprocessor.enclave.nonces import NonceSet
from coprocessor.enclave.sealed_state import ClusterState, ProgramState
from coprocessor.keys.derivation import ClusterKeys
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.protocol.system import Instantiation
from coprocessor.trie import Trie
from coprocessor.values.identities import Address, ClusterId, CodeHash, Digest, NetworkId, ProgramId
from tests.vectors import world
from tests.vectors.commands import make_program
from tests.vectors.form import Case, Subject, altered, plain, raw


def _keys(given: Mapping[str, Any]) -> Any:
    network, cluster = NetworkId(raw(given["network"])), ClusterId(raw(given["cluster"]))
    identity = ClusterIdentity(network, cluster, given["epoch"], given["insecure"])
    return ClusterKeys(raw(given["cluster_secret"]), identity).program(ProgramId(raw(given["program"])))


def _entry(given: Mapping[str, Any]) -> dict[str, Any]:
    """One entry step by step; the last step must be what the enclave's own state commits to."""
    keys, key, value = _keys(given), raw(given["key"]), raw(given["value"])
    epoch = given["epoch"].to_bytes(8, "big")
    path = hmac_sha256(keys.state_path_key, key)
    place = given["link"].to_bytes(8, "big") + given["position"].to_bytes(4, "big") + path
    nonce = hmac_sha256(keys.state_nonce_key, place)[:12]
    padded = pad_to_bucket(len(key).to_bytes(2, "big") + key + value)
    bound = b"".join(raw(given[name]) for name in ("network", "cluster", "program")) + epoch + path
    ciphertext = SivKey(keys.state_key).seal(nonce, padded, bound)
    digest = sha256(epoch + nonce + ciphertext)
    trie = Trie()
    trie.put(path, digest)
    state = ProgramState(NetworkId(raw(given["network"])), keys, Digest(bytes(32)))
    state.write(key, value, given["link"], given["position"])
    assert state.commitment() == sha256(bytes(32) + trie.root())
    return {
        "state_key": keys.state_key,
        "state_nonce_key": keys.state_nonce_key,
        "state_path_key": keys.state_path_key,
        "path": path,
        "nonce": nonce,
        "padded": padded,
        "associated_data": bound,
        "ciphertext": ciphertext,
        "digest": digest,
        "program_root": trie.root(),
    }


def _open(given: Mapping[str, Any]) -> dict[str, Any]:
    nonce, ciphertext, bound = (raw(given[name]) for name in ("nonce", "ciphertext", "associated_data"))
    return {"plaintext": unpad(SivKey(raw(given["state_key"])).open(nonce, ciphertext, bound))}


def _record(given: Mapping[str, Any]) -> dict[str, Any]:
    names = ("program", "owner", "code_hash", "policy")
    program, owner, code_hash, policy = (raw(given[name]) for name in names)
    callees = tuple(ProgramId(raw(callee)) for callee in given["callees"])
    origin = Instantiation(
        ProgramId(program), given["handle"], Address(owner), CodeHash(code_hash), policy, 0, callees, b""
    )
    made = make_program(origin, world.PROGRAM_KEYS, given["alive"])
    body = cbor.dumps([program, given["handle"], owner, code_hash, policy, list(callees), given["alive"]])
    assert sha256(body) == made.record()
    return {"body": body, "record": made.record()}


def _nonce(given: Mapping[str, Any]) -> dict[str, Any]:
    nonces = NonceSet()
    nonces.spend(raw(given["nonce_path_key"]), Address(raw(given["author"])), given["nonce"], given["deadline"])
    ((deadline, path),) = nonces.kept()
    trie, value = Trie(), sha256(deadline.to_bytes(8, "big"))
    trie.put(path, value)
    assert trie.root() == nonces.root()
    return {"path": path, "value": value, "root": trie.root()}


def _root(given: Mapping[str, Any]) -> dict[str, Any]:
    """The cluster's root after writes and nonces, with the parts that go into it."""
    network, keys = NetworkId(raw(given["network"])), _keys(given)
    state = ClusterState(network)
    nonces = state.nonces
    program = ProgramState(network, keys, Digest(raw(given["record"])))
    state.add(keys.program, program)
    for link, position, key, value in given["writes"]:
        state.write(keys.program, raw(key), None if value is None else raw(value), link, position)
    for author, nonce, deadline in given["nonces"]:
        nonces.spend(keys.nonce_path_key, Address(raw(author)), nonce, deadline)
    nonces.forget_until(given["forget_until"])
    top = Trie()
    top.put(keys.program, program.commitment())
    parts = (given["epoch"].to_bytes(8, "big"), top.root(), state.nonces.root())
    preimage = Label.CLUSTER_STATE.context(network, *parts)
    root = state.root(given["epoch"], given["links"])
    assert given["links"] == 0 or root == sha256(preimage)
    return {
        "program_commitment": program.commitment(),
        "programs_root": top.root(),
        "nonces_root": state.nonces.root(),
        "preimage": preimage,
        "state_root": root,
    }


def _cases() -> list[Case]:
    keys = {
        "network": world.NETWORK_ID,
        "cluster": world.CLUSTER,
        "program": world.PROGRAM,
        "epoch": world.EPOCH,
        "insecure": True,
        "cluster_secret": world.keccak256(b"cluster secret"),
    }
    entry = keys | {"key": b"total", "value": b"5", "link": 3, "position": 0}
    made = plain(_entry(plain(entry)))
    held = {name: made[name] for name in ("state_key", "nonce", "ciphertext", "associated_data")}
    record = {"program": world.PROGRAM, "handle": 0, "owner": world.OWNER, "code_hash": world.CODE_HASH}
    record |= {"policy": bytes(32), "callees": [], "alive": True}
    author = world.AUTHORS[0].address
    nonce = {"nonce_path_key": world.PROGRAM_KEYS.nonce_path_key, "author": author, "nonce": 1000}
    whole = keys | {
        "record": world.RECORD,
        "writes": [list(write) for write in world.WRITES],
        "nonces": [[key.address, 1000 + at, world.BLOCK_TIME] for at, key in enumerate(world.AUTHORS)],
        "forget_until": 0,
        "links": 6,
    }
    deleted = [*whole["writes"], [5, 0, b"votes/a", None]]
    return [
        Case("an entry", "5.7", "entry", entry),
        Case("written by another item", "5.7", "entry", entry | {"position": 1}),
        Case("an empty value", "5.7", "entry", entry | {"value": b""}),
        Case("a value of the next bucket", "5.7", "entry", entry | {"value": b"v" * 22}),
        Case("an entry opened", "5.7", "open", held),
        Case("at another path", "5.7", "open",
             held | {"associated_data": altered(raw(held["associated_data"]))}, "aead.open"),
        Case("an altered ciphertext", "5.7", "open", held | {"ciphertext": altered(raw(held["ciphertext"]))},
             "aead.open"),
        Case("a program's record", "5.1", "record", record),
        Case("a dead program's record", "5.5", "record", record | {"alive": False}),
        Case("a record with callees", "5.4", "record", record | {"callees": [world.keccak256(b"callee")]}),
        Case("a spent nonce", "4.2", "nonce", nonce | {"deadline": world.BLOCK_TIME}),
        Case("the state root after six links", "5.1", "root", whole),
        Case("the same writes, one deleted again", "5.1", "root", whole | {"writes": deleted}),
        Case("nonces whose deadline has passed", "4.2", "root", whole | {"forget_until": world.BLOCK_TIME + 1}),
        Case("before the first link", "7.1", "root",
             whole | {"links": 0, "writes": [], "nonces": []}),
    ]


def subject() -> Subject:
    """The file's content."""
    checks = {"entry": _entry, "open": _open, "record": _record, "nonce": _nonce, "root": _root}
    return Subject("state", "docs/specification/state.md", checks, _cases())
