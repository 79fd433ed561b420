"""``vectors/private_code.json``: sealed code, its commitment, sealed constructor arguments (PROTOCOL 4.1)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.hpke import SealingKey
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.keys.derivation import ClusterKeys
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.protocol.commands import method_selector
from coprocessor.protocol.private_code import (
    CodePlace,
    PrivateCode,
    compute_commitment,
    decode_private_code,
    derive_code_salt,
    open_code,
    public_interface,
)
from coprocessor.protocol.sealed_init import InitPlace, open_init
from coprocessor.sandbox.package import CodePackage, compute_content_digest
from coprocessor.values.identities import Address, ClusterId, NetworkId, ProgramId
from tests.vectors import world
from tests.vectors.form import Case, Subject, altered, raw

OWNER = world.secret("owner")
KEY = world.CLUSTER_KEYS.private_code_key
PLACE = CodePlace(world.NETWORK_ID, ClusterId(world.CLUSTER), world.EPOCH, OWNER.address)
PROGRAM = ProgramId(world.PROGRAM)
WASM = b"\0asm\x01\0\0\0"
"""A payload that depends on no implementation of zlib."""
PACKAGE = b"a code package, as program-package.md says"


def _method(name: str, kind: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    selector = "0x" + method_selector(name).hex()
    return {"kind": kind, "name": name, "parameters": parameters, "returns": "u64", "selector": selector}


INTERFACE = json.dumps(
    {
        "abi": 1,
        "events": [{"fields": [], "name": "Hidden"}],
        "fields": [{"default": 7, "name": "hidden", "type": "int"}],
        "language": "wasm",
        "methods": [
            _method("add", "command", [{"default": 41, "name": "by", "type": "u64"}]),
            _method("init", "init", [{"name": "start", "type": "u64"}]),
            _method("value", "query", []),
        ],
        "name": "Counter",
        "notes": "hidden",
    },
    separators=(",", ":"),
).encode()


def _code_key(given: Mapping[str, Any]) -> dict[str, Any]:
    network, cluster = NetworkId(raw(given["network"])), ClusterId(raw(given["cluster"]))
    identity = ClusterIdentity(network, cluster, given["epoch"], given["insecure"])
    key = ClusterKeys(raw(given["cluster_secret"]), identity).private_code_key
    return {"secret": key.secret, "public": key.public_key}


def _content(given: Mapping[str, Any]) -> dict[str, Any]:
    package = CodePackage(given["language"], raw(given["interface"]), raw(given["payload"]))
    return {"content_digest": compute_content_digest(package)}


def _commit(given: Mapping[str, Any]) -> dict[str, Any]:
    owner, content = PrivateKey(raw(given["owner_secret"])), raw(given["content_digest"])
    salt = derive_code_salt(owner, NetworkId(raw(given["network"])), ClusterId(raw(given["cluster"])), content)
    return {"salt": salt, "commitment": compute_commitment(salt, content)}


def _interface(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"public": public_interface(raw(given["interface"]))}


def _open_code(given: Mapping[str, Any]) -> dict[str, Any]:
    code = decode_private_code(raw(given["published"]))
    network, cluster, owner = (raw(given[name]) for name in ("network", "cluster", "owner"))
    place = CodePlace(NetworkId(network), ClusterId(cluster), given["epoch"], Address(owner))
    opened = open_code(code, place, SealingKey(raw(given["code_key_secret"])))
    return {"info": code.info(place.network), "salt": opened.salt, "package": opened.package}


def _open_init(given: Mapping[str, Any]) -> dict[str, Any]:
    network, cluster, program = (raw(given[name]) for name in ("network", "cluster", "program"))
    place = InitPlace(NetworkId(network), ClusterId(cluster), given["epoch"], ProgramId(program))
    key = SealingKey(raw(given["code_key_secret"]))
    return {"info": place.info(), "arguments": open_init(raw(given["init"]), place, key)}


def _sealed_code(plaintext: bytes | None = None) -> PrivateCode:
    content = compute_content_digest(CodePackage("wasm", INTERFACE, WASM))
    salt = derive_code_salt(OWNER, PLACE.network, PLACE.cluster, content)
    commitment, public = compute_commitment(salt, content), public_interface(INTERFACE)
    bare = PrivateCode(PLACE.cluster, PLACE.epoch, PLACE.owner, commitment, "wasm", public, b"")
    padded = (salt + len(PACKAGE).to_bytes(4, "big") + PACKAGE).ljust(4096, b"\0") if plaintext is None else plaintext
    return replace(bare, sealed=world.hpke_seal(padded, KEY.public_key, bare.info(PLACE.network), "code"))


def _code_cases() -> list[Case]:
    code, thief = _sealed_code(), world.secret("thief").address
    good = {
        "published": code.encode(),
        "network": PLACE.network,
        "cluster": PLACE.cluster,
        "epoch": PLACE.epoch,
        "owner": PLACE.owner,
        "code_key_secret": KEY.secret,
    }

    def case(name: str, error: str, published: bytes = b"", **changes: Any) -> Case:
        return Case(name, "4.1", "open_code", good | changes | ({"published": published} if published else {}), error)

    renamed = replace(code, owner=thief).encode()
    return [
        Case("private code", "4.1", "open_code", good),
        case("a copy of another owner", "code.foreign", owner=thief),
        case("a copy with its new owner's name in it", "hpke.open", renamed, owner=thief),
        case("another network", "hpke.open", network=altered(PLACE.network)),
        case("another cluster", "code.foreign", cluster=altered(PLACE.cluster)),
        case("another epoch", "code.foreign", epoch=PLACE.epoch + 1),
        case("another key", "hpke.open", code_key_secret=altered(KEY.secret, 1)),
        case("another interface", "hpke.open", replace(code, interface=b"{}").encode()),
        case("another commitment", "hpke.open", replace(code, commitment=altered(code.commitment)).encode()),  # type: ignore[arg-type]
        case("another language", "hpke.open", replace(code, language="python").encode()),
        case("an altered seal", "hpke.open", replace(code, sealed=altered(code.sealed)).encode()),
        case("a tail", "cbor.malformed", code.encode() + b"\0"),
        case("another version", "code.malformed", code.encode().replace(b"-1\n", b"-2\n", 1)),
        case("padding that is not zero", "code.padding", _sealed_code(bytes(4095) + b"\x01").encode()),
        case("padding to no bucket", "code.padding", _sealed_code(bytes(4095)).encode()),
        case("a length beyond the bucket", "code.padding", _sealed_code(b"\xff" * 4096).encode()),
    ]


def _init_cases() -> list[Case]:
    place = InitPlace(PLACE.network, PLACE.cluster, PLACE.epoch, PROGRAM)

    def init(padded: bytes) -> bytes:
        head = b"phat-sealed-init" + PLACE.epoch.to_bytes(8, "big")
        return head + world.hpke_seal(padded, KEY.public_key, place.info(), "init")

    arguments = b'["hidden"]'
    sealed = init((len(arguments).to_bytes(2, "big") + arguments).ljust(256, b"\0"))
    good = {
        "init": sealed,
        "network": PLACE.network,
        "cluster": PLACE.cluster,
        "epoch": PLACE.epoch,
        "program": PROGRAM,
        "code_key_secret": KEY.secret,
    }

    def case(name: str, error: str, **changes: Any) -> Case:
        return Case(name, "4.1", "open_init", good | changes, error)

    return [
        Case("sealed constructor arguments", "4.1", "open_init", good),
        case("arguments for another program", "hpke.open", program=altered(PROGRAM)),
        case("arguments on another network", "hpke.open", network=altered(PLACE.network)),
        case("arguments of another epoch", "init.foreign", epoch=PLACE.epoch + 1),
        case("arguments that were cut", "hpke.open", init=sealed[:-1]),
        case("arguments padded to no bucket", "init.padding", init=init(bytes(255))),
        case("arguments with a tail that is not zero", "init.padding", init=init(bytes(255) + b"\x01")),
    ]


def _cases() -> list[Case]:
    package = {"language": "wasm", "interface": INTERFACE, "payload": WASM}
    content = compute_content_digest(CodePackage("wasm", INTERFACE, WASM))
    commitment = {
        "owner_secret": OWNER.secret,
        "network": PLACE.network,
        "cluster": PLACE.cluster,
        "content_digest": content,
    }
    cluster = {"cluster_secret": keccak256(b"cluster secret"), "network": PLACE.network, "cluster": PLACE.cluster}
    return [
        Case("the code key", "8.1", "code_key", cluster | {"epoch": world.EPOCH, "insecure": True}),
        Case("what a package says", "4.1", "content", package),
        Case("no bundle", "4.1", "content", package | {"language": "python"}, "package.compression"),
        Case("an owner's commitment", "4.1", "commit", commitment),
        Case("on another cluster", "4.1", "commit", commitment | {"cluster": altered(PLACE.cluster)}),
        Case("what callers see of an interface", "13", "public_interface", {"interface": INTERFACE}),
        Case("no interface", "13", "public_interface", {"interface": b"{}"}, "interface.malformed"),
        *_code_cases(),
        *_init_cases(),
    ]


def subject() -> Subject:
    """The file's content."""
    checks = {
        "code_key": _code_key,
        "content": _content,
        "commit": _commit,
        "public_interface": _interface,
        "open_code": _open_code,
        "open_init": _open_init,
    }
    return Subject("private_code", "docs/specification/private-code.md", checks, _cases())
