"""EIP-712 statements that gatekeepers and workers make to the contracts (PROTOCOL 1.2, 4.3, 8.4, 9.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

from coprocessor.codec import abi
from coprocessor.codec.eip712 import Domain, StructType
from coprocessor.crypto.hashing import keccak256
from coprocessor.values.identities import Address, ClusterId, Digest, NetworkId, ProgramId, StateRoot

__all__ = [
    "ACCOUNT_SIGNER",
    "INPUT_KEY",
    "MAX_PROGRAM_KEYS",
    "NO_SHARE",
    "ROLE_GATEKEEPER",
    "ROLE_WORKER",
    "Admission",
    "BeaconKeyRecord",
    "Boundary",
    "GenesisRecord",
    "HandoverRecord",
    "HeldRecord",
    "InputKeyRecord",
    "MasterKeyRecord",
    "ProgramKey",
    "ProgramKeysRecord",
    "compute_handover_session",
    "compute_keys_hash",
    "compute_members_hash",
]

NO_SHARE = bytes(96)
"""Stands for the share key of a member that a ceremony left without a share."""

INPUT_KEY = 0
"""Kind of a ``ProgramKey``: X25519, to which inputs are sealed."""

ACCOUNT_SIGNER = 1
"""Kind of a ``ProgramKey``: the address of the signer of the program's account, as a word (PROTOCOL 8.7)."""

MAX_PROGRAM_KEYS = 128
"""Keys that one ``ProgramKeysRecord`` covers."""

ROLE_WORKER = 1
ROLE_GATEKEEPER = 2

_ADMISSION = StructType(
    "Admission",
    (
        ("address", "operator"),
        ("bytes32", "platform"),
        ("uint8", "role"),
        ("address", "signer"),
        ("bytes32", "sealing_key"),
        ("bytes32", "evidence_digest"),
        ("bytes32", "measurement"),
        ("bytes32", "root"),
        ("uint8", "level"),
        ("bool", "simulated"),
        ("bytes32", "configuration"),
        ("uint64", "block_number"),
        ("bytes32", "block_hash"),
        ("uint64", "expires"),
    ),
)
_INPUT_KEY = StructType(
    "InputKey",
    (
        ("bytes32", "network"),
        ("bytes32", "cluster"),
        ("bytes32", "program"),
        ("uint64", "epoch"),
        ("bytes32", "key"),
    ),
)
_PROGRAM_KEYS = StructType(
    "ProgramKeys",
    (("bytes32", "network"), ("bytes32", "cluster"), ("uint64", "epoch"), ("bytes32", "keysHash")),
)
_BOUNDARY = StructType(
    "Boundary",
    (
        ("bytes32", "network"),
        ("bytes32", "cluster"),
        ("uint64", "epoch"),
        ("uint64", "count"),
        ("bytes32", "inbox_head"),
        ("bytes32", "root"),
        ("bytes32", "checkpoint"),
    ),
)
_HELD = StructType("Held", (("bytes32", "network"), ("bytes32", "cluster"), ("bytes32", "checkpoint")))
_GENESIS = StructType("Genesis", (("bytes32", "genesis"), ("uint256", "threshold"), ("bytes32", "membersHash")))
_HANDOVER = StructType("Handover", (("bytes32", "session"),))
_MASTER_KEY = StructType(
    "MasterKey", (("bytes32", "session"), ("bytes32", "masterKeyHash"), ("bytes32", "shareKeysHash"))
)
_BEACON_KEY = StructType(
    "BeaconKey", (("bytes32", "session"), ("bytes32", "beaconKeyHash"), ("bytes32", "shareKeysHash"))
)


@dataclass(frozen=True, slots=True)
class Admission:
    """What gatekeepers say of an enclave: ``Registry.admit`` records it.

    Args:
        operator: 20 bytes.
        platform: 32 bytes, digest of the platform's hardware identity.
        role: ``ROLE_WORKER`` or ``ROLE_GATEKEEPER``.
        signer: 20 bytes, address of the enclave's signing key.
        sealing_key: 32 bytes, X25519.
        evidence_digest: 32 bytes, of the evidence's signed body.
        measurement: 32 bytes.
        root: 32 bytes, digest of the vendor's root certificate under which the evidence verified.
        level: confidence level 1 (best) to 5.
        simulated: the hardware is simulated.
        configuration: 32 bytes, hash of the network's configuration.
        block_number: finalised block that both sides know.
        block_hash: 32 bytes.
        expires: seconds since 1970.
    """

    operator: Address
    platform: Digest
    role: int
    signer: Address
    sealing_key: bytes
    evidence_digest: Digest
    measurement: Digest
    root: Digest
    level: int
    simulated: bool
    configuration: Digest
    block_number: int
    block_hash: Digest
    expires: int

    def digest(self, chain_id: int, registry: Address) -> Digest:
        """What each admitting gatekeeper signs."""
        return _ADMISSION.digest(Domain(chain_id, registry), *astuple(self))


@dataclass(frozen=True, slots=True)
class InputKeyRecord:
    """A program's input key of an epoch as one member derives it; ``program`` is the cluster's id for the cluster's own
    key."""

    network: NetworkId
    cluster: ClusterId
    program: ProgramId
    epoch: int
    key: bytes

    def digest(self, chain_id: int, programs: Address) -> Digest:
        """What each member signs."""
        return _INPUT_KEY.digest(Domain(chain_id, programs), *astuple(self))


