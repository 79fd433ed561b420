"""Targets of levels 1 and 2: encodings, keys, signatures, the authenticated map."""

from __future__ import annotations

from functools import cache

from coprocessor.codec import abi, cbor, rlp, strict_json
from coprocessor.codec.eip712 import Domain, StructType
from coprocessor.codec.records import from_plain
from coprocessor.crypto import bls, hpke, secp256k1
from coprocessor.crypto.aead import SivKey, pad_to_bucket, unpad
from coprocessor.crypto.hashing import sha256
from coprocessor.crypto.labels import Label
from coprocessor.enclave import messages as m
from coprocessor.trie import Trie, verify_proof
from coprocessor.trie.proofs import Proof, Sibling
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import Address, from_hex, to_hex
from tests.fuzz.target import MALFORMED, REFUSED, Target, Unsound
from tests.support.byte_mutation import join_parts, split_parts

_ABI_TYPES = ("uint256", "bytes32[]", "(address,bool,int64)[2]", "string", "bytes", "(bytes4,uint8[])[]", "bytes3[2][]")
_ABI_VALUES = (
    7,
    [bytes(32), b"\xff" * 32],
    [(b"a" * 20, True, -5), (b"b" * 20, False, 2**63 - 1)],
    "héllo",
    b"x" * 33,
    [(b"abcd", [1, 2, 255])],
    [[b"abc", b"def"]],
)
_STRUCT = StructType("Thing", (("bytes32", "a"), ("bytes", "b"), ("uint64", "c")))
_KEY = secp256k1.PrivateKey(b"\x07" * 32)
_BLS = bls.SecretScalar.derive(bytes(32), b"fuzz")
_SIV = SivKey(b"\x01" * 32)
_SEALING = hpke.SealingKey(b"\x02" * 32)
_DIGEST = sha256(b"digest")


def _one_form(again: bytes, data: bytes) -> None:
    if again != data:
        raise Unsound("two encodings of one value were taken")


def _cbor(data: bytes) -> None:
    _one_form(cbor.dumps(cbor.loads(data, 1 << 20)), data)


def _rlp(data: bytes) -> None:
    _one_form(rlp.encode(rlp.decode(data)), data)


def _abi(data: bytes) -> None:
    _one_form(abi.encode(_ABI_TYPES, abi.decode(_ABI_TYPES, data)), data)


