"""What a gatekeeper host keeps: the genesis that its enclave signed, and the newest sealed blob.

One file of mode 0600, written before anything that follows from it is shown to anybody, so that a crash at any point
neither loses a share that the chain names nor names a share that nobody holds (PROTOCOL 9.1, 9.5).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from coprocessor.chain.deployment import GatekeeperMember
from coprocessor.durable.disk import PLAIN_DISK, Disk
from coprocessor.durable.points import PersistPoint
from coprocessor.values.errors import CoprocessorError, MalformedInput
from coprocessor.values.identities import Address, Digest, NetworkId, from_hex, to_hex

__all__ = ["CeremonyFile", "FirstCommittee", "KeptCeremony"]

_FORMAT = "coprocessor/v1/gatekeeper"


@dataclass(frozen=True, slots=True)
class FirstCommittee:
    """The genesis as one gatekeeper signed it.

    Args:
        network: 32 bytes.
        threshold: members that must act together.
        members: the first gatekeepers, in order.
        signature: this member's, over the ``GenesisRecord``.
    """

    network: NetworkId
    threshold: int
    members: tuple[GatekeeperMember, ...]
    signature: bytes

    @property
    def evidence_digests(self) -> tuple[Digest, ...]:
        """Of the members' evidence, in order: what the network's id covers."""
        return tuple(member.evidence_digest for member in self.members)

    def to_plain(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "network": to_hex(self.network),
            "threshold": self.threshold,
            "members": [
                {field.name: to_hex(getattr(member, field.name)) for field in fields(member)} for member in self.members
            ],
            "signature": to_hex(self.signature),
        }

    @staticmethod
    def from_plain(plain: Any) -> FirstCommittee:
        """Raises MalformedInput where ``plain`` is no genesis."""
        try:
            return FirstCommittee(
                NetworkId(from_hex(plain["network"], 32)),
                int(plain["threshold"]),
                tuple(_member(member) for member in plain["members"]),
                from_hex(plain["signature"], 65),
            )
        except (KeyError, TypeError, ValueError, CoprocessorError) as error:
            raise MalformedInput("gatekeeper.ceremony", "that is no outcome of a genesis", str(error)) from error


def _member(plain: Any) -> GatekeeperMember:
    return GatekeeperMember(
        Address(from_hex(plain["operator"], 20)),
        Address(from_hex(plain["signer"], 20)),
        from_hex(plain["sealing_key"], 32),
        Digest(from_hex(plain["evidence_digest"], 32)),
    )


@dataclass(frozen=True, slots=True)
class KeptCeremony:
    """The whole content of the file.

    Args:
        genesis: what the enclave signed; None for a gatekeeper that came later.
        sealed: the enclave's newest blob.
        is_done: the chain has recorded the outcome of the key ceremony.
        has_share: the blob holds a share of the recorded key.
        committee: number of the committee that the share belongs to; 0 before there is a key.
        evidence: encoded ``Admit`` of this member as the genesis verified it, to be published; empty for others.
    """

    genesis: FirstCommittee | None
    sealed: bytes
    is_done: bool = False
    has_share: bool = False
    committee: int = 0
    evidence: bytes = b""


class CeremonyFile:
    """The file in a gatekeeper's data folder."""

    def __init__(self, path: Path, disk: Disk = PLAIN_DISK) -> None:
        self._path = path
        self._disk = disk

    def load(self) -> KeptCeremony | None:
        """What is kept, or None before genesis. Raises MalformedInput where it is damaged."""
        if not self._path.exists():
            return None
        try:
            document = json.loads(self._path.read_text("ascii"))
            if document["format"] != _FORMAT:
                raise ValueError(f"another format, {document['format']!r}")
            genesis = None if document["genesis"] is None else FirstCommittee.from_plain(document["genesis"])
            sealed, done, share = document["sealed"], document["is_done"], document["has_share"]
            number, evidence = int(document["committee"]), from_hex(document["evidence"])
            return KeptCeremony(genesis, from_hex(sealed), bool(done), bool(share), number, evidence)
        except (ValueError, KeyError, TypeError, CoprocessorError) as error:
            raise MalformedInput(
                "gatekeeper.file",
                f"{self._path} is damaged",
                str(error),
                "restore it from a copy; without it this gatekeeper's share is gone",
            ) from error

    def save(self, kept: KeptCeremony, point: PersistPoint = PersistPoint.GATEKEEPER_SHARE) -> None:
        """Written whole and durable before this returns. Raises DiskFailed."""
        document = {
            "format": _FORMAT,
            "genesis": None if kept.genesis is None else kept.genesis.to_plain(),
            "sealed": to_hex(kept.sealed),
            "is_done": kept.is_done,
            "has_share": kept.has_share,
            "committee": kept.committee,
            "evidence": to_hex(kept.evidence),
        }
        text = json.dumps(document, indent=1) + "\n"
        self._disk.replace(point, self._path, text.encode("ascii"))

    def update(self, point: PersistPoint = PersistPoint.GATEKEEPER_SHARE, /, **changes: Any) -> None:
        """Replaces some fields of what is kept. Raises as ``save``."""
        kept = self.load()
        assert kept is not None, "there is a genesis before anything else is kept"
        self.save(replace(kept, **changes), point)
