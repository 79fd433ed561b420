"""From the group's signature to every key of a cluster and its programs (DESIGN 6).

    signature on (network, cluster, epoch)      unique, verified by pairing
     └ cluster secret                            in enclaves of that cluster's members alone
        ├ randomness, query randomness, private code, checkpoints
        └ per program: state, input, account, query account, application

Rules:

1. Every derivation is HKDF-SHA256 with a context of the label registry that holds network, cluster and epoch, and
   ``-insecure`` where the network allows simulated hardware (PROTOCOL 8.1).
2. Signatures in queries come from another key than signatures in commands (PROTOCOL 8.8).

Callers MUST erase what they derived when an epoch closes (PROTOCOL 8.4).

**Source:** RFC 5869.
"""

from __future__ import annotations

from typing import Final

from coprocessor.crypto.bls import Purpose, verify_signature
from coprocessor.crypto.hkdf import hkdf_expand, hkdf_extract
from coprocessor.crypto.hpke import SealingKey
from coprocessor.crypto.labels import Label
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.values.identities import ProgramId, checked_digest

__all__ = ["ClusterKeys", "ProgramKeys", "derive_cluster_keys"]

_SECP256K1_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_WIDE_LENGTH: Final = 48


def derive_cluster_keys(signature: bytes, identity: ClusterIdentity, group: bytes) -> ClusterKeys:
    """The keys of a cluster's epoch.

    Args:
        signature: 48 bytes, the group's signature on ``identity``.
        identity: the epoch.
        group: 96 bytes, the group's public key.

    Raises:
        EvidenceRefused, MalformedInput: the signature is not the group's.
    """
    verify_signature(group, identity.message(), Purpose.CLUSTER_IDENTITY, signature)
    return ClusterKeys(hkdf_extract(identity.context(Label.CLUSTER_SECRET), signature), identity)


class ClusterKeys:
    """All that is derived from the secret of one cluster's epoch. Prints redacted."""

    __slots__ = ("_secret", "identity")

    def __init__(self, secret: bytes, identity: ClusterIdentity) -> None:
        """
        Args:
            secret: 32 bytes; from ``derive_cluster_keys`` outside tests.
            identity: the epoch that it belongs to.
        """
        checked_digest(secret, "cluster secret")
        self._secret = secret
        self.identity = identity

    def program(self, program: ProgramId) -> ProgramKeys:
        """The keys of one program under this epoch."""
        return ProgramKeys(self._secret, self.identity, program)

    @property
    def randomness_secret(self) -> bytes:
        """32 bytes: key of the PRF behind ``random`` in commands (PROTOCOL 5.2)."""
        return self._derive(Label.RANDOMNESS)

    @property
    def query_randomness_secret(self) -> bytes:
        """32 bytes: key of the PRF behind ``random`` in queries."""
        return self._derive(Label.QUERY_RANDOMNESS)

    @property
    def private_code_key(self) -> SealingKey:
        """Opens code that was published sealed to this cluster."""
        return SealingKey(self._derive(Label.PRIVATE_CODE))

    def checkpoint_key(self, count: int, head: bytes) -> bytes:
        """32 bytes: seals the checkpoint of the state after ``count`` links with inbox head ``head`` (PROTOCOL 8.4)."""
        context = self.identity.context(Label.CHECKPOINT, count.to_bytes(8, "big"), head)
        return hkdf_expand(self._secret, context)

    def _derive(self, label: Label) -> bytes:
        return hkdf_expand(self._secret, self.identity.context(label))

    def __repr__(self) -> str:
        return f"ClusterKeys(cluster=0x{self.identity.cluster.hex()}, epoch={self.identity.epoch}, secret=redacted)"


class ProgramKeys:
    """The keys of one program in one epoch of its cluster. Prints redacted."""

    __slots__ = ("_secret", "identity", "program")

    def __init__(self, cluster_secret: bytes, identity: ClusterIdentity, program: ProgramId) -> None:
        checked_digest(program, "program")
        self._secret = cluster_secret
        self.identity = identity
        self.program = program

    @property
    def state_key(self) -> bytes:
        """32 bytes: AES-256-GCM-SIV key of state values (PROTOCOL 5.7)."""
        return self._derive(Label.STATE_KEY)

    @property
    def state_nonce_key(self) -> bytes:
        """32 bytes: PRF key of state nonces (PROTOCOL 5.7)."""
        return self._derive(Label.STATE_NONCE)

    @property
    def state_path_key(self) -> bytes:
        """32 bytes: PRF key of state paths (PROTOCOL 5.7)."""
        return self._derive(Label.STATE_PATH)

    @property
    def nonce_path_key(self) -> bytes:
        """32 bytes: PRF key of the paths where authors' used nonces lie (PROTOCOL 4.2)."""
        return self._derive(Label.NONCE_PATH)

    @property
    def input_key(self) -> SealingKey:
        """X25519: opens sealed inputs; its public half stands on the chain (PROTOCOL 4.1)."""
        return SealingKey(self._derive(Label.INPUT_KEY))

    @property
    def account_key(self) -> PrivateKey:
        """secp256k1: the program's signer of this epoch, used in commands alone (PROTOCOL 8.7, 8.8)."""
        return self._private_key(Label.ACCOUNT_KEY)

    @property
    def query_account_key(self) -> PrivateKey:
        """secp256k1: what ``sign`` in queries uses (PROTOCOL 8.8)."""
        return self._private_key(Label.QUERY_ACCOUNT_KEY)

    @property
    def application_secret(self) -> bytes:
        """32 bytes: the root of the keys that the program asks for by purpose (``sandbox.drawn``)."""
        return self._derive(Label.APPLICATION_SECRET)

    def _derive(self, label: Label, length: int = 32) -> bytes:
        return hkdf_expand(self._secret, self.identity.context(label, self.program), length)

    def _private_key(self, label: Label) -> PrivateKey:
        # 384 bits reduced: the bias is below 2**-128.
        scalar = int.from_bytes(self._derive(label, _WIDE_LENGTH), "big") % (_SECP256K1_ORDER - 1) + 1
        return PrivateKey(scalar.to_bytes(32, "big"))

    def __repr__(self) -> str:
        return f"ProgramKeys(program=0x{self.program.hex()}, epoch={self.identity.epoch}, secret=redacted)"
