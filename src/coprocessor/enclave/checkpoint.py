"""Checkpoints: the whole state of a cluster after some links, sealed under its epoch's key (PROTOCOL 8.4, 8.5).

Rules enforced:
1. a checkpoint is a function of history and keys alone: every member makes the same bytes, so that a quorum can sign
   its digest;
2. each piece is sealed with AES-256-GCM-SIV under a key of this epoch, count and head; its place among the others is
   associated data;
3. whoever restores one compares digest, count, head and epoch with what the chain proves, and the root that it computes
   from the content with the proven one; nothing in it is believed before.

    digest     = SHA-256(manifest)
    manifest   = CBOR [1, cluster, epoch, count, head, root, [SHA-256 of each sealed piece]]
    content    = CBOR [epochs, nonces, packages, programs, outputs], cut into pieces
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from coprocessor.codec import cbor
from coprocessor.crypto.aead import NONCE_LENGTH, SivKey
from coprocessor.crypto.hashing import sha256
from coprocessor.enclave.epochs import BegunEpoch
from coprocessor.enclave.messages import ItemOutput
from coprocessor.enclave.programs import Program
from coprocessor.enclave.sealed_state import ClusterState
from coprocessor.enclave.undelivered import KeptLink
from coprocessor.keys.derivation import ClusterKeys
from coprocessor.protocol.system import Instantiation
from coprocessor.sandbox.package import CodePackage, decode_package, encode_package
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from coprocessor.values.identities import (
    ZERO_DIGEST,
    Address,
    ClusterId,
    CodeHash,
    Digest,
    ProgramId,
    RuntimeId,
    StateRoot,
    checked_digest,
)

__all__ = [
    "MAX_CHECKPOINT",
    "MAX_MANIFEST",
    "MAX_PIECE",
    "Checkpoint",
    "KeptProgram",
    "Manifest",
    "Snapshot",
    "make_checkpoint",
    "open_checkpoint",
    "take_snapshot",
]

MAX_PIECE = 1 << 20
"""Bytes of the content in one piece."""

MAX_CHECKPOINT = 1 << 30
"""Bytes of the content."""

MAX_MANIFEST = 256 + 40 * (MAX_CHECKPOINT // MAX_PIECE)
"""Bytes of an encoded manifest."""

_VERSION = 1
_TAG_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a checkpoint is of, and its sealed pieces.

    Args:
        cluster: 32 bytes.
        epoch: under whose key it is sealed.
        count: links executed.
        head: 32 bytes, of the inbox after them.
        root: 32 bytes, the state root after them.
        pieces: SHA-256 of each sealed piece, in order.
    """

    cluster: ClusterId
    epoch: int
    count: int
    head: Digest
    root: StateRoot
    pieces: tuple[Digest, ...]

    def encode(self) -> bytes:
        """Deterministic CBOR; at most ``MAX_MANIFEST`` bytes."""
        fields = [_VERSION, self.cluster, self.epoch, self.count, self.head, self.root, list(self.pieces)]
        return cbor.dumps(fields)

    @property
    def digest(self) -> Digest:
        """What members sign, and the chain records."""
        return sha256(self.encode())

    @staticmethod
    def decode(data: bytes) -> Manifest:
        """Inverse of ``encode``. Raises MalformedInput."""
        match cbor.loads(data, MAX_MANIFEST):
            case [int(version), bytes(cluster), int(epoch), int(count), bytes(head), bytes(root), [*pieces]] if (
                _are_counts(version, epoch, count)
                and version == _VERSION
                and 0 < len(pieces) <= MAX_CHECKPOINT // MAX_PIECE
            ):
                digests = tuple(Digest(checked_digest(_bytes(piece), "piece")) for piece in pieces)
                return Manifest(
                    ClusterId(checked_digest(cluster, "cluster")),
                    epoch,
                    count,
                    Digest(checked_digest(head, "head")),
                    StateRoot(checked_digest(root, "root")),
                    digests,
                )
        raise MalformedInput("checkpoint.manifest", "that is no manifest of a checkpoint")


@dataclass(frozen=True, slots=True)
class KeptProgram:
    """A program as a checkpoint keeps it: what made it, the hash of its present version, whether its code is private,
    whether it runs, its code where it does, and its entries as (key, value, link, position)."""

    origin: Instantiation
    code_hash: CodeHash
    is_private: bool
    has_constructor: bool
    is_alive: bool
    package: CodePackage | None
    entries: tuple[tuple[bytes, bytes, int, int], ...]


