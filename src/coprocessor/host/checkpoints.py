"""Sealed checkpoints on a host's disk, and on their way between hosts (PROTOCOL 8.4, 8.5).

Rules:
1. A checkpoint is written whole, and found again only if manifest and pieces are those of its digest.
2. The one that the chain names is kept however many newer ones there are: newcomers begin there.
3. What another host gives counts only if it is what was asked for; sizes have limits before anything is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from coprocessor.codec import cbor
from coprocessor.crypto.hashing import sha256
from coprocessor.durable.disk import Disk
from coprocessor.durable.points import PersistPoint
from coprocessor.enclave.checkpoint import MAX_CHECKPOINT, MAX_MANIFEST, MAX_PIECE, Manifest
from coprocessor.host.http import PeerClient, cbor_response, query_integer
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from coprocessor.values.identities import to_hex

__all__ = ["KEPT_CHECKPOINTS", "CheckpointFolder", "KeptCheckpoint", "answer_with", "download"]

KEPT_CHECKPOINTS = 3
"""The newest ones that a host keeps of a cluster, beside the one that the chain names."""

_SEAL_LENGTH = 16
_PATTERN = "*.checkpoint"


@dataclass(frozen=True, slots=True)
class KeptCheckpoint:
    """A manifest as its enclave encoded it, and the sealed pieces."""

    manifest: bytes
    pieces: tuple[bytes, ...]

    def has(self, digest: bytes) -> bool:
        """Whether manifest and pieces are those of the checkpoint with this digest."""
        if sha256(self.manifest) != digest:
            return False
        return Manifest.decode(self.manifest).pieces == tuple(sha256(piece) for piece in self.pieces)


class CheckpointFolder:
    """The checkpoints of one cluster on a host's disk, by digest; nothing in them is readable here.

    Args:
        folder: made where it is missing.
        disk: writes.
        point: where it is persisted.
    """

    def __init__(self, folder: Path, disk: Disk, point: PersistPoint = PersistPoint.WORKER_CHECKPOINT) -> None:
        self._folder = folder
        self._disk = disk
        self._point = point
        self._last: tuple[bytes, KeptCheckpoint] | None = None  # pieces are asked for one after the other
        self.named: bytes | None = None
        """Digest of the one that the chain names, as far as this host has seen."""

    def keep(self, digest: bytes, checkpoint: KeptCheckpoint) -> None:
        """Writes one, whole and durable, and drops the oldest ones that are not named (rule 2). Raises DiskFailed."""
        content = cbor.dumps([checkpoint.manifest, list(checkpoint.pieces)])
        self._disk.replace(self._point, self._path(digest), content)
        kept = sorted(self._folder.glob(_PATTERN), key=lambda path: path.stat().st_mtime_ns)
        named = None if self.named is None else self._path(self.named)
        for old in kept[:-KEPT_CHECKPOINTS]:
            if old != named:
                old.unlink(missing_ok=True)

    def find(self, digest: bytes) -> KeptCheckpoint | None:
        """The one with this digest, or None where it is not here or damaged."""
        if not self._path(digest).exists():
            return None
        if self._last is None or self._last[0] != digest:
            found = self._read(digest)
            if found is None:
                return None
            self._last = digest, found
        return self._last[1]

    def _read(self, digest: bytes) -> KeptCheckpoint | None:
        try:
            plain = cbor.loads(self._path(digest).read_bytes(), 2 * MAX_CHECKPOINT)
        except (OSError, MalformedInput):
            return None
        match plain:
            case [bytes(manifest), [*pieces]] if all(type(piece) is bytes for piece in pieces):
                kept = KeptCheckpoint(manifest, tuple(pieces))
                return kept if kept.has(digest) else None
        return None

    def _path(self, digest: bytes) -> Path:
        return self._folder / f"{digest.hex()}.checkpoint"


async def download(peers: PeerClient, endpoint: str, digest: bytes, limit: int = MAX_CHECKPOINT) -> KeptCheckpoint:
    """The checkpoint with this digest from another host (rule 3).

    Args:
        peers: HTTP.
        endpoint: the other host's URL.
        digest: 32 bytes.
        limit: bytes of all pieces, at most.

    Raises:
        EvidenceRefused: it gives another one (``checkpoint.other``).
        MalformedInput: it is too large, or none at all.
        PeerRefused, PeerUnreachable: the host does not give it.
    """
    url = f"{endpoint}/v1/checkpoint?digest={to_hex(digest)}"
    manifest = await peers.get_bytes(url)
    if len(manifest) > MAX_MANIFEST:
        raise MalformedInput("checkpoint.manifest", f"{url} answers with {len(manifest)} bytes")
    if sha256(manifest) != digest:
        raise _other(url)
    expected = Manifest.decode(manifest).pieces
    if (len(expected) - 1) * MAX_PIECE > limit:
        raise MalformedInput("checkpoint.size", f"{url} has {len(expected)} pieces, more than {limit} bytes")
    pieces = []
    for index, piece_digest in enumerate(expected):
        piece = await peers.get_bytes(f"{url}&piece={index}")
        if len(piece) > MAX_PIECE + _SEAL_LENGTH:
            raise MalformedInput("checkpoint.piece", f"{url} answers with {len(piece)} bytes")
        if sha256(piece) != piece_digest:
            raise _other(url)
        pieces.append(piece)
    return KeptCheckpoint(manifest, tuple(pieces))


def answer_with(found: KeptCheckpoint, request: web.Request) -> web.Response:
    """The manifest, or the piece that the query names. Raises MalformedInput."""
    if "piece" not in request.query:
        return cbor_response(found.manifest)
    piece = query_integer(request, "piece")
    if piece >= len(found.pieces):
        raise MalformedInput("http.parameter", f"the checkpoint has {len(found.pieces)} pieces, not {piece + 1}")
    return cbor_response(found.pieces[piece])


def _other(url: str) -> EvidenceRefused:
    return EvidenceRefused("checkpoint.other", f"{url} gives another checkpoint than it was asked for")
