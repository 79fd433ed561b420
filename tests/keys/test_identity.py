"""What the group key signs, byte for byte."""

from __future__ import annotations

from coprocessor.crypto.hashing import sha256
from coprocessor.crypto.labels import Label
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.values.identities import ClusterId, NetworkId

IDENTITY = ClusterIdentity(NetworkId(sha256(b"network")), ClusterId(sha256(b"cluster")), 7, insecure=True)


def test_the_identity_message_is_spelt_out() -> None:
    """Each field with its length in four bytes: label, network, cluster, epoch."""
    label = b"coprocessor/v1/cluster-identity-insecure"
    fields = [label, IDENTITY.network, IDENTITY.cluster, (7).to_bytes(8, "big")]
    assert IDENTITY.message() == b"".join(len(field).to_bytes(4, "big") + field for field in fields)
    assert IDENTITY.context(Label.CLUSTER_IDENTITY) == IDENTITY.message()
