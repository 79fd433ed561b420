"""Beginning from a checkpoint instead of the history before it (PROTOCOL 8.5).

Rules enforced:
1. only the checkpoint that the chain names counts: a quorum signed it over a finally settled root (PROTOCOL 8.4);
2. the state that its content makes must have that root; where it has not, nothing of it runs.
"""

from __future__ import annotations

from coprocessor.enclave.chain_view import ChainView
from coprocessor.enclave.checkpoint import MAX_CHECKPOINT, MAX_PIECE, Manifest, Snapshot
from coprocessor.enclave.epochs import Epochs
from coprocessor.enclave.programs import Program, ProgramEpoch, ProgramTable
from coprocessor.enclave.sealed_state import ClusterState, ProgramState
from coprocessor.keys.derivation import ClusterKeys
from coprocessor.protocol import layout
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from coprocessor.values.identities import ClusterId

__all__ = ["Pieces", "check_named", "rebuild"]

_TAG_LENGTH = 16


class Pieces:
    """Sealed pieces as they come in, bounded."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def add(self, sealed: bytes) -> int:
        """The next piece; how many there are. Raises MalformedInput where it is too long or one too many."""
        if len(self._pieces) >= MAX_CHECKPOINT // MAX_PIECE or len(sealed) > MAX_PIECE + _TAG_LENGTH:
            raise MalformedInput("checkpoint.size", f"a checkpoint has at most {MAX_CHECKPOINT} bytes")
        self._pieces.append(sealed)
        return len(self._pieces)

    def take(self) -> tuple[bytes, ...]:
        """All pieces; none is left here."""
        pieces, self._pieces = tuple(self._pieces), []
        return pieces


def check_named(manifest: Manifest, cluster: ClusterId, view: ChainView) -> None:
    """Raises EvidenceRefused where the chain, as proven, names another checkpoint for the cluster (rule 1)."""

    def word(field: str) -> bytes:
        return view.digest("Clusters", layout.cluster_boundary(cluster, field))

    claimed = (
        manifest.cluster,
        manifest.epoch.to_bytes(32, "big"),
        manifest.count.to_bytes(32, "big"),
        manifest.head,
        manifest.root,
        manifest.digest,
    )
    named = (cluster, word("epoch"), word("count"), word("inbox_head"), word("root"), word("checkpoint"))
    if claimed != named:
        raise EvidenceRefused(
            "checkpoint.foreign",
            f"the chain names checkpoint 0x{named[-1].hex()}, another was given",
            "it is older, of another cluster, or forged",
            "ask another member for the one that the chain names",
        )


def rebuild(
    snapshot: Snapshot,
    manifest: Manifest,
    keys: ClusterKeys,
    programs: ProgramTable,
    state: ClusterState,
    epochs: Epochs,
) -> None:
    """Fills an empty cluster with a snapshot's content.

    Raises:
        EvidenceRefused: its root is not the manifest's (rule 2); the caller MUST NOT use the cluster then.
    """
    for begun in snapshot.epochs:
        epochs.begin(begun)
    state.nonces.restore(snapshot.nonces)
    for kept in snapshot.programs:
        own = ProgramEpoch.of(keys.program(kept.origin.program))
        program = Program(
            kept.origin,
            (own,),
            kept.code_hash,
            kept.package,
            kept.is_private,
            kept.has_constructor,
            kept.is_alive,
        )
        entries = ProgramState(state.network, own.keys, program.record())
        entries.restore(kept.entries)
        programs.add(program)
        state.add(kept.origin.program, entries)
    root = state.root(manifest.epoch, manifest.count)
    if root != manifest.root or epochs.current != manifest.epoch:
        raise EvidenceRefused(
            "checkpoint.root",
            f"the checkpoint's content has state root 0x{root.hex()}, settled is 0x{manifest.root.hex()}",
            next="restart the enclave with a checkpoint of another member",
        )
