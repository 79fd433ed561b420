"""The whole audit: records in, findings out; and what the contracts' storage must hold if the record is true.

Each event of the network's contracts is judged by the rules of its room, in the chain's order, from the state that the
events before it have made. Two ends tie the record to the chain: events are complete and true under the headers'
roots (``headers.blocks``), and at the end the contracts' storage, proven under the newest header, is compared with what
the record adds up to (``expectations``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from coprocessor.audit import (
    admissions,
    beacons,
    clusters,
    committees,
    gatekeepers,
    policies,
    runtimes,
    settlements,
    upgrades,
)
from coprocessor.audit.records import FALSE, HOLDS, NOTHING, Event, Line, Record, falsehood
from coprocessor.audit.state import AuditState, Block
from coprocessor.headers.header import Header
from coprocessor.values.errors import CoprocessorError, EvidenceRefused
from coprocessor.values.identities import Address
from coprocessor.values.network import CONTRACT_NAMES

__all__ = ["JUDGES", "PASSED_OVER", "SUBJECTS", "Replay", "check_complete"]

Judge = Callable[[AuditState, Event], None]


def _on_named(state: AuditState, event: Event) -> None:
    state.names[event["name"]] = Address(event["account"])
    state.counts["directory"] += 1


def _on_sealed(state: AuditState, event: Event) -> None:
    configured = {name.encode().ljust(32, b"\0"): state.address(name) for name in CONTRACT_NAMES if name != "Directory"}
    named = {name: address for name, address in state.names.items() if name.rstrip(b"\0") != b"Directory"}
    if named != configured:
        raise falsehood("audit.directory", "Directory names other contracts than the pinned ones", "PROTOCOL 1.3")
    state.is_sealed = True


JUDGES: Final[Mapping[str, tuple[str, Judge]]] = {
    "Directory.Named": ("directory", _on_named),
    "Directory.Sealed": ("directory", _on_sealed),
    "Registry.Configured": ("configuration", admissions.on_configured),
    "Gatekeeping.Initialized": ("genesis", committees.on_initialized),
    "Gatekeeping.EvidencePublished": ("gatekeepers", gatekeepers.on_evidence),
    "Gatekeeping.Revoked": ("revocations", gatekeepers.on_revoked),
    "Gatekeeping.Proposed": ("ceremonies", committees.on_proposed),
    "Gatekeeping.Opened": ("ceremonies", committees.on_opened),
    "Gatekeeping.Transcript": ("ceremonies", committees.on_transcript),
    "Gatekeeping.Completed": ("ceremonies", committees.on_completed),
    "Beacon.Opened": ("beacon", beacons.on_opened),
    "Beacon.Transcript": ("beacon", beacons.on_transcript),
    "Beacon.Completed": ("beacon", beacons.on_completed),
    "Beacon.Posted": ("beacon", beacons.on_posted),
    "Beacon.FellBack": ("beacon", beacons.on_fell_back),
    "Registry.Admitted": ("admissions", admissions.on_admitted),
    "Registry.Revoked": ("revocations", admissions.on_revoked),
    "Registry.Distrusted": ("revocations", admissions.on_distrusted),
    "Registry.AdmissionPaused": (policies.POLICY, policies.on_paused),
    "Registry.MeasurementAnnounced": (policies.POLICY, policies.on_announced),
    "Registry.MinimumVersionRaised": (policies.POLICY, policies.on_version),
    "Registry.MinimumEvaluationRaised": (policies.POLICY, policies.on_evaluation),
    "Registry.CollateralPinned": (policies.POLICY, policies.on_pinned),
    "Clusters.Created": ("clusters", clusters.on_created),
    "Clusters.Joined": ("memberships", clusters.on_joined),
    "Clusters.Removed": ("memberships", clusters.on_removed),
    "Inbox.Link": ("inbox links", clusters.on_link),
    "Clusters.EpochRaised": ("epochs", clusters.on_raised),
    "Clusters.RuntimeAnnounced": (runtimes.RUNTIMES, runtimes.on_announced),
    "Clusters.RuntimeWithdrawn": (runtimes.RUNTIMES, runtimes.on_withdrawn),
    "Clusters.RuntimeSwitched": (runtimes.RUNTIMES, runtimes.on_switched),
    "Clusters.EpochsClosed": ("boundaries", clusters.on_closed),
    "Programs.Instantiated": ("programs", settlements.on_instantiated),
    "Programs.Announced": ("upgrades", upgrades.on_announced),
    "Programs.Withdrawn": ("upgrades", upgrades.on_withdrawn),
    "Programs.Upgraded": ("upgrades", upgrades.on_upgraded),
    "Programs.InputKeyPublished": ("input keys", settlements.on_input_key),
    "Programs.AccountSignerPublished": ("input keys", settlements.on_account_signer),
    "Programs.KeysPublished": ("input keys", settlements.on_keys_published),
    "Programs.InputKeyDisputed": ("input keys", settlements.on_disputed),
    "Settlement.Settled": ("settlements", settlements.on_settled),
    "Settlement.Contested": ("settlements", settlements.on_contested),
    "Settlement.Equivocated": ("settlements", settlements.on_equivocated),
}
"""By contract and event: the subject that it belongs to, and who judges it."""

PASSED_OVER: Final[Mapping[str, str]] = {
    "Clusters.Approved": "only lets a worker ask; it counts when it joins",
    "Registry.EndpointSet": "a hint that its operator gives",
    "Gatekeeping.EndpointSet": "a hint that its operator gives",
    "Programs.CodeChunk": "who runs code compares it with its hash; `phat code` does for people",
    "Programs.CodePublished": "as chunks",
    "Programs.PolicyDisclosed": "a policy counts when code is announced under it",
    "Inbox.Requested": "the request is a link, which is replayed",
    "Settlement.Delivered": "follows from a settled output, by the pinned contract",
    "Accounts.Created": "its address follows from the program; what counts is who signs for it, which is judged",
    "Accounts.Received": "ether that an account takes",
    "Accounts.Executed": "an account's own calls, by the pinned code",
    "Fees.Deposited": "balances are between payers and the pinned contract",
    "Fees.Reserved": "as deposits",
    "Fees.Withdrawn": "as deposits",
    "Fees.Reclaimed": "as deposits",
}
"""Events that are not judged, and why."""

SUBJECTS: Final[Mapping[str, str]] = {
    "headers": "each follows the one before it; the last one is sealed",
    "events": "complete and true under the headers' roots",
    "contracts": "code hash as pinned, by account proof",
    "directory": "names the pinned contracts",
    "configuration": "hash recorded is the pinned one",
    "genesis": "evidence digests as pinned; every first gatekeeper signed",
    "gatekeepers": "published evidence verified again; digest as listed; report data bound",
    "ceremonies": "transcript judged again; outcome recorded and signed by t",
    "beacon": "keys' transcripts judged again; values are their signatures",
    "admissions": "evidence verified again at its time; t of those in office signed",
    "revocations": "of admitted enclaves; vendors, code and machines distrusted",
    "policy": "measurements announced once; least version and evaluation number only rise; pins and pauses kept",
    "clusters": "each created once",
    "memberships": "admitted, unrevoked, in one cluster",
    "inbox links": "replay to the proven head",
    "epochs": "each begins with a link of its own",
    "runtimes": "announced before their delay; taken by an epoch after it",
    "boundaries": "settled state; quorum and outside holders signed",
    "programs": "id follows from owner, code and cluster",
    "upgrades": "announced under the program's policy, after its delay",
    "input keys": "a quorum of the cluster signed",
    "settlements": "root, head, range and quorum of distinct operators",
    "storage": "slots equal what the record adds up to",
}
"""Everything that is looked at, in the order of the table: what is checked of it."""


class Replay:
    """An audit under way.

    Args:
        state: fresh, of the pinned network.
    """

    def __init__(self, state: AuditState) -> None:
        self.state = state
        self.failed: str | None = None

    def take(self, record: Record) -> None:
        """The next block.

        Raises:
            EvidenceRefused: the first falsehood; ``failed`` then names its subject.
        """
        self._begin(record.header)
        for event in record.events:
            name = f"{event.contract}.{event.name}"
            if name in PASSED_OVER:
                continue
            subject, judge = JUDGES.get(name, ("events", _unknown))
            self.failed = subject
            try:
                judge(self.state, event)
            except EvidenceRefused:
                raise
            except (CoprocessorError, KeyError, TypeError, ValueError) as error:
                raise falsehood("audit.event", f"{name} does not say what it must", str(error)[:200]) from error
            self.failed = None

    def _begin(self, header: Header) -> None:
        blocks = self.state.blocks
        follows = not blocks or (blocks[-1].number, blocks[-1].hash) == (header.number - 1, header.parent_hash)
        if not follows or header.number != len(blocks):
            self.failed = "headers"
            raise falsehood("audit.headers", f"block {header.number} does not follow the one before it", "PROTOCOL 2.1")
        blocks.append(Block(header.number, header.hash, header.timestamp, header.prevrandao))

    def count(self, subject: str, number: int) -> None:
        """Notes how many of something were checked elsewhere."""
        self.state.counts[subject] += number

    def lines(self, failed: str | None = None) -> tuple[Line, ...]:
        """What was found so far, a line for each subject.

        Args:
            failed: the subject of a falsehood that was found elsewhere.
        """
        wrong = failed or self.failed
        return tuple(self._line(subject, checked, wrong) for subject, checked in SUBJECTS.items())

    def _line(self, subject: str, checked: str, wrong: str | None) -> Line:
        count, unread = self.state.counts[subject], self.state.unread[subject]
        verdict = FALSE if subject == wrong else HOLDS if count else NOTHING
        rests_on = f"{unread} by another contract: signatures rest on the pinned code" if unread else ""
        silent = self.state.unread["report data"]
        if subject == "admissions" and silent:
            rests_on = f"{silent} without the enclave's public key: their report data are not computed again"
        unproven = gatekeepers.count_unproven(self.state)
        if subject == "gatekeepers" and unproven:
            rests_on = f"{unproven} more without evidence on the chain: they rest on the signatures of the others"
        return Line(subject, count, checked, verdict, self.state.simulated[subject], rests_on)


def _unknown(state: AuditState, event: Event) -> None:
    raise falsehood(
        "audit.event",
        f"{event.contract}.{event.name} is an event that this release cannot judge",
        "",
        "update this software",
    )


def check_complete(state: AuditState) -> None:
    """What holds of the whole alone. Raises EvidenceRefused ``audit.incomplete``, ``audit.report_data``."""
    missing = [
        what
        for what, there in (
            ("a genesis", state.committees),
            ("a configuration", state.configuration),
            ("a sealed directory", state.is_sealed),
        )
        if not there
    ]
    if missing:
        raise falsehood("audit.incomplete", f"the chain has no {', no '.join(missing)} of this network", "PROTOCOL 1.1")
    admissions.check_bound(state)
    settlements.check_signed(state)
