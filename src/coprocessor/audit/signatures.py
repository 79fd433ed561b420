"""Who signed what: t-of-n checks that name signers and strangers (PROTOCOL 7.1, 9.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coprocessor.audit.records import Event, falsehood
from coprocessor.audit.state import AuditState, ClusterHistory
from coprocessor.crypto.secp256k1 import address_of, recover_public_key
from coprocessor.protocol.statements import ROLE_WORKER
from coprocessor.protocol.terms import has_ended
from coprocessor.values.errors import CoprocessorError
from coprocessor.values.identities import Address, Digest, WorkerId

__all__ = ["check_committee", "check_members", "signatures_of", "signers_of"]


def signatures_of(state: AuditState, event: Event, function: str, subject: str) -> Mapping[str, object] | None:
    """The arguments of the call that must have made ``event``, or None, counted, where another contract made it."""
    call = event.call
    if call is not None and call.contract == event.contract and call.function == function:
        return call.arguments
    state.unread[subject] += 1
    return None


def signers_of(state: AuditState, digest: Digest, signatures: Sequence[bytes], what: str) -> list[Address]:
    """Addresses of those who signed, in order; their public keys are remembered.

    Raises:
        EvidenceRefused: ``audit.signature``: one is none, or a signer stands twice.
    """
    found: list[Address] = []
    for signature in signatures:
        try:
            key = recover_public_key(digest, signature)
        except CoprocessorError as error:
            raise falsehood("audit.signature", f"{what}: a signature is none", str(error)) from error
        signer = address_of(key)
        if signer in found:
            raise falsehood("audit.signature", f"{what}: 0x{signer.hex()} signed twice", "each signer counts once")
        state.public_keys[signer] = key
        found.append(signer)
    return found


def check_committee(
    state: AuditState,
    digest: Digest,
    signatures: Sequence[bytes],
    allowed: Mapping[Address, int],
    needed: int,
    what: str,
) -> list[int]:
    """Places of the gatekeepers that signed.

    Raises:
        EvidenceRefused: ``audit.signature``, ``audit.not_in_office``: a stranger, or one of another committee;
            ``audit.too_few``.
    """
    signers = signers_of(state, digest, signatures, what)
    for signer in signers:
        if signer not in allowed:
            raise falsehood(
                "audit.not_in_office",
                f"{what}: 0x{signer.hex()} is no gatekeeper of the committee that had to sign",
                "a retired committee or a stranger signed it (PROTOCOL 9.2)",
            )
    if len(signers) < needed:
        raise falsehood(
            "audit.too_few", f"{what}: {len(signers)} gatekeepers signed, {needed} are needed", "PROTOCOL 9.2"
        )
    return [allowed[signer] for signer in signers]


def check_members(
    state: AuditState, cluster: ClusterHistory, digest: Digest, signatures: Sequence[bytes], quorum: int, what: str
) -> list[WorkerId]:
    """The members that signed: admitted, unrevoked, of distinct operators, on distinct platforms (PROTOCOL 7.1).

    Raises:
        EvidenceRefused: ``audit.signature``, ``audit.not_a_member``, ``audit.operator_twice``, ``audit.too_few``.
    """
    workers: list[WorkerId] = []
    operators: set[Address] = set()
    platforms: set[Digest] = set()
    for signer in signers_of(state, digest, signatures, what):
        worker = state.bound.get(signer)
        record = None if worker is None else state.workers[worker]
        if record is None or record.live.signer != signer or record.live.role != ROLE_WORKER:
            raise falsehood(
                "audit.not_a_member", f"{what}: 0x{signer.hex()} is no live key of a worker", "PROTOCOL 7.1, 7.6"
            )
        if (
            cluster.member(record.worker) is None
            or state.is_revoked(record)
            or has_ended(record.live.expires, state.now.timestamp)
        ):
            raise falsehood(
                "audit.not_a_member",
                f"{what}: worker 0x{record.worker.hex()} was no live member in block {state.now.number}",
                "PROTOCOL 7.1",
            )
        if record.live.operator in operators or record.live.platform in platforms:
            raise falsehood(
                "audit.operator_twice",
                f"{what}: operator 0x{record.live.operator.hex()} or its platform signed twice",
                "signers are distinct operators on distinct platforms (PROTOCOL 7.1)",
            )
        operators.add(record.live.operator)
        platforms.add(record.live.platform)
        workers.append(record.worker)
    if len(workers) < quorum:
        raise falsehood("audit.too_few", f"{what}: {len(workers)} members signed, {quorum} are needed", "PROTOCOL 7.1")
    return workers
