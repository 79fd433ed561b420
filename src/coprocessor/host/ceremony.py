"""What a gatekeeper host keeps of its genesis: the sealed share, and the public outcome that others ask for.

One file of mode 0600, written before anything is published, so that a crash at any point neither loses a share that the
chain names nor names a share that nobody holds (PROTOCOL 9.1, 9.5).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from coprocessor.chain.deployment import GatekeeperMember
from coprocessor.durable.disk import PLAIN_DISK, Disk
from coprocessor.durable.points import PersistPoint
from coprocessor.values.errors import CoprocessorError, MalformedInput
from coprocessor.values.identities import Address, Digest, NetworkId, from_hex, to_hex

__all__ = ["Ceremony", "CeremonyFile"]

_FORMAT = "coprocessor/v1/gatekeeper"


@dataclass(frozen=True, slots=True)
class Ceremony:
    """The outcome of genesis as one gatekeeper sees it.

    Args:
        network: 32 bytes.
        threshold: members that must act together.
        members: the first gatekeepers, in order.
        genesis_signature: this member's, over ``network``.
        master_key: 96 bytes.
        share_keys: 96 bytes each, in member order.
        master_key_signature: this member's, over the ``MasterKeyRecord``.
    """

    network: NetworkId
    threshold: int
    members: tuple[GatekeeperMember, ...]
    genesis_signature: bytes
    master_key: bytes
    share_keys: tuple[bytes, ...]
    master_key_signature: bytes

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
            "genesis_signature": to_hex(self.genesis_signature),
            "master_key": to_hex(self.master_key),
            "share_keys": [to_hex(key) for key in self.share_keys],
            "master_key_signature": to_hex(self.master_key_signature),
        }

    @staticmethod
    def from_plain(plain: Any) -> Ceremony:
        """Raises MalformedInput where ``plain`` is no ceremony."""
        try:
            return Ceremony(
                NetworkId(from_hex(plain["network"], 32)),
                int(plain["threshold"]),
                tuple(_member(member) for member in plain["members"]),
                from_hex(plain["genesis_signature"], 65),
                from_hex(plain["master_key"], 96),
                tuple(from_hex(key, 96) for key in plain["share_keys"]),
                from_hex(plain["master_key_signature"], 65),
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


class CeremonyFile:
    """The file in a gatekeeper's data folder."""

    def __init__(self, path: Path, disk: Disk = PLAIN_DISK) -> None:
        self._path = path
        self._disk = disk

    def load(self) -> tuple[Ceremony, bytes] | None:
        """The outcome and the sealed share, or None before genesis. Raises MalformedInput where it is damaged."""
        if not self._path.exists():
            return None
        try:
            document = json.loads(self._path.read_text("ascii"))
            if document["format"] != _FORMAT:
                raise ValueError(f"another format, {document['format']!r}")
            return Ceremony.from_plain(document["ceremony"]), from_hex(document["sealed_share"])
        except (ValueError, KeyError, TypeError, CoprocessorError) as error:
            raise MalformedInput(
                "gatekeeper.file",
                f"{self._path} is damaged",
                str(error),
                "restore it from a copy; without it this gatekeeper's share is gone",
            ) from error

    def save(self, ceremony: Ceremony, sealed_share: bytes) -> None:
        """Written whole and durable before this returns. Raises DiskFailed."""
        document = {"format": _FORMAT, "ceremony": ceremony.to_plain(), "sealed_share": to_hex(sealed_share)}
        text = json.dumps(document, indent=1) + "\n"
        self._disk.replace(PersistPoint.GATEKEEPER_SHARE, self._path, text.encode("ascii"))