@dataclass(frozen=True, slots=True, repr=False)
class Snapshot:
    """The content of a checkpoint. Prints redacted."""

    epochs: tuple[BegunEpoch, ...]
    nonces: tuple[tuple[int, bytes], ...]
    programs: tuple[KeptProgram, ...]
    outputs: tuple[KeptLink, ...] = ()

    def __repr__(self) -> str:
        return f"Snapshot(programs={len(self.programs)}, redacted)"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A manifest and its sealed pieces."""

    manifest: Manifest
    pieces: tuple[bytes, ...]


def take_snapshot(
    epochs: Sequence[BegunEpoch], programs: Iterable[Program], state: ClusterState, outputs: tuple[KeptLink, ...]
) -> Snapshot:
    """The present content; nothing of an older epoch may be left."""
    kept = []
    for program in programs:
        entries = state.program(program.origin.program).kept()
        kept.append(
            KeptProgram(
                program.origin,
                program.code_hash,
                program.is_private,
                program.has_constructor,
                program.is_alive,
                program.package if program.is_alive else None,
                tuple((key, value, place.link, place.position) for key, value, place in entries),
            )
        )
    return Snapshot(tuple(epochs[-1:]), tuple(state.nonces.kept()), tuple(kept), outputs)


def make_checkpoint(
    snapshot: Snapshot, cluster: ClusterId, count: int, head: Digest, root: StateRoot, keys: ClusterKeys
) -> Checkpoint:
    """Seals a snapshot (rules 1 and 2).

    Raises:
        MalformedInput: it is larger than ``MAX_CHECKPOINT``.
    """
    content = cbor.dumps(_to_plain(snapshot))
    if len(content) > MAX_CHECKPOINT:
        raise MalformedInput("checkpoint.size", f"{len(content)} bytes, the limit is {MAX_CHECKPOINT}")
    cipher = SivKey(keys.checkpoint_key(count, head))
    cuts = [content[at : at + MAX_PIECE] for at in range(0, len(content), MAX_PIECE)]
    pieces = tuple(cipher.seal(_nonce(at), cut, _place(at, len(cuts))) for at, cut in enumerate(cuts))
    epoch = keys.identity.epoch
    return Checkpoint(Manifest(cluster, epoch, count, head, root, tuple(sha256(piece) for piece in pieces)), pieces)


def open_checkpoint(checkpoint: Checkpoint, keys: ClusterKeys) -> Snapshot:
    """The content. The caller MUST have compared the manifest with the chain, and MUST compare the root (rule 3).

    Raises:
        EvidenceRefused: pieces that are not the manifest's, or sealed under another key.
        MalformedInput: the content has another shape.
    """
    manifest = checkpoint.manifest
    if tuple(sha256(piece) for piece in checkpoint.pieces) != manifest.pieces:
        raise EvidenceRefused("checkpoint.pieces", "the pieces are not the checkpoint's", next="ask another member")
    cipher = SivKey(keys.checkpoint_key(manifest.count, manifest.head))
    total = len(checkpoint.pieces)
    opened = [cipher.open(_nonce(at), piece, _place(at, total)) for at, piece in enumerate(checkpoint.pieces)]
    return _from_plain(cbor.loads(b"".join(opened), MAX_CHECKPOINT))


def _nonce(at: int) -> bytes:
    return at.to_bytes(NONCE_LENGTH, "big")


def _place(at: int, total: int) -> bytes:
    return at.to_bytes(4, "big") + total.to_bytes(4, "big")


def _to_plain(snapshot: Snapshot) -> list[Any]:
    packages: dict[CodeHash, bytes] = {}  # many programs run one code, which is packed once
    for kept in snapshot.programs:
        if kept.package is not None and kept.code_hash not in packages:
            packages[kept.code_hash] = encode_package(kept.package)
    encoded = [b"" if kept.package is None else packages[kept.code_hash] for kept in snapshot.programs]
    distinct = {package: at for at, package in enumerate(dict.fromkeys(filter(None, encoded)))}
    programs = []
    for kept, package in zip(snapshot.programs, encoded, strict=True):
        origin = kept.origin
        code = [distinct[package]] if package else []
        programs.append(
            [
                [origin.program, origin.handle, origin.owner, origin.code_hash, origin.policy, origin.fuel_limit],
                list(origin.callees),
                kept.code_hash,
                [kept.is_private, kept.has_constructor, kept.is_alive],
                code,
                [list(entry) for entry in kept.entries],
            ]
        )
    epochs = [[begun.epoch, begun.link, begun.timestamp, begun.runtime] for begun in snapshot.epochs]
    outputs = [_link_to_plain(link) for link in snapshot.outputs]
    return [epochs, [list(nonce) for nonce in snapshot.nonces], list(distinct), programs, outputs]


def _link_to_plain(link: KeptLink) -> list[Any]:
    result = link.result
    fields = (
        []
        if result is None
        else [result.program, result.request, result.status, result.fuel, result.plaintext_hash, result.output]
    )
    return [link.index, link.head, list(link.leaves), fields]


def _from_plain(plain: Any) -> Snapshot:
    match plain:
        case [[*epochs], [*nonces], [*packages], [*programs], [*outputs]]:
            codes = [decode_package(_bytes(package)) for package in packages]
            return Snapshot(
                tuple(_epoch(entry) for entry in epochs),
                tuple(_nonce_entry(entry) for entry in nonces),
                tuple(_program(entry, codes) for entry in programs),
                tuple(_kept_link(entry) for entry in outputs),
            )
    raise _malformed()


def _epoch(plain: Any) -> BegunEpoch:
    match plain:
        case [int(epoch), int(link), int(timestamp), bytes(runtime)] if _are_counts(epoch, link, timestamp):
            return BegunEpoch(epoch, link, timestamp, RuntimeId(checked_digest(runtime, "runtime")))
    raise _malformed()


def _nonce_entry(plain: Any) -> tuple[int, bytes]:
    match plain:
        case [int(deadline), bytes(path)] if _are_counts(deadline):
            return deadline, path
    raise _malformed()


def _program(plain: Any, codes: list[CodePackage]) -> KeptProgram:
    match plain:
        case [
            [bytes(program), int(handle), bytes(owner), bytes(code_hash), bytes(policy), int(fuel)],
            [*callees],
            bytes(present),
            [bool(is_private), bool(has_constructor), bool(is_alive)],
            [*code],
            [*entries],
        ] if _are_counts(handle, fuel, *code) and all(at < len(codes) for at in code) and len(code) < 2:
            origin = Instantiation(
                ProgramId(program),
                handle,
                Address(owner),
                CodeHash(code_hash),
                policy,
                fuel,
                tuple(ProgramId(_bytes(callee)) for callee in callees),
                b"",
            )
            package = codes[code[0]] if code else None
            kept = tuple(_entry(entry) for entry in entries)
            present_code = CodeHash(checked_digest(present, "code hash"))
            return KeptProgram(origin, present_code, is_private, has_constructor, is_alive, package, kept)
    raise _malformed()


def _entry(plain: Any) -> tuple[bytes, bytes, int, int]:
    match plain:
        case [bytes(key), bytes(value), int(link), int(position)] if _are_counts(link, position):
            return key, value, link, position
    raise _malformed()


def _kept_link(plain: Any) -> KeptLink:
    match plain:
        case [int(index), bytes(head), [*leaves], [*result]] if _are_counts(index) and len(result) in (0, 6):
            digests = tuple(Digest(checked_digest(_bytes(leaf), "leaf")) for leaf in leaves)
            head = checked_digest(head, "head")
            return KeptLink(index, Digest(head), digests, _result(result) if result else None)
    raise _malformed()


def _result(plain: list[Any]) -> ItemOutput:
    match plain:
        case [bytes(program), bytes(request), int(status), int(fuel), bytes(plaintext_hash), bytes(output)] if (
            _are_counts(status, fuel)
        ):
            checked = [checked_digest(one, "output") for one in (program, request, plaintext_hash)]
            return ItemOutput(
                position=0,
                program=checked[0],
                request=checked[1],
                status=status,
                fuel=fuel,
                plaintext_hash=checked[2],
                ciphertext_hash=ZERO_DIGEST,
                output=output,
                public=True,
                void_rule="",
            )
    raise _malformed()


def _are_counts(*values: Any) -> bool:
    """Whether all are whole numbers of at most 63 bits: neither negative nor True."""
    return all(type(value) is int and 0 <= value < 1 << 63 for value in values)


def _bytes(value: Any) -> bytes:
    if type(value) is not bytes:
        raise _malformed()
    return value


def _malformed() -> MalformedInput:
    return MalformedInput("checkpoint.malformed", "the content of the checkpoint has another shape")
