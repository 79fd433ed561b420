"""``vectors/outputs.json``: leaves, sealed outputs, the outputs root and its proofs (PROTOCOL 5.5, 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coprocessor.codec import cbor
from coprocessor.crypto.aead import pad_to_bucket, unpad
from coprocessor.crypto.hashing import hmac_sha256, keccak256
from coprocessor.protocol.output_body import decode_output_body, encode_output_body
from coprocessor.protocol.outputs import (
    Leaf,
    OutputProof,
    compute_outputs_root,
    derive_output_keys,
    open_output,
    prove_output,
    public_plaintext_hash,
    seal_output,
    verify_output,
)
from coprocessor.values.identities import Digest, NetworkId
from tests.vectors import world
from tests.vectors.form import Case, Subject, altered, plain, raw


def _leaf_of(given: Mapping[str, Any]) -> Leaf:
    return Leaf(**{name: raw(value) if isinstance(value, str) else value for name, value in given.items()})


def _leaf(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"digest": _leaf_of(given["leaf"]).digest()}


def _public(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"plaintext_hash": public_plaintext_hash(raw(given["plaintext"]))}


def _pad(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"padded": pad_to_bucket(raw(given["data"]))}


def _unpad(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"data": unpad(raw(given["padded"]))}


def _keys(given: Mapping[str, Any]) -> Any:
    network = NetworkId(raw(given["network"]))
    return derive_output_keys(raw(given["reply_secret"]), network, raw(given["link_hash"]), given["position"])


def _seal(given: Mapping[str, Any]) -> dict[str, Any]:
    keys, leaf, network = _keys(given), _leaf_of(given["leaf"]), NetworkId(raw(given["network"]))
    plaintext = raw(given["plaintext"])
    sealed, full = seal_output(plaintext, keys, leaf, network)
    padded = pad_to_bucket(plaintext)
    return {
        "key": keys.key,
        "nonce_key": keys.nonce_key,
        "salt": keys.salt,
        "padded": padded,
        "nonce": hmac_sha256(keys.nonce_key, padded)[:12],
        "associated_data": leaf.associated_data(network),
        "sealed": sealed,
        "plaintext_hash": full.plaintext_hash,
        "ciphertext_hash": full.ciphertext_hash,
        "leaf_digest": full.digest(),
    }


def _open(given: Mapping[str, Any]) -> dict[str, Any]:
    network = NetworkId(raw(given["network"]))
    return {"plaintext": open_output(raw(given["sealed"]), _keys(given), _leaf_of(given["leaf"]), network)}


def _body(given: Mapping[str, Any]) -> dict[str, Any]:
    data = raw(given["plaintext"])
    body = decode_output_body(data)
    assert encode_output_body(body) == data
    return {"body": body}


def _root(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"outputs_root": compute_outputs_root([Digest(raw(leaf)) for leaf in given["leaves"]])}


def _proof(given: Mapping[str, Any]) -> dict[str, Any]:
    siblings = tuple(Digest(raw(sibling)) for sibling in given["siblings"])
    proof = OutputProof(given["index"], given["count"], siblings)
    verify_output(Digest(raw(given["outputs_root"])), _leaf_of(given["leaf"]), proof)
    return {"included": True}


def _sealing_cases() -> list[Case]:
    sealed, leaf = world.outputs()[1]
    empty = plain(leaf) | {"plaintext_hash": "0x" + "00" * 32, "ciphertext_hash": "0x" + "00" * 32}
    secret = world.command(0, b"").reply_secret
    where = {"network": world.NETWORK_ID, "reply_secret": secret, "link_hash": world.heads()[4], "position": 0}
    body = encode_output_body(world.output_body(0))
    opening = where | {"sealed": sealed, "leaf": leaf}
    wrong = altered(sealed)
    lying = plain(leaf) | {"plaintext_hash": plain(altered(leaf.plaintext_hash))}
    return [
        Case("the output of link 3", "6.1", "seal", where | {"plaintext": body, "leaf": empty}),
        Case("opening it", "6.1", "open", opening),
        Case("what stands in it", "5.5", "body", {"plaintext": body}),
        Case("another author's secret", "6.1", "open", opening | {"reply_secret": bytes(16)}, "aead.open"),
        Case("the secret for another position", "6.1", "open", opening | {"position": 1}, "aead.open"),
        Case("altered bytes", "6.2", "open", opening | {"sealed": wrong}, "output.ciphertext"),
        Case("altered bytes under a leaf of their own", "6.1", "open",
             opening | {"sealed": wrong, "leaf": plain(leaf) | {"ciphertext_hash": plain(keccak256(wrong))}},
             "aead.open"),
        Case("another status", "6.1", "open", opening | {"leaf": plain(leaf) | {"status": 1}}, "aead.open"),
        Case("a leaf that commits to another plaintext", "6.2", "open", opening | {"leaf": lying}, "output.plaintext"),
        Case("a body of too few fields", "5.5", "body", {"plaintext": cbor.dumps(["OutputBody", 0])}, "message.shape"),
        Case("a body by another name", "5.5", "body", {"plaintext": cbor.dumps(["Body", 0])}, "message.unknown"),
        Case("padding of nothing", "5.7", "pad", {"data": b""}),
        Case("padding of 28 bytes", "5.7", "pad", {"data": b"a" * 28}),
        Case("padding of 29 bytes", "5.7", "pad", {"data": b"a" * 29}),
        Case("padding taken off", "5.7", "unpad", {"padded": pad_to_bucket(b"a" * 29)}),
        Case("a length beyond the bucket", "5.7", "unpad",
             {"padded": (29).to_bytes(4, "big") + bytes(28)}, "aead.padding"),
        Case("a larger bucket than is needed", "5.7", "unpad", {"padded": bytes(64)}, "aead.padding"),
        Case("padding that is not zero", "5.7", "unpad", {"padded": bytes(31) + b"\x01"}, "aead.padding"),
    ]


def _tree_cases() -> list[Case]:
    leaves = [leaf for _, leaf in world.outputs()]
    digests = [leaf.digest() for leaf in leaves]
    root = world.receipt().outputs_root
    cases = [Case(f"leaf {at}", "6.2", "leaf", {"leaf": leaf}) for at, leaf in enumerate(leaves)]
    cases += [
        Case("an output that anybody may read", "6.2", "public", {"plaintext": b"void.sealed"}),
        *(Case(f"a root over {size}", "6.2", "root", {"leaves": digests[:size]}) for size in (0, 1, 2, 3, 5, 6)),
    ]
    good = []
    for at, leaf in enumerate(leaves):
        given = {"outputs_root": root, "leaf": leaf, **plain(prove_output(digests, at))}
        good.append(given)
        cases.append(Case(f"leaf {at} under the root", "6.2", "proof", given))
    sample = good[3]
    siblings = sample["siblings"]
    cases += [
        Case("another place", "6.2", "proof", sample | {"index": 2}, "output.proof"),
        Case("another count", "6.2", "proof", sample | {"count": 5}, "output.proof"),
        Case("siblings in another order", "6.2", "proof", sample | {"siblings": siblings[::-1]}, "output.proof"),
        Case("a sibling too few", "6.2", "proof", sample | {"siblings": siblings[:-1]}, "output.proof"),
        Case("a sibling too many", "6.2", "proof", sample | {"siblings": [*siblings, siblings[0]]}, "output.proof"),
        Case("another leaf", "6.2", "proof", sample | {"leaf": leaves[2]}, "output.proof"),
        Case("another root", "6.2", "proof", sample | {"outputs_root": altered(root)}, "output.proof"),
        Case("a place beyond the count", "6.2", "proof", sample | {"index": 6}, "output.proof_shape"),
        Case("33 siblings", "6.2", "proof", sample | {"siblings": [bytes(32)] * 33}, "output.proof_shape"),
    ]
    return cases


def subject() -> Subject:
    """The file's content."""
    checks = {
        "leaf": _leaf,
        "public": _public,
        "pad": _pad,
        "unpad": _unpad,
        "seal": _seal,
        "open": _open,
        "body": _body,
        "root": _root,
        "proof": _proof,
    }
    return Subject("outputs", "docs/specification/outputs.md", checks, [*_sealing_cases(), *_tree_cases()])
