"""What the network accepts at this moment: the floor of its genesis, and what the chain has said since.

Rules enforced (PROTOCOL 1.4, 8.2):
1. slots of the policy are proven under one of this enclave's newest ``POLICY_WINDOW`` blocks, so that a host cannot
   judge by a policy that is over;
2. what is distrusted - a vendor's root, a measurement, a platform - is refused, whatever its evidence shows;
3. while admission is paused, only a key that is its worker's live one is admitted again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from coprocessor.attestation.evidence import Evidence
from coprocessor.attestation.policy import AttestationPolicy, evaluate, verify_pinned
from coprocessor.attestation.verdict import Verdict
from coprocessor.attestation.verify import verify_evidence
from coprocessor.enclave.chain_view import ChainView
from coprocessor.protocol import layout
from coprocessor.protocol.system import compute_worker_id
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import Address, Digest
from coprocessor.values.network import NetworkConfiguration

__all__ = ["POLICY_WINDOW", "NetworkPolicy", "find_distrusted"]

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
        if now < read(layout.registry_distrusted(subject)):
            return f"{what} 0x{subject.hex()}"
    return None


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
        return self._verdict(evidence, policy, report_data)

    def judge(self, evidence: Evidence, report_data: bytes, operator: Address, signer: Address) -> Verdict:
        """The verdict of evidence that the network accepts now.

        Args:
            evidence: of the newcomer.
            report_data: 64 bytes, computed from what was checked.
            operator, signer: 20 bytes each, as the report data bind them.

        Raises:
            MalformedInput, EvidenceRefused: as ``attestation.policy.admit``; ``policy.distrusted``, ``policy.paused``,
                ``policy.stale_proof``, ``proof.missing``.
        """
        verdict = self.judge_member(evidence, report_data)
        self._check_pause(verdict, operator, signer)
        return verdict

    def judge_member(self, evidence: Evidence, report_data: bytes) -> Verdict:
        """The verdict of evidence by which a gatekeeper shows a key of its memory: no pause stops it (PROTOCOL 9.5).

        Raises:
            MalformedInput, EvidenceRefused: as ``judge``, but for ``policy.paused``.
        """
        verdict = self.judge_first(evidence, report_data)
        self._check_trust(verdict)
        return verdict

    def _verdict(self, evidence: Evidence, policy: AttestationPolicy, report_data: bytes) -> Verdict:
        now = self._view.head.timestamp
        verify_pinned(evidence, policy)
        verdict = verify_evidence(evidence, now)
        evaluate(verdict, policy, report_data, now)
        return verdict

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
        until = self._read(layout.registry_paused_until())
        if until <= self._view.head.timestamp:
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
