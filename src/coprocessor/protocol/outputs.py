"""Outputs: sealed to the author, bound into a leaf, proven under a receipt (PROTOCOL 6).

Every replica makes the same bytes: key, nonce and salt are derived from the reply secret, the link's hash and the
plaintext; another execution with other content never reuses key and nonce.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from coprocessor.codec import abi
from coprocessor.crypto.aead import NONCE_LENGTH, SivKey, pad_to_bucket, unpad
from coprocessor.crypto.hashing import hmac_sha256, keccak256
from coprocessor.crypto.hkdf import hkdf_derive
from coprocessor.crypto.labels import Label
from coprocessor.values.errors import CallerMisuse, EvidenceRefused, MalformedInput
from coprocessor.values.identities import ZERO_DIGEST, Digest, NetworkId, ProgramId, RequestId

__all__ = [
    "MAX_OUTPUT_PROOF",
    "Leaf",
    "OutputKeys",
    "OutputProof",
    "Status",
    "compute_outputs_root",
    "derive_output_keys",
    "open_output",
    "prove_output",
    "public_plaintext_hash",
    "seal_output",
    "verify_output",
]

MAX_OUTPUT_PROOF = 32
"""Siblings of one output's proof."""

_LEAF_TAG = keccak256(b"coprocessor/v1/output-leaf")
_OUTPUTS_TAG = keccak256(b"coprocessor/v1/outputs")
_LEAF_TYPES = ("bytes32",) + ("uint256",) * 2 + ("bytes32",) * 2 + ("uint256",) * 2 + ("bytes32",) * 2


class Status(IntEnum):
    """The public outcome of an item; what went wrong stands in the sealed output (PROTOCOL 5.5)."""

    OK = 0
    REVERTED = 1
    EXHAUSTED = 2
    VOID = 3
    SKIPPED = 4


@dataclass(frozen=True, slots=True)
class Leaf:
    """One item's outcome as a receipt commits to it (PROTOCOL 6.2).

    Args:
        link: index of the link.
        position: of the item inside the link.
        program: 32 bytes.
        request: 32 bytes; zero unless a smart contract asked.
        status: a ``Status``.
        fuel: consumed.
        plaintext_hash: Keccak-256 of salt and plaintext.
        ciphertext_hash: Keccak-256 of the sealed output.
    """

    link: int
    position: int
    program: ProgramId
    request: RequestId
    status: int
    fuel: int
    plaintext_hash: Digest
    ciphertext_hash: Digest

    def digest(self) -> Digest:
        """The leaf's hash, as ``Settlement`` computes it."""
        return keccak256(
            abi.encode(
                _LEAF_TYPES,
                (
                    _LEAF_TAG,
                    self.link,
                    self.position,
                    self.program,
                    self.request,
                    self.status,
                    self.fuel,
                    self.plaintext_hash,
                    self.ciphertext_hash,
                ),
            )
        )

    def associated_data(self, network: NetworkId) -> bytes:
        """What the sealed output is bound to beside its key: the leaf's fields that do not depend on it."""
        fields = (self.link, self.position, self.program, self.request, self.status, self.fuel)
        types = ("uint256", "uint256", "bytes32", "bytes32", "uint256", "uint256")
        return network + abi.encode(types, fields)


@dataclass(frozen=True, slots=True)
class OutputKeys:
    """Derived from a reply secret for one position: they open this output and no other. Prints redacted."""

    key: bytes
    nonce_key: bytes
    salt: bytes

    def __repr__(self) -> str:
        return "OutputKeys(redacted)"


def derive_output_keys(reply_secret: bytes, network: NetworkId, link_hash: bytes, position: int) -> OutputKeys:
    """Keys of the output at a position of the link with this hash (32 bytes)."""
    parts = (link_hash, position.to_bytes(4, "big"))
    key = hkdf_derive(reply_secret, Label.OUTPUT_KEY.context(network, *parts))
    nonce_key = hkdf_derive(reply_secret, Label.OUTPUT_NONCE.context(network, *parts))
    salt = hkdf_derive(reply_secret, Label.OUTPUT_SALT.context(network, *parts))
    return OutputKeys(key, nonce_key, salt)


