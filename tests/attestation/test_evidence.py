"""Evidence and report data: one encoding, bounded, and every field bound."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coprocessor.attestation import evidence as module
from coprocessor.attestation.evidence import (
    MAX_EVIDENCE_LENGTH,
    Evidence,
    EvidenceKind,
    compute_body_digest,
    decode_evidence,
    encode_evidence,
)
from coprocessor.attestation.report_data import ReportClaims
from coprocessor.attestation.verify import verify_evidence
from coprocessor.codec import cbor
from coprocessor.crypto.hashing import sha256
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.values.errors import CoprocessorError, MalformedInput
from coprocessor.values.identities import Address
from tests.attestation.samples import NOW, SGX

extras = st.dictionaries(st.text(max_size=5), st.binary(max_size=8), max_size=4)
evidences = st.builds(
    lambda kind, quote, collateral, more: Evidence(kind, quote, collateral, tuple(sorted(more.items()))),
    st.sampled_from(EvidenceKind),
    st.binary(max_size=64),
    st.binary(max_size=64),
    extras,
)


@given(evidences)
def test_encoding_round_trips(evidence: Evidence) -> None:
    encoded = encode_evidence(evidence)
    assert decode_evidence(encoded) == evidence
    assert len(encoded) <= MAX_EVIDENCE_LENGTH


@given(st.one_of(st.binary(max_size=64), st.lists(st.integers(0, 3), max_size=5).map(cbor.dumps)))
@settings(max_examples=60)
def test_random_bytes_are_malformed(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        decode_evidence(data)


@pytest.mark.parametrize(
    "value",
    [
        ["sgx", b"", b""],
        ["sgx", b"", b"", {}, b""],
        ["other", b"", b"", {}],
        ["sgx", b"", b"", {"a": 1}],
        ["sgx", b"", b"", {1: b""}],
        ["sgx", "", b"", {}],
        ["sgx", b"", b"", []],
    ],
)
def test_other_shapes_are_malformed(value: object) -> None:
    with pytest.raises(MalformedInput):
        decode_evidence(cbor.dumps(value))


def test_lengths_are_bounded() -> None:
    for arguments in (
        {"quote": bytes(module.MAX_QUOTE_LENGTH + 1)},
        {"collateral": bytes(module.MAX_COLLATERAL_LENGTH + 1)},
        {"extras": (("a", bytes(module.MAX_EXTRAS_LENGTH)),)},
        {"extras": tuple((str(i), b"") for i in range(module.MAX_EXTRAS + 1))},
    ):
        with pytest.raises(MalformedInput) as caught:
            Evidence(EvidenceKind.SGX, **({"quote": b""} | arguments))  # type: ignore[arg-type]
        assert caught.value.code == "attestation.too_long"
    with pytest.raises(MalformedInput):
        decode_evidence(bytes(MAX_EVIDENCE_LENGTH + 1))
    largest = (("a", bytes(module.MAX_EXTRAS_LENGTH - 1)),)
    full = Evidence(EvidenceKind.NITRO, bytes(module.MAX_QUOTE_LENGTH), bytes(module.MAX_COLLATERAL_LENGTH), largest)
    assert decode_evidence(encode_evidence(full)) == full


def test_extras_are_in_order_and_found() -> None:
    evidence = Evidence(EvidenceKind.TDX, b"", b"", (("a", b"1"), ("b", b"2")))
    assert (evidence.extra("b"), evidence.extra("c")) == (b"2", b"")
    for names in (("b", "a"), ("a", "a")):
        with pytest.raises(MalformedInput):
            Evidence(EvidenceKind.TDX, b"", b"", tuple((name, b"") for name in names))


def test_the_name_of_evidence_is_its_signed_bodys() -> None:
    assert verify_evidence(SGX, NOW).body_digest == compute_body_digest(EvidenceKind.SGX, SGX.quote[:432])
    assert compute_body_digest(EvidenceKind.TDX, b"x") != compute_body_digest(EvidenceKind.SGX, b"x")
    with_extra = dataclasses.replace(SGX, extras=(("note", b"unsigned"),))
    assert verify_evidence(with_extra, NOW).body_digest == verify_evidence(SGX, NOW).body_digest


@pytest.mark.parametrize("kind", EvidenceKind)
def test_nothing_is_no_evidence_of_any_kind(kind: EvidenceKind) -> None:
    with pytest.raises(MalformedInput) as caught:
        verify_evidence(Evidence(kind, b""), NOW)
    assert caught.value.code == "attestation.malformed"


KEY = PrivateKey(sha256(b"key"))
CLAIMS = ReportClaims(
    configuration=sha256(b"configuration"),
    registry=Address(bytes(range(20))),
    operator=Address(bytes(range(20, 40))),
    signing_key=KEY.public_key,
    sealing_key=bytes(sha256(b"sealing")),
    checkpoint_hash=sha256(b"checkpoint"),
    block_hash=sha256(b"block"),
    block_number=5,
)


@pytest.mark.parametrize(
    "change",
    [
        {"configuration": sha256(b"x")},
        {"registry": bytes(20)},
        {"operator": bytes(20)},
        {"registry": CLAIMS.operator, "operator": CLAIMS.registry},
        {"signing_key": PrivateKey(sha256(b"x")).public_key},
        {"sealing_key": bytes(sha256(b"x"))},
        {"checkpoint_hash": sha256(b"x")},
        {"block_hash": sha256(b"x")},
        {"checkpoint_hash": CLAIMS.block_hash, "block_hash": CLAIMS.checkpoint_hash},
        {"block_number": 6},
    ],
)
def test_report_data_bind_every_field(change: dict[str, Any]) -> None:
    assert dataclasses.replace(CLAIMS, **change).compute() != CLAIMS.compute()


def test_report_data_have_64_bytes_and_name_the_signer() -> None:
    assert len(CLAIMS.compute()) == 64
    assert CLAIMS.signer == KEY.address


@pytest.mark.parametrize(
    "change",
    [
        {"configuration": b""},
        {"registry": b""},
        {"operator": b""},
        {"signing_key": KEY.public_key[1:]},
        {"signing_key": bytes(33)},
        {"sealing_key": b""},
        {"checkpoint_hash": b""},
        {"block_hash": b""},
        {"block_number": -1},
        {"block_number": 2**64},
        {"block_number": True},
    ],
)
def test_claims_check_themselves(change: dict[str, Any]) -> None:
    with pytest.raises(CoprocessorError):
        dataclasses.replace(CLAIMS, **change)
