"""What the network accepts at this moment: the floor of its genesis, and what the chain has said since.

Rules enforced (PROTOCOL 1.4, 8.2):
1. slots of the policy are proven under one of this enclave's newest ``POLICY_WINDOW`` blocks, so that a host cannot
   judge by a policy that is over;
2. what is distrusted - a vendor's root, a measurement, a platform - is refused, whatever its evidence shows;
3. while admission is paused, only a key that is its worker's live one is admitted again;
4. measurements of the genesis have version 1 and count at once; others as announced, once the announcement has been
   final for the delay, which outside development is 7 days whatever the chain says;
5. what has a lower version than the least gets no admission and no keys (attack 23);
6. evaluation number: the greater of the genesis' and the chain's least; collateral: pinned while pins hold;
7. a present gatekeeper that shows a key of its memory is judged by the genesis' floor, and by announced measurements:
   what was said since ends no seat, so it must not end what a seat needs after a restart. Revocation does, one by one
   and never below t.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from coprocessor.attestation.evidence import Evidence, compute_collateral_digest
from coprocessor.attestation.policy import AttestationPolicy, admit, evaluate
from coprocessor.attestation.verdict import Verdict
from coprocessor.attestation.verify import verify_evidence
from coprocessor.enclave.chain_view import ChainView
from coprocessor.protocol import layout
from coprocessor.protocol.system import compute_worker_id
from coprocessor.protocol.terms import (
    GENESIS_VERSION,
    compute_effect,
    compute_least_evaluation,
    compute_version,
    has_ended,
    is_version_taken,
)
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import Address, Digest
from coprocessor.values.network import NetworkConfiguration

__all__ = ["POLICY_WINDOW", "NetworkPolicy", "find_distrusted", "find_version"]

POLICY_WINDOW: Final = 32
"""Blocks behind the newest one at which a proof of the policy still serves: headers and proofs come one by one."""


def find_distrusted(
    root: bytes, measurement: bytes, platform: bytes, read: Callable[[bytes], int], now: int
) -> str | None:
    """Which of an enclave's subjects is distrusted (rule 2), in words; None where none is.

    Args:
        root, measurement, platform: 32 bytes each.
        read: the value of a slot of ``Registry``.
        now: chain time, seconds.
    """
    named = {"the vendor's root": root, "the measurement": measurement, "the platform": platform}
    for what, subject in named.items():
        if not has_ended(read(layout.registry_distrusted(subject)), now):
            return f"{what} 0x{subject.hex()}"
    return None


def find_version(
    configuration: NetworkConfiguration, measurement: bytes, read: Callable[[bytes], int], now: int
) -> tuple[int, int]:
    """The version of a measurement, 0 where it does not count, and from when it counts in seconds, 0 where it was never
    announced (rule 4).

    Args:
        configuration: of the network.
        measurement: 32 bytes.
        read: the value of a slot of ``Registry``.
        now: chain time, seconds.
    """
    if measurement in configuration.attestation.measurements:
        return GENESIS_VERSION, 0
    since = read(layout.registry_measurement(measurement, "since"))
    if since == 0:
        return 0, 0
    counts_from = compute_effect(since, read(layout.registry_policy("delay")), development=configuration.development)
    version = read(layout.registry_measurement(measurement, "version"))
    return compute_version(version, counts_from, now, listed=False), counts_from


class NetworkPolicy:
    """One gatekeeper's judgement of evidence.

    Args:
        configuration: the network's, with the floor of its genesis.
        view: this enclave's own finalised chain.
    """

    def __init__(self, configuration: NetworkConfiguration, view: ChainView) -> None:
        self._configuration = configuration
        self._view = view

    def judge_first(self, evidence: Evidence, report_data: bytes) -> Verdict:
        """The verdict of a first gatekeeper's evidence: at genesis there is the floor alone (PROTOCOL 1.1, 9.1).

        Raises:
            MalformedInput, EvidenceRefused: as ``attestation.policy.admit``.
        """
        policy = AttestationPolicy.of_network(self._configuration)
        return admit(evidence, policy, report_data, self._view.head.timestamp)

    def judge(self, evidence: Evidence, report_data: bytes, operator: Address, signer: Address) -> Verdict:
        """The verdict of evidence that the network accepts now.

        Args:
            evidence: of the newcomer.
            report_data: 64 bytes, computed from what was checked.
            operator, signer: 20 bytes each, as the report data bind them.

        Raises:
            MalformedInput, EvidenceRefused: as ``attestation.policy.admit``; ``policy.distrusted``, ``policy.paused``,
                ``policy.announced``, ``policy.version``, ``policy.stale_proof``, ``proof.missing``.
        """
        now = self._view.head.timestamp
        verdict = verify_evidence(evidence, now)
        floor = self._floor_for(verdict)
        chain = self._read(layout.registry_policy("minimum_evaluation"))
        least = compute_least_evaluation(floor.minimum_evaluation, chain)
        evaluate(verdict, replace(floor, minimum_evaluation=least), report_data, now)
        version = self._counting_version(verdict)
        self._check_least(version)
        self._check_collateral(evidence)
        self._check_trust(verdict)
        self._check_pause(verdict, operator, signer)
        return verdict

    def judge_member(self, evidence: Evidence, report_data: bytes) -> Verdict:
        """The verdict of evidence by which a gatekeeper shows a key of its memory (PROTOCOL 9.5, rule 7). The caller
        MUST see to it that only present members, none revoked, get anything for it.

        Raises:
            MalformedInput, EvidenceRefused: as ``attestation.policy.admit``; ``policy.announced``,
                ``policy.stale_proof``, ``proof.missing``.
        """
        now = self._view.head.timestamp
        verdict = verify_evidence(evidence, now)
        evaluate(verdict, self._floor_for(verdict), report_data, now)
        self._counting_version(verdict)
        return verdict

    def _floor_for(self, verdict: Verdict) -> AttestationPolicy:
        """The floor, with this measurement if it was announced (rule 4)."""
        floor = AttestationPolicy.of_network(self._configuration)
        if verdict.measurement_digest in floor.measurements or self._version_of(verdict) == (0, 0):
            return floor
        return replace(floor, measurements=floor.measurements | {verdict.measurement_digest})

    def _version_of(self, verdict: Verdict) -> tuple[int, int]:
        now = self._view.head.timestamp
        return find_version(self._configuration, verdict.measurement_digest, self._read, now)

    def _counting_version(self, verdict: Verdict) -> int:
        version, counts_from = self._version_of(verdict)
        if version == 0:
            raise EvidenceRefused(
                "policy.announced",
                f"the measurement 0x{verdict.measurement_digest.hex()} counts from {counts_from} (chain time) on",
                "an announced measurement waits, so that everybody can look at the release first (PROTOCOL 1.4)",
                f"attest again after {counts_from}, or run a release that counts already (phat policy)",
            )
        return version

    def _check_least(self, version: int) -> None:
        least = self._read(layout.registry_policy("minimum_version"))
        if not is_version_taken(version, least):
            raise EvidenceRefused(
                "policy.version",
                f"the enclave's measurement has version {version}",
                f"the least that this network admits is {least}",
                "run a newer release (phat policy)",
            )

    def _check_collateral(self, evidence: Evidence) -> None:
        pinned_until = self._read(layout.registry_policy("pinned_until"))
        if has_ended(pinned_until, self._view.head.timestamp) or not evidence.collateral:
            return
        refresh = self._read(layout.registry_policy("refresh"))
        digest = compute_collateral_digest(evidence.kind, evidence.collateral)
        if not self._read(layout.registry_pin(refresh, digest)):
            raise EvidenceRefused(
                "attestation.collateral_not_pinned",
                f"the collateral's digest is 0x{digest.hex()}",
                f"the chain pins others, with refresh {refresh}",
                "attest with the pinned collateral, or have the new one pinned",
            )

    def _check_trust(self, verdict: Verdict) -> None:
        now = self._view.head.timestamp
        subjects = verdict.root, verdict.measurement_digest, verdict.platform_id
        distrusted = find_distrusted(*subjects, self._read, now)
        if distrusted:
            raise EvidenceRefused(
                "policy.distrusted",
                f"this network distrusts {distrusted}",
                "its guardian has said so since the genesis",
                "run a release, and use hardware, that the network trusts (phat policy)",
            )

    def _check_pause(self, verdict: Verdict, operator: Address, signer: Address) -> None:
        until = self._read(layout.registry_policy("paused_until"))
        if has_ended(until, self._view.head.timestamp):
            return
        live = self._read(layout.registry_worker_of(signer)).to_bytes(32, "big")
        if live != compute_worker_id(operator, Digest(verdict.platform_id)):
            raise EvidenceRefused(
                "policy.paused",
                f"admission is paused until {until} (chain time)",
                "the guardian paused it; live keys are renewed meanwhile, no others are admitted",
                "wait, or ask the network's people why (phat policy)",
            )

    def _read(self, slot: bytes) -> int:
        """A slot of ``Registry`` (rule 1)."""
        proven, head = self._view.slot("Registry", slot), self._view.head.number
        if proven.block_number + POLICY_WINDOW < head:
            raise EvidenceRefused(
                "policy.stale_proof",
                f"the network's policy was proven at block {proven.block_number}, the chain is at {head}",
                next="prove the policy under a newer block",
            )
        return proven.value
