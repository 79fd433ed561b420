"""What a network accepts: a value, and its judgement of a verdict.

Rules:

1. A policy names at least one measurement and one root; an empty one is refused when it is made.
2. Simulated hardware counts only where the policy allows it, and only if its root is named too (DESIGN 5).
3. Nothing revoked and nothing debuggable is ever accepted; no policy can say otherwise.
4. Report data are compared with what the caller computed from values that it checked itself (PROTOCOL 1.2).
5. Intel's TCB evaluation number has a minimum, which stops a rollback of collateral; a policy may also pin collateral
   by digest.
6. Evidence whose revocations are unknown is refused unless the policy says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coprocessor.attestation.evidence import Evidence, EvidenceKind, compute_collateral_digest
from coprocessor.attestation.roots import is_genuine
from coprocessor.attestation.vendors.nitro import MAX_AHEAD
from coprocessor.attestation.verdict import LEVELS, PlatformFlag, TcbStatus, Verdict
from coprocessor.attestation.verify import verify_evidence
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from coprocessor.values.identities import Digest, checked_digest
from coprocessor.values.network import NetworkConfiguration

__all__ = ["DEFAULT_COLLATERAL_AGE", "AttestationPolicy", "admit", "evaluate", "find_refusals", "verify_pinned"]

DEFAULT_COLLATERAL_AGE: Final = 7 * 24 * 3600
"""Seconds. Vendors' data say that they hold for 30 days; within a week whoever hides a recovery must come up with newer
ones."""

_OUT_OF_DATE: Final = frozenset({TcbStatus.OUT_OF_DATE, TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED})
_NUMBERED: Final = frozenset({EvidenceKind.SGX, EvidenceKind.TDX})
"""Only Intel numbers its TCB data."""

_DATED: Final = frozenset({EvidenceKind.SGX, EvidenceKind.TDX, EvidenceKind.NITRO})
"""AMD issues its revocation list when it sees fit; it counts until its end."""

_MEND: Final = {
    PlatformFlag.DYNAMIC: "register the machine as one whose processors cannot be exchanged",
    PlatformFlag.CACHED_KEYS: "switch the caching of platform keys off",
    PlatformFlag.SIMULTANEOUS_MULTITHREADING: "switch multithreading off in the BIOS",
    PlatformFlag.PROVISIONAL_FIRMWARE: "commit the running firmware, or go back to what is committed",
    PlatformFlag.MEMORY_ALIASES_UNCHECKED: "update to firmware that checks memory for aliases",
    PlatformFlag.REVOCATION_UNKNOWN: "fetch the vendor's revocation list and attest again",
    PlatformFlag.MACHINE_UNKNOWN: "use a machine that shows which one it is",
}
"""What an operator does about each property."""

_ACCEPTABLE: Final = frozenset(TcbStatus) - {TcbStatus.REVOKED}


@dataclass(frozen=True, slots=True)
class AttestationPolicy:
    """What evidence must show.

    Args:
        measurements: accepted code, ``Verdict.measurement_digest``.
        roots: accepted vendors, SHA-256 of their root certificates.
        allow_simulated: evidence under a root that is no hardware vendor's counts.
        statuses: accepted judgements of the vendor; never ``REVOKED``.
        maximum_level: greatest accepted level, 1 (best) to 5.
        minimum_evaluation: least accepted TCB evaluation number.
        maximum_age: seconds since the vendor's data were issued.
        refused_flags: properties of platforms that are not accepted (rule 6).
        refused_advisories: security advisories that are not accepted.
        pinned_collateral: digests of the only accepted collateral (``compute_collateral_digest``); empty: any that
            the vendor signed and that is fresh.

    Raises:
        MalformedInput: ``attestation.policy_empty`` (rule 1) or ``attestation.policy``.
    """

    measurements: frozenset[Digest]
    roots: frozenset[Digest]
    allow_simulated: bool = False
    statuses: frozenset[TcbStatus] = frozenset({TcbStatus.UP_TO_DATE, TcbStatus.HARDENING_NEEDED})
    maximum_level: int = 3
    minimum_evaluation: int = 0
    maximum_age: int = DEFAULT_COLLATERAL_AGE
    refused_flags: frozenset[PlatformFlag] = frozenset({PlatformFlag.REVOCATION_UNKNOWN})
    refused_advisories: frozenset[str] = frozenset()
    pinned_collateral: frozenset[Digest] = frozenset()

    def __post_init__(self) -> None:
        if not self.measurements or not self.roots or not self.statuses:
            raise MalformedInput(
                "attestation.policy_empty",
                "an attestation policy without measurements, roots or statuses accepts nothing and protects nothing",
                next="name the measurements of the release, and the roots of the vendors",
            )
        for digest in self.measurements | self.roots | self.pinned_collateral:
            checked_digest(digest, "a digest of the attestation policy")
        if not self.statuses <= _ACCEPTABLE:  # rule 3
            raise MalformedInput(
                "attestation.policy", "a policy cannot accept revoked platforms", next="leave that status out"
            )
        if self.maximum_level not in LEVELS or self.minimum_evaluation < 0 or self.maximum_age <= 0:
            raise MalformedInput(
                "attestation.policy",
                "level, evaluation number or age is out of range",
                next="take a level of 1 to 5, a number of 0 or more, an age above 0",
            )
        if not self.allow_simulated and not any(is_genuine(root) for root in self.roots):  # rule 2
            raise MalformedInput(
                "attestation.policy",
                "the policy names simulated roots alone but does not allow simulated hardware",
                next="name a hardware vendor's root, or allow simulated hardware on a development network",
            )

    @classmethod
    def of_network(cls, configuration: NetworkConfiguration) -> AttestationPolicy:
        """The floor that a network's genesis sets (PROTOCOL 1.1)."""
        floor = configuration.attestation
        return cls(
            measurements=frozenset(floor.measurements),
            roots=frozenset(floor.roots),
            allow_simulated=configuration.allow_simulated,
            statuses=_ACCEPTABLE,
            maximum_level=floor.maximum_level,
            minimum_evaluation=floor.minimum_evaluation,
        )


