"""Derivation: every purpose, program, epoch, cluster and network has its own key."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from coprocessor.crypto.hashing import sha256
from coprocessor.crypto.hpke import seal
from coprocessor.keys.derivation import ClusterKeys, derive_cluster_keys
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.keys.partial import combine_partials, sign_partial
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from coprocessor.values.identities import ClusterId, NetworkId, ProgramId
from tests.keys.ceremony import IDENTITY, shared_key

PROGRAM = ProgramId(sha256(b"program"))
SECRET = bytes(range(32))


def all_keys(identity: ClusterIdentity, program: ProgramId = PROGRAM) -> list[bytes]:
    cluster = ClusterKeys(SECRET, identity)
    keys = cluster.program(program)
    return [
        keys.state_key,
        keys.state_nonce_key,
        keys.state_path_key,
        keys.nonce_path_key,
        keys.input_key.secret,
        keys.account_key.secret,
        keys.query_account_key.secret,
        keys.application_secret,
    ]


def cluster_keys(identity: ClusterIdentity) -> list[bytes]:
    cluster = ClusterKeys(SECRET, identity)
    return [cluster.randomness_secret, cluster.query_randomness_secret, cluster.private_code_key.secret]


def test_no_two_purposes_or_places_share_a_key() -> None:
    other = sha256(b"other")
    identities = [
        IDENTITY,
        dataclasses.replace(IDENTITY, epoch=4),
        dataclasses.replace(IDENTITY, cluster=ClusterId(other)),
        dataclasses.replace(IDENTITY, network=NetworkId(other)),
        dataclasses.replace(IDENTITY, insecure=False),
    ]
    found = [key for i, p in itertools.product(identities, (PROGRAM, ProgramId(other))) for key in all_keys(i, p)]
    found += [key for identity in identities for key in cluster_keys(identity)]
    assert len(set(found)) == len(found)
    assert all(len(key) == 32 for key in found)


def test_derivation_repeats() -> None:
    assert all_keys(IDENTITY) == all_keys(IDENTITY)


def test_keys_follow_from_the_groups_signature_alone() -> None:
    shares = shared_key(2, 3)
    committee = shares[1].committee
    pairs = [(1, 2), (1, 3), (2, 3)]
    found = set()
    for pair in pairs:
        combined = combine_partials(committee, IDENTITY, [sign_partial(shares[i], IDENTITY) for i in pair])
        found.add(derive_cluster_keys(combined.signature, IDENTITY, committee.group).randomness_secret)
    assert len(found) == 1


def test_a_signature_that_is_not_the_groups_gives_no_keys() -> None:
    shares = shared_key(1, 1)
    committee = shares[1].committee
    signature = sign_partial(shares[1], IDENTITY).signature
    assert derive_cluster_keys(signature, IDENTITY, committee.group)
    with pytest.raises(EvidenceRefused):
        derive_cluster_keys(signature, dataclasses.replace(IDENTITY, epoch=9), committee.group)
    with pytest.raises(EvidenceRefused):
        derive_cluster_keys(signature, IDENTITY, shared_key(1, 1, b"other")[1].committee.group)


def test_input_key_opens_what_is_sealed_to_its_public_half() -> None:
    key = ClusterKeys(SECRET, IDENTITY).program(PROGRAM).input_key
    assert key.open(seal(b"input", key.public_key, b"info"), b"info") == b"input"


def test_bounds() -> None:
    with pytest.raises(MalformedInput):
        ClusterKeys(b"short", IDENTITY)
    with pytest.raises(MalformedInput):
        ClusterKeys(SECRET, IDENTITY).program(ProgramId(b"short"))


def test_keys_print_redacted() -> None:
    cluster = ClusterKeys(SECRET, IDENTITY)
    for secret in (cluster, cluster.program(PROGRAM)):
        assert "redacted" in repr(secret)
        assert SECRET.hex() not in repr(secret)