def _from_hex(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    _one_form(to_hex(from_hex(text)).encode(), text.lower().encode("utf-8", "surrogateescape"))


def _record(data: bytes) -> None:
    from_plain(m.ChainProof, cbor.loads(data, 1 << 20))


def _eip712(data: bytes) -> None:
    if len(_STRUCT.digest(Domain(1, Address(bytes(20))), sha256(data), data, len(data))) != 32:
        raise Unsound("a digest of another length")


def _label(data: bytes) -> None:
    parts = split_parts(data)
    context, at, found = Label.TICKET.context(b"", *parts), 0, []
    while at < len(context):
        end = at + 4 + int.from_bytes(context[at : at + 4], "big")
        found.append(context[at + 4 : end])
        at = end
    if found[2:] != parts:
        raise Unsound("two lists of parts have one context")


def _unpad(data: bytes) -> None:
    _one_form(pad_to_bucket(unpad(data)), data)


def _scalar(data: bytes) -> None:
    _one_form(bls.SecretScalar.from_bytes(data).to_bytes(), data)


def _bls_signature(data: bytes) -> None:
    bls.verify_signature(_BLS.public_key(), _DIGEST, bls.Purpose.POSSESSION, data)
    _one_form(_BLS.sign(_DIGEST, bls.Purpose.POSSESSION), data)


def _public_key(data: bytes) -> None:
    bls.check_public_key(data)


def _recover(data: bytes) -> None:
    secp256k1.recover_public_key(_DIGEST, data)
    if len(secp256k1.recover_address(_DIGEST, data)) != 20:
        raise Unsound("an address of another length")


@cache
def _trie() -> Trie:
    trie = Trie()
    for number in range(9):
        trie.put(sha256(b"%d" % number), sha256(b"value %d" % number))
    return trie


def _trie_proof(data: bytes) -> None:
    """Parts: asked path, leaf path, leaf value, then for each sibling its bit (two bytes) and its digest."""
    path, leaf, value, *rest = (*split_parts(data), b"", b"", b"")
    siblings = tuple(Sibling(int.from_bytes(part[:2], "big"), part[2:]) for part in rest[:300] if part)
    found = verify_proof(_trie().root(), path, Proof(siblings, leaf, value))
    if found != _trie().get(path):
        raise Unsound("a proof shows what the map does not hold")


def _trie_seeds() -> list[bytes]:
    seeds = []
    for asked in (sha256(b"3"), sha256(b"absent")):
        proof = _trie().prove(asked)
        siblings = [node.bit.to_bytes(2, "big") + node.digest for node in proof.siblings]
        seeds.append(join_parts([asked, proof.leaf_path or b"", proof.leaf_value or b"", *siblings]))
    return seeds


def _cbor_seeds() -> list[bytes]:
    nested: object = 1
    for _ in range(30):
        nested = [nested]
    values = (
        None,
        True,
        0,
        23,
        24,
        -1,
        2**64 - 1,
        -(2**64),
        b"bytes",
        "téxt",
        [1, [2, {}]],
        {"a": 1, "bb": [b"x"], 3: None},
    )
    return [cbor.dumps(value) for value in (*values, nested)]


CODEC_TARGETS = (
    Target("cbor", _cbor, _cbor_seeds, covers=("codec.cbor.loads",), examples=200),
    Target(
        "rlp",
        _rlp,
        lambda: [rlp.encode(item) for item in (b"", b"\x01", b"x" * 60, [b"a", [b"b", []], b"c" * 300])],
        covers=("codec.rlp.decode",),
        examples=200,
    ),
    Target("abi", _abi, lambda: [abi.encode(_ABI_TYPES, _ABI_VALUES)], covers=("codec.abi.decode",), examples=200),
    Target(
        "strict-json",
        lambda data: strict_json.loads(data, 1 << 20),
        lambda: [b'{"a": [1, -2.5e3, "\\u00e9", null, true], "b": {"c": ""}}', b"[" * 60 + b"]" * 60, b'"x"'],
        covers=("codec.strict_json.loads",),
        examples=200,
    ),
    Target(
        "records",
        _record,
        lambda: [
            cbor.dumps(["ChainProof", 7, [["AccountProof", "Inbox", [b"node"], [["SlotProof", bytes(32), [b"n"]]]]]])
        ],
        covers=("codec.records.from_plain",),
    ),
    Target("hex", _from_hex, lambda: [b"0x", b"0x00FFab"], covers=("values.identities.from_hex",)),
    Target("eip712", _eip712, lambda: [b"", b"data"], errors=()),
    Target("labels", _label, lambda: [join_parts([b"a", b"", b"bc"])], errors=()),
    Target(
        "padding",
        _unpad,
        lambda: [pad_to_bucket(b"x" * size) for size in (0, 28, 29, 4093)],
        covers=("crypto.aead.unpad",),
    ),
    Target(
        "siv",
        lambda data: _SIV.open(data[:12], data[12:], b"context"),
        lambda: [bytes(12) + _SIV.seal(bytes(12), b"plain", b"context")],
        errors=(EvidenceRefused,),
        covers=("crypto.aead.SivKey.open",),
    ),
    Target(
        "hpke",
        lambda data: _SEALING.open(data, b"info"),
        lambda: [hpke.seal(b"message", _SEALING.public_key, b"info")],
        errors=(EvidenceRefused,),
        covers=("crypto.hpke.SealingKey.open",),
    ),
    Target("bls-scalar", _scalar, lambda: [_BLS.to_bytes()], covers=("crypto.bls.SecretScalar.from_bytes",)),
    Target("bls-g1", bls.check_g1, lambda: [_BLS.g1_element(), bls.g1_generator()], covers=("crypto.bls.check_g1",)),
    Target("bls-g2", _public_key, lambda: [_BLS.public_key()], covers=("crypto.bls.check_public_key",)),
    Target(
        "bls-signature",
        _bls_signature,
        lambda: [_BLS.sign(_DIGEST, bls.Purpose.POSSESSION)],
        errors=REFUSED,
        covers=("crypto.bls.verify_signature",),
    ),
    Target(
        "recover",
        _recover,
        lambda: [_KEY.sign(_DIGEST)],
        errors=(EvidenceRefused,),
        covers=("crypto.secp256k1.recover_public_key", "crypto.secp256k1.recover_address"),
        examples=200,
    ),
    Target("public-key", secp256k1.address_of, lambda: [_KEY.public_key], errors=MALFORMED),
    Target("trie-proof", _trie_proof, _trie_seeds, errors=REFUSED, covers=("trie.proofs.verify_proof",), examples=200),
)