def admit(evidence: Evidence, policy: AttestationPolicy, report_data: bytes, now: int) -> Verdict:
    """Verifies and judges: the verdict of acceptable evidence.

    Args:
        evidence: from whoever wants to be admitted.
        policy: the network's.
        report_data: 64 bytes, computed by the caller (``ReportClaims.compute``) from values that it checked itself.
        now: chain time, seconds since 1970.

    Raises:
        MalformedInput, EvidenceRefused: as ``verify_pinned``, ``verify_evidence`` and ``evaluate``.
    """
    verify_pinned(evidence, policy)
    verdict = verify_evidence(evidence, now)
    evaluate(verdict, policy, report_data, now)
    return verdict


def verify_pinned(evidence: Evidence, policy: AttestationPolicy) -> None:
    """Raises EvidenceRefused ``attestation.collateral_not_pinned`` where the policy pins other collateral (rule 5)."""
    if not policy.pinned_collateral or not evidence.collateral:
        return
    digest = compute_collateral_digest(evidence.kind, evidence.collateral)
    if digest not in policy.pinned_collateral:
        raise _refuse(
            "attestation.collateral_not_pinned",
            f"the collateral's digest is 0x{digest.hex()}",
            f"the policy pins {len(policy.pinned_collateral)} others",
            "attest with the pinned collateral, or have the new one pinned",
        )


def evaluate(verdict: Verdict, policy: AttestationPolicy, report_data: bytes, now: int) -> None:
    """Raises the first of ``find_refusals``, if there is one."""
    refusals = find_refusals(verdict, policy, report_data, now)
    if refusals:
        raise refusals[0]


def find_refusals(
    verdict: Verdict, policy: AttestationPolicy, report_data: bytes, now: int
) -> tuple[EvidenceRefused, ...]:
    """Every reason why the policy refuses; empty where it accepts."""
    found = (
        *_judge_root(verdict, policy),
        *_judge_enclave(verdict, policy, report_data),
        *_judge_platform(verdict, policy),
        *_judge_age(verdict, policy, now),
    )
    return tuple(found)


