"""The beacon: what its key signs, members' parts, and the value that follows (PROTOCOL 10).

Rules:

1. The beacon's key comes from a ceremony of its own and signs heights alone, under a purpose of its own: no part of a
   beacon signature is ever a part of a cluster's key, nor the reverse (PROTOCOL 8.1).
2. A height is the number of a window's first block, a multiple of the window.
3. A key has one signature over a height, whichever t members make it: the value can be withheld, never chosen.
4. The value is Keccak-256 of the signature's 48 bytes.

**Source:** Boldyreva (2003) for the threshold signature; drand for a beacon made of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from coprocessor.codec import abi
from coprocessor.crypto.bls import Purpose, check_g1, is_valid_signature
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.labels import Label
from coprocessor.keys.partial import Combined, PartialSignature, combine_parts, verify_part
from coprocessor.keys.shares import CommitteeKeys, KeyShare
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from coprocessor.values.identities import Digest, NetworkId, checked_digest

__all__ = [
    "MAX_HEIGHT",
    "BeaconRound",
    "combine_beacon",
    "compute_beacon_session",
    "compute_beacon_value",
    "compute_fallback_value",
    "sign_beacon",
    "verify_beacon",
    "verify_beacon_part",
]

MAX_HEIGHT: Final = 2**64 - 1

_SESSION_TAG: Final = keccak256(b"Beacon")
_FALLBACK_TAG: Final = keccak256(b"BeaconFallback")


@dataclass(frozen=True, slots=True)
class BeaconRound:
    """One window's signature to make.

    Args:
        network: 32 bytes, the genesis digest.
        height: number of the window's first block, 0 to 2**64 - 1.
        insecure: the network allows simulated hardware.

    Raises:
        MalformedInput: a length or range differs.
    """

    network: NetworkId
    height: int
    insecure: bool

    def __post_init__(self) -> None:
        checked_digest(self.network, "network")
        if isinstance(self.height, bool) or not isinstance(self.height, int) or not 0 <= self.height <= MAX_HEIGHT:
            raise MalformedInput("beacon.height", f"a height is a number from 0 to {MAX_HEIGHT}, not {self.height!r}")

    def message(self) -> bytes:
        """The bytes that are hashed to the curve: label, network, height (8 bytes), each with its length."""
        return Label.BEACON.context(self.network, self.height.to_bytes(8, "big"), insecure=self.insecure)


def sign_beacon(share: KeyShare, round_: BeaconRound) -> PartialSignature:
    """This member's part. It MUST NOT leave before the block at the round's height is final."""
    return PartialSignature(share.index, share.secret.sign(round_.message(), Purpose.BEACON))


def verify_beacon_part(partial: PartialSignature, committee: CommitteeKeys, round_: BeaconRound) -> None:
    """Raises EvidenceRefused or MalformedInput unless the part is that of a member of ``committee``."""
    verify_part(partial, committee, round_.message(), Purpose.BEACON)


def combine_beacon(
    committee: CommitteeKeys, round_: BeaconRound, partials: Iterable[PartialSignature]
) -> Combined:
    """The key's one signature (rule 3). Raises as ``keys.partial.combine_partials``."""
    return combine_parts(committee, round_.message(), Purpose.BEACON, partials)


def verify_beacon(group: bytes, round_: BeaconRound, signature: bytes) -> Digest:
    """The value of a round, once its signature has been verified.

    Args:
        group: 96 bytes, the beacon key of the committee that serves the height.
        round_: which.
        signature: 48 bytes.

    Raises:
        EvidenceRefused: ``beacon.signature``.
        MalformedInput: the key or the signature is no point.
    """
    if not is_valid_signature(group, round_.message(), Purpose.BEACON, signature):
        raise EvidenceRefused(
            "beacon.signature",
            f"the signature is not the beacon key's over height {round_.height}",
            "it is of another key, network or height, or altered",
            "ask another node",
        )
    return compute_beacon_value(signature)


def compute_beacon_value(signature: bytes) -> Digest:
    """Keccak-256 of a signature's 48 bytes, 32 bytes (rule 4). Raises MalformedInput where it is no point."""
    return keccak256(check_g1(signature))


def compute_fallback_value(network: NetworkId, height: int, prevrandao: bytes) -> Digest:
    """What stands in where no signature came in time: weaker, since a block's proposer can try to bend it.

    Args:
        network: 32 bytes.
        height: of the window.
        prevrandao: 32 bytes, of block height + 2 windows.
    """
    words = (_FALLBACK_TAG, network, height, prevrandao)
    return keccak256(abi.encode(["bytes32", "bytes32", "uint256", "bytes32"], words))


def compute_beacon_session(network: NetworkId, committee: int, opened: int) -> Digest:
    """``Beacon.session``: identifier of the ceremony of a committee's beacon key.

    Args:
        network: 32 bytes.
        committee: its number.
        opened: block in which the ceremony was opened.
    """
    words = (_SESSION_TAG, network, committee, opened)
    return keccak256(abi.encode(["bytes32", "bytes32", "uint256", "uint256"], words))