@dataclass(frozen=True, slots=True)
class ProgramKey:
    """A public key of a program in an epoch: kind 0 is its input key, kind 1 the signer of its
    account.

    Args:
        program: 32 bytes; the cluster's id for the cluster's own key.
        kind: which of the program's keys.
        key: 32 bytes.
    """

    program: ProgramId
    kind: int
    key: bytes


@dataclass(frozen=True, slots=True)
class ProgramKeysRecord:
    """Keys of a cluster's programs in an epoch, all under one signature (PROTOCOL 4.4)."""

    network: NetworkId
    cluster: ClusterId
    epoch: int
    keys_hash: Digest

    def digest(self, chain_id: int, programs: Address) -> Digest:
        """What each member signs."""
        return _PROGRAM_KEYS.digest(Domain(chain_id, programs), *astuple(self))


def compute_keys_hash(keys: Sequence[ProgramKey]) -> Digest:
    """Keccak-256 over (program, kind, key) of each, in order, ABI-encoded; at most ``MAX_PROGRAM_KEYS``."""
    return keccak256(abi.encode(["(bytes32,uint8,bytes32)[]"], [[astuple(key) for key in keys]]))


@dataclass(frozen=True, slots=True)
class GenesisRecord:
    """The network's birth: its genesis digest, and the committee's threshold and members (PROTOCOL 9.1)."""

    genesis: NetworkId
    threshold: int
    members_hash: Digest

    def digest(self, chain_id: int, gatekeeping: Address) -> Digest:
        """What every first gatekeeper signs, once it has verified the evidence of all others."""
        return _GENESIS.digest(Domain(chain_id, gatekeeping), *astuple(self))


@dataclass(frozen=True, slots=True)
class HandoverRecord:
    """A present member agrees to hand the key over, under the session that covers the next list (PROTOCOL 9.4)."""

    session: Digest

    def digest(self, chain_id: int, gatekeeping: Address) -> Digest:
        """What at least t present members sign, each once it has verified the evidence of each new member."""
        return _HANDOVER.digest(Domain(chain_id, gatekeeping), self.session)


def compute_members_hash(members: Sequence[tuple[Address, Address, bytes, Digest]]) -> Digest:
    """Keccak-256 over (operator, signer, sealing key, evidence digest) of each member, in order, ABI-encoded."""
    return keccak256(abi.encode(["(address,address,bytes32,bytes32)[]"], [list(members)]))


def compute_handover_session(
    former: Digest,
    committee: int,
    threshold: int,
    announced: int,
    members: Sequence[tuple[Address, Address, bytes, Digest]],
) -> Digest:
    """``Gatekeeping.next_session``: under which a handover begins.

    Args:
        former: 32 bytes, the session before.
        committee: number of the present one.
        threshold, announced, members: of the next one; seconds since 1970.
    """
    words = (former, committee, threshold, announced, compute_members_hash(members))
    return keccak256(abi.encode(["bytes32", "uint256", "uint256", "uint256", "bytes32"], words))


@dataclass(frozen=True, slots=True)
class MasterKeyRecord:
    """The outcome of a key ceremony: its session, hashes of the master public key and of all share keys."""

    session: Digest
    master_key_hash: Digest
    share_keys_hash: Digest

    def digest(self, chain_id: int, gatekeeping: Address) -> Digest:
        """What each gatekeeper with a share signs."""
        return _MASTER_KEY.digest(Domain(chain_id, gatekeeping), *astuple(self))


@dataclass(frozen=True, slots=True)
class BeaconKeyRecord:
    """The outcome of a beacon's ceremony: its session, hashes of the beacon key and of all share keys (PROTOCOL 10)."""

    session: Digest
    beacon_key_hash: Digest
    share_keys_hash: Digest

    def digest(self, chain_id: int, beacon: Address) -> Digest:
        """What each gatekeeper with a share signs."""
        return _BEACON_KEY.digest(Domain(chain_id, beacon), *astuple(self))


@dataclass(frozen=True, slots=True)
class Boundary:
    """Nothing of a cluster is left under keys older than ``epoch``'s (PROTOCOL 8.4).

    Args:
        network: 32 bytes.
        cluster: 32 bytes.
        epoch: the oldest that is still needed.
        count: links after which it holds.
        inbox_head: 32 bytes, after those links.
        root: 32 bytes, the cluster's state root then.
        checkpoint: 32 bytes, digest of the checkpoint that holds the state.
    """

    network: NetworkId
    cluster: ClusterId
    epoch: int
    count: int
    inbox_head: Digest
    root: StateRoot
    checkpoint: Digest

    def digest(self, chain_id: int, clusters: Address) -> Digest:
        """What each member signs."""
        return _BOUNDARY.digest(Domain(chain_id, clusters), *astuple(self))


@dataclass(frozen=True, slots=True)
class HeldRecord:
    """An operator outside a cluster holds its checkpoint, and serves it to newcomers (PROTOCOL 8.4).

    Args:
        network: 32 bytes.
        cluster: 32 bytes.
        checkpoint: 32 bytes, digest of the manifest.
    """

    network: NetworkId
    cluster: ClusterId
    checkpoint: Digest

    def digest(self, chain_id: int, clusters: Address) -> Digest:
        """What the operator's account signs."""
        return _HELD.digest(Domain(chain_id, clusters), *astuple(self))
