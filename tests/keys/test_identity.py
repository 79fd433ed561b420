"""The published vectors of ``vectors/keys.json``: another implementation must come to the same bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from coprocessor.crypto.hashing import sha256
from coprocessor.crypto.labels import Label
from coprocessor.keys.derivation import derive_cluster_keys
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.keys.partial import combine_partials, sign_partial
from coprocessor.keys.shares import KeyShare, Polynomial
from coprocessor.keys.tickets import Ticket
from coprocessor.values.identities import ClusterId, NetworkId, ProgramId
from tests.keys.test_shares import committee, polynomial

FILE = Path(__file__).parents[2] / "vectors" / "keys.json"
IDENTITY = ClusterIdentity(NetworkId(sha256(b"network")), ClusterId(sha256(b"cluster")), 7, insecure=True)
PROGRAM = ProgramId(sha256(b"program"))


def compute_vectors() -> dict[str, Any]:
    shared: Polynomial = polynomial(2)
    keys = committee(2, 3)
    partials = [sign_partial(KeyShare(i, shared.evaluate(i), keys), IDENTITY) for i in (1, 3)]
    signature = combine_partials(keys, IDENTITY, partials).signature
    cluster = derive_cluster_keys(signature, IDENTITY, keys.group)
    program = cluster.program(PROGRAM)
    ticket = Ticket(IDENTITY.network, sha256(b"nonce"), 17, sha256(b"block"), insecure=True)
    return {
        "network": IDENTITY.network.hex(),
        "cluster": IDENTITY.cluster.hex(),
        "epoch": IDENTITY.epoch,
        "insecure": True,
        "identity_message": IDENTITY.message().hex(),
        "shares": {str(i): shared.evaluate(i).to_bytes().hex() for i in (1, 2, 3)},
        "threshold": 2,
        "group_key": keys.group.hex(),
        "share_keys": {str(i): key.hex() for i, key in keys.shares},
        "partials": {str(partial.index): partial.signature.hex() for partial in partials},
        "signature": signature.hex(),
        "randomness_secret": cluster.randomness_secret.hex(),
        "program": PROGRAM.hex(),
        "state_key": program.state_key.hex(),
        "state_nonce_key": program.state_nonce_key.hex(),
        "state_path_key": program.state_path_key.hex(),
        "input_public_key": program.input_key.public_key.hex(),
        "account": program.account_key.address.hex(),
        "query_account": program.query_account_key.address.hex(),
        "application_key": {"purpose": b"purpose".hex(), "salt": b"salt".hex()}
        | {"key": program.application_key(b"purpose", b"salt").hex()},
        "ticket_digest": {"nonce": ticket.nonce.hex(), "block_number": 17, "block_hash": ticket.block_hash.hex()}
        | {"digest": ticket.digest.hex()},
    }


def test_the_published_vectors_hold() -> None:
    assert json.loads(FILE.read_text()) == compute_vectors()


def test_the_identity_message_is_spelt_out() -> None:
    """Each field with its length in four bytes: label, network, cluster, epoch."""
    label = b"coprocessor/v1/cluster-identity-insecure"
    fields = [label, IDENTITY.network, IDENTITY.cluster, (7).to_bytes(8, "big")]
    assert IDENTITY.message() == b"".join(len(field).to_bytes(4, "big") + field for field in fields)
    assert IDENTITY.context(Label.CLUSTER_IDENTITY) == IDENTITY.message()