def _judge_root(verdict: Verdict, policy: AttestationPolicy) -> list[EvidenceRefused]:
    found = []
    if verdict.simulated and not policy.allow_simulated:
        found.append(
            _refuse(
                "attestation.simulated_refused",
                "the evidence comes from SIMULATED hardware",
                "this network accepts hardware alone",
                "run on trusted hardware, or use a development network that allows simulation",
            )
        )
    if verdict.root not in policy.roots:
        found.append(
            _refuse(
                "attestation.root_unknown",
                f"the evidence ends in the root 0x{verdict.root.hex()}",
                "this network does not accept that vendor",
                "use a platform of an accepted vendor",
            )
        )
    return found


def _judge_enclave(verdict: Verdict, policy: AttestationPolicy, report_data: bytes) -> list[EvidenceRefused]:
    found = []
    if verdict.measurement_digest not in policy.measurements:
        found.append(
            _refuse(
                "attestation.measurement_unknown",
                f"the enclave's measurement is 0x{verdict.measurement_digest.hex()}",
                "this network does not accept that code",
                "run a release whose measurement the network lists, unchanged",
            )
        )
    if verdict.report_data != report_data:
        found.append(
            _refuse(
                "attestation.report_data_mismatch",
                f"the enclave bound 0x{verdict.report_data[:16].hex()}…, expected 0x{report_data[:16].hex()}…",
                "network, operator, keys or block differ from what was claimed, or the evidence is replayed",
                "attest again with the network's configuration and a recent block",
            )
        )
    return found


def _judge_platform(verdict: Verdict, policy: AttestationPolicy) -> list[EvidenceRefused]:
    found = []
    if verdict.status not in policy.statuses or verdict.level > policy.maximum_level:
        found.append(_judge_status(verdict, policy))
    advisories = sorted(policy.refused_advisories.intersection(verdict.advisories))
    if advisories:
        found.append(
            _refuse(
                "attestation.advisory",
                f"the platform is open to {', '.join(advisories)}",
                "the policy takes no such platform",
                "do what the vendor's advisories say, and attest again",
            )
        )
    flags = sorted(flag.value for flag in policy.refused_flags & verdict.flags)
    if flags:
        found.append(
            _refuse(
                "attestation.platform_flag",
                f"the platform has {', '.join(flags)}",
                "the policy takes no such platform",
                f"{'; '.join(_MEND[PlatformFlag(flag)] for flag in flags)}",
            )
        )
    return found


def _judge_status(verdict: Verdict, policy: AttestationPolicy) -> EvidenceRefused:
    """Why status or level is not good enough."""
    what = f"the platform is {verdict.status.value}, level {verdict.level}"
    advisories = ", ".join(verdict.advisories) or "none"
    why = f"the greatest accepted level is {policy.maximum_level}; advisories: {advisories}"
    if verdict.status in _OUT_OF_DATE:
        return _refuse("attestation.tcb_out_of_date", what, why, "update firmware and microcode")
    if verdict.status is TcbStatus.UNJUDGED:
        next_step = "use a processor whose good versions this release lists, or a later release"
        return _refuse("attestation.tcb_status", what, why, next_step)
    return _refuse("attestation.tcb_status", what, why, "do what the vendor's advisories say, and attest again")


def _judge_age(verdict: Verdict, policy: AttestationPolicy, now: int) -> list[EvidenceRefused]:
    found = []
    tolerance = MAX_AHEAD if verdict.kind is EvidenceKind.NITRO else 0
    if verdict.kind in _NUMBERED and verdict.evaluation_number < policy.minimum_evaluation:
        found.append(
            _refuse(
                "attestation.evaluation_number",
                f"the vendor's data have evaluation number {verdict.evaluation_number}",
                f"the least accepted is {policy.minimum_evaluation}",
                "fetch the newest collateral and attest again",
            )
        )
    age = policy.maximum_age if verdict.kind in _DATED else verdict.valid_until
    if now > min(verdict.valid_until, verdict.issued_at + age) or now < verdict.issued_at - tolerance:
        found.append(
            _refuse(
                "attestation.collateral_stale",
                f"the vendor's data are of {verdict.issued_at} and end at {verdict.valid_until}, chain time is {now}",
                f"they may be {policy.maximum_age} seconds old",
                "fetch fresh collateral and attest again",
            )
        )
    return found


def _refuse(code: str, what: str, why: str, next_step: str) -> EvidenceRefused:
    return EvidenceRefused(code, what, why, next_step)
