"""A custodian's part after a loss of all power: its piece of a gatekeeper's pad, for that enclave alone (PROTOCOL 9.5).

Rules enforced:
1. the request is of this network, and its evidence satisfies the network's policy and shows who made the pad;
2. the piece is sealed to the key that the evidence shows, so that nobody else opens it, not even who carries it.

The custodian cannot see whether the gatekeeper is still a member; it MUST ask the network's people.
"""

from __future__ import annotations

from coprocessor.attestation.evidence import decode_evidence
from coprocessor.attestation.policy import AttestationPolicy, admit
from coprocessor.attestation.report_data import ReportClaims
from coprocessor.attestation.verdict import Verdict
from coprocessor.codec import cbor
from coprocessor.crypto.hpke import SealingKey
from coprocessor.host.http import MAX_BODY
from coprocessor.host.pad_courier import WaitingShare
from coprocessor.keys.pads import open_custodian_piece, pass_custodian_piece, read_record
from coprocessor.protocol.genesis import compute_configuration_hash, compute_network_id
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import Address, Digest, to_hex
from coprocessor.values.network import Network

__all__ = ["MAX_ANSWER", "describe", "open_piece"]

MAX_ANSWER = 1024
"""Bytes of an opened piece's file."""


def open_piece(network: Network, waiting: WaitingShare, key: SealingKey, now: int) -> tuple[Verdict, bytes]:
    """What the evidence shows, and the piece for that enclave (CBOR [index, 145 bytes]).

    Args:
        network: that the custodian pins.
        waiting: the gatekeeper's request.
        key: the custodian's.
        now: seconds since 1970.

    Raises:
        EvidenceRefused: another network's, evidence that is refused, no key of this network's custodians.
        MalformedInput: no request.
    """
    record, shown = read_record(cbor.loads(waiting.record, MAX_BODY)), waiting.presence
    configuration = network.configuration
    claims = ReportClaims(
        configuration=compute_configuration_hash(configuration),
        registry=configuration.contract("Gatekeeping").address,
        operator=Address(shown.operator),
        signing_key=shown.signing_key,
        sealing_key=shown.sealing_key,
        checkpoint_hash=Digest(shown.checkpoint_hash),
        block_hash=Digest(shown.block_hash),
        block_number=shown.block_number,
    )
    verdict = admit(
        decode_evidence(shown.evidence), AttestationPolicy.of_network(configuration), claims.compute(), now
    )
    if record.network != compute_network_id(network) or claims.signer != record.giver:
        raise EvidenceRefused("custodian.foreign", "the request is of another network, or of another gatekeeper's pad")
    keys = configuration.custodian.keys
    if key.public_key not in keys or len(waiting.pieces) != len(keys):
        raise EvidenceRefused("custodian.key", "this key is none of the network's custodians")
    index = keys.index(key.public_key) + 1
    piece = open_custodian_piece(record, index, waiting.pieces[index - 1], key)
    return verdict, cbor.dumps([index, pass_custodian_piece(record, index, piece, shown.sealing_key)])


def describe(waiting: WaitingShare, verdict: Verdict) -> str:
    """For whom a piece was opened, in words."""
    hardware = "simulated hardware" if verdict.simulated else f"hardware of level {verdict.level}"
    measurement = to_hex(verdict.measurement_digest)
    return f"opened for gatekeeper {to_hex(waiting.presence.signer)}, on {hardware}, measurement {measurement}"