def seal_output(plaintext: bytes, keys: OutputKeys, leaf: Leaf, network: NetworkId) -> tuple[bytes, Leaf]:
    """The sealed output and the leaf with both hashes filled in.

    Args:
        plaintext: the output.
        keys: from ``derive_output_keys``.
        leaf: with its hashes zero.
        network: 32 bytes.
    """
    padded = pad_to_bucket(plaintext)
    nonce = hmac_sha256(keys.nonce_key, padded)[:NONCE_LENGTH]
    sealed = nonce + SivKey(keys.key).seal(nonce, padded, leaf.associated_data(network))
    hashes = keccak256(keys.salt + plaintext), keccak256(sealed)
    return sealed, Leaf(
        leaf.link, leaf.position, leaf.program, leaf.request, leaf.status, leaf.fuel, hashes[0], hashes[1]
    )


def open_output(sealed: bytes, keys: OutputKeys, leaf: Leaf, network: NetworkId) -> bytes:
    """The plaintext of a sealed output, checked against both hashes of its leaf.

    Raises:
        EvidenceRefused: another author's output, or altered bytes.
    """
    if keccak256(sealed) != leaf.ciphertext_hash:
        raise EvidenceRefused("output.ciphertext", "the sealed output is not the one that the leaf commits to")
    nonce, body = sealed[:NONCE_LENGTH], sealed[NONCE_LENGTH:]
    plaintext = unpad(SivKey(keys.key).open(nonce, body, leaf.associated_data(network)))
    if keccak256(keys.salt + plaintext) != leaf.plaintext_hash:
        raise EvidenceRefused("output.plaintext", "the output is not the one that the leaf commits to")
    return plaintext


def public_plaintext_hash(plaintext: bytes) -> Digest:
    """``plaintext_hash`` of an output that anybody may read: the salt is zero."""
    return keccak256(bytes(32) + plaintext)


@dataclass(frozen=True, slots=True)
class OutputProof:
    """Where a leaf stands among a receipt's leaves, and the siblings from the bottom up."""

    index: int
    count: int
    siblings: tuple[Digest, ...]


def compute_outputs_root(leaves: list[Digest]) -> Digest:
    """The root over leaf hashes in order of (link, position)."""
    level = list(leaves)
    while len(level) > 1:
        level = _parents(level)
    return _wrap(len(leaves), level[0] if level else ZERO_DIGEST)


def prove_output(leaves: list[Digest], index: int) -> OutputProof:
    """The proof of the leaf at ``index``. Raises CallerMisuse where there is no such leaf."""
    if not 0 <= index < len(leaves):
        raise CallerMisuse("output.index", f"leaf {index} of {len(leaves)}")
    siblings, level, at = [], list(leaves), index
    while len(level) > 1:
        if at ^ 1 < len(level):
            siblings.append(level[at ^ 1])
        level, at = _parents(level), at // 2
    return OutputProof(index, len(leaves), tuple(siblings))


def verify_output(outputs_root: Digest, leaf: Leaf, proof: OutputProof) -> None:
    """Checks that ``leaf`` stands where ``proof`` says under ``outputs_root``.

    Raises:
        EvidenceRefused: it does not.
        MalformedInput: the proof has an impossible shape.
    """
    if not 0 <= proof.index < proof.count or len(proof.siblings) > MAX_OUTPUT_PROOF:
        raise MalformedInput("output.proof_shape", "the proof's index, count or length is impossible")
    node, at, size, siblings = leaf.digest(), proof.index, proof.count, iter(proof.siblings)
    while size > 1:
        if at ^ 1 < size:
            sibling = next(siblings, None)
            if sibling is None:
                raise EvidenceRefused("output.proof", "the proof ends before the root")
            node = _inner(sibling, node) if at & 1 else _inner(node, sibling)
        at, size = at // 2, (size + 1) // 2
    if next(siblings, None) is not None or _wrap(proof.count, node) != outputs_root:
        raise EvidenceRefused("output.proof", "the output is not among those that the receipt commits to")


def _parents(level: list[Digest]) -> list[Digest]:
    pairs = [_inner(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
    return pairs + level[-1:] if len(level) % 2 else pairs


def _inner(left: bytes, right: bytes) -> Digest:
    return keccak256(b"\x01" + left + right)


def _wrap(count: int, root: bytes) -> Digest:
    return keccak256(abi.encode(("bytes32", "uint256", "bytes32"), (_OUTPUTS_TAG, count, root)))
