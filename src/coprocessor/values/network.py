"""Network parameters: one frozen object that travels through everything.

A network is its genesis digest (PROTOCOL 1.1); ``coprocessor.protocol.genesis`` computes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coprocessor.values.errors import MalformedInput
from coprocessor.values.identities import Address, Digest, checked_address, checked_digest

__all__ = [
    "CONTRACT_NAMES",
    "MAX_CUSTODIANS",
    "AttestationFloor",
    "ContractIdentity",
    "Custodian",
    "Network",
    "NetworkConfiguration",
]

CONTRACT_NAMES = (
    "Directory",
    "Gatekeeping",
    "Registry",
    "Clusters",
    "Programs",
    "Fees",
    "Inbox",
    "Settlement",
    "Beacon",
    "Accounts",
)
"""The contracts that a network consists of, in the order of their deployment."""


@dataclass(frozen=True, slots=True)
class ContractIdentity:
    """Where a contract stands (20 bytes) and the Keccak-256 of its runtime code (32 bytes) (PROTOCOL 1.3)."""

    address: Address
    code_hash: Digest

    def __post_init__(self) -> None:
        checked_address(self.address, "contract address")
        checked_digest(self.code_hash, "contract code hash")


@dataclass(frozen=True, slots=True)
class AttestationFloor:
    """The least that evidence must show on a network.

    Args:
        roots: SHA-256 digests of accepted vendor root certificates (DER).
        measurements: accepted enclave measurements, 32 bytes each (the digest that a verdict gives).
        minimum_evaluation: least accepted TCB evaluation data number; stops old collateral.
        maximum_level: greatest accepted confidence level, 1 (best) to 5.
    """

    roots: tuple[Digest, ...]
    measurements: tuple[Digest, ...]
    minimum_evaluation: int
    maximum_level: int

    def __post_init__(self) -> None:
        for digest in (*self.roots, *self.measurements):
            checked_digest(digest, "attestation floor digest")
        if not self.roots or not self.measurements:
            raise MalformedInput("network.policy_empty", "a policy names at least one root and one measurement")


MAX_CUSTODIANS: Final = 32
"""Offline keys among which a pad is split."""

_CUSTODY_KEY: Final = 32


@dataclass(frozen=True, slots=True)
class Custodian:
    """What brings gatekeepers' shares back after a loss of all power (PROTOCOL 9.5).

    Args:
        kind: ``none``: nothing does, the shares live in memories alone; ``keys``: offline keys do, ``threshold`` of
            them together; ``file``: each machine's disk does by itself, on development networks only.
        threshold: c, how many of ``keys`` must act; 0 for the other kinds.
        keys: the custodians' X25519 public keys, 32 bytes each, all different.
    """

    kind: str
    threshold: int = 0
    keys: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in ("none", "file", "keys"):
            raise MalformedInput("network.custodian", f"{self.kind!r} is no custodian", next="none, file or keys")
        sound = 1 <= self.threshold <= len(self.keys) <= MAX_CUSTODIANS if self.kind == "keys" else not self.threshold
        if not sound or (self.keys and self.kind != "keys"):
            raise MalformedInput(
                "network.custodian",
                f"{self.threshold} of {len(self.keys)} keys do not suit the custodian {self.kind!r}",
                f"1 <= c <= m <= {MAX_CUSTODIANS} for keys, and none for the others",
            )
        if len(set(self.keys)) != len(self.keys) or any(len(key) != _CUSTODY_KEY for key in self.keys):
            raise MalformedInput("network.custodian", f"custodians' keys are different and have {_CUSTODY_KEY} bytes")


@dataclass(frozen=True, slots=True)
class NetworkConfiguration:
    """All that a network is before its first gatekeepers join.

    Args:
        chain_id: of the chain that the contracts live on.
        sealers: addresses of the ``sealed`` header source (PROTOCOL 2.1).
        finality: name of the rule by which blocks become final, for people; seals enforce it.
        contracts: every name of ``CONTRACT_NAMES``.
        attestation: the policy floor.
        allow_simulated: evidence of simulated hardware counts; never on a network that holds value.
        development: delays are shortened and one operator may do everything (PROTOCOL 1.4).
        custodian: of the gatekeepers' shares (PROTOCOL 9.5).
    """

    chain_id: int
    sealers: tuple[Address, ...]
    finality: str
    contracts: tuple[tuple[str, ContractIdentity], ...]
    attestation: AttestationFloor
    allow_simulated: bool
    development: bool
    custodian: Custodian

    def __post_init__(self) -> None:
        if tuple(name for name, _ in self.contracts) != CONTRACT_NAMES:
            names = ", ".join(CONTRACT_NAMES)
            raise MalformedInput("network.contracts", f"the contracts must be {names}, in this order")
        if self.custodian.kind == "file" and not self.development:
            raise MalformedInput(
                "network.custodian",
                "shares that a disk opens by itself are for development networks",
                "whoever hoards disks would add them up (PROTOCOL 9.5)",
                "choose none, or keys",
            )
        for sealer in self.sealers:
            checked_address(sealer, "sealer")

    def contract(self, name: str) -> ContractIdentity:
        """The identity of the contract called ``name``."""
        return dict(self.contracts)[name]


@dataclass(frozen=True, slots=True)
class Network:
    """A configuration with its first gatekeepers' evidence digests (32 bytes each), in member order."""

    configuration: NetworkConfiguration
    gatekeepers: tuple[Digest, ...]

    def __post_init__(self) -> None:
        for digest in self.gatekeepers:
            checked_digest(digest, "gatekeeper evidence digest")
