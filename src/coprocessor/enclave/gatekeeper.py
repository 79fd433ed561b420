"""The gatekeeper's core: admits enclaves, signs tickets, releases partial keys; no I/O, no clock, no entropy of its
own.

Rules enforced:
1. its share: ``enclave.custody`` (PROTOCOL 9.1, 9.3 to 9.5);
2. admission: evidence fits the network's policy of this moment (``enclave.network_policy``), and checkpoint and newest
   block of the newcomer are on this enclave's own finalised chain (PROTOCOL 1.2);
3. tickets: over a recent finalised block of this enclave's chain and the asker's nonce (PROTOCOL 2.4);
4. nothing of this once its own revocation is proven (PROTOCOL 1.4);
5. release: of each epoch that has begun and is not closed, only to a current, unrevoked, unexpired member, against a
   fresh ticket that serves once, sealed to its admitted key, one release to each admission (PROTOCOL 8.2);
6. the beacon: ``enclave.beacon`` (PROTOCOL 10).

What lies on the host's disk is sealed to platform and measurement, and the share in it is wrapped under a pad of the
other gatekeepers' memories as well, so that a restart goes on and hoarded disks do not add up (PROTOCOL 9.5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from coprocessor.attestation.evidence import decode_evidence
from coprocessor.attestation.report_data import ReportClaims
from coprocessor.attestation.verdict import Verdict
from coprocessor.enclave import messages as m
from coprocessor.enclave.beacon import BeaconDuty
from coprocessor.enclave.booting import introduce, read_network
from coprocessor.enclave.chain_view import ChainView
from coprocessor.enclave.custody import KeyCustody
from coprocessor.enclave.identity import EnclaveKeys, Entropy
from coprocessor.enclave.network_policy import NetworkPolicy
from coprocessor.headers.header import Header
from coprocessor.keys.tickets import SignedTicket, Ticket, encode_signed_ticket, sign_ticket
from coprocessor.protocol.genesis import compute_configuration_hash
from coprocessor.protocol.statements import ROLE_GATEKEEPER, ROLE_WORKER, Admission, BeaconKeyRecord
from coprocessor.protocol.terms import MAX_EVIDENCE_AGE, is_too_old
from coprocessor.values.errors import CallerMisuse, CoprocessorError, EvidenceRefused, MalformedInput
from coprocessor.values.identities import Address, Digest, checked_address, checked_digest
from coprocessor.values.network import Network

__all__ = ["ADMISSION_SECONDS", "TICKET_WINDOW", "GatekeeperCore", "GatekeeperSurroundings"]

ADMISSION_SECONDS = 7 * 86_400
"""How long an admission lasts; a worker renews it by new evidence (DESIGN 5)."""


TICKET_WINDOW = 32
"""Blocks behind the newest one for which a ticket is given: gatekeepers do not see a block at the same moment."""


class GatekeeperSurroundings:
    """What the measured loop gives to the core.

    Args:
        entropy: random bytes from inside the boundary.
        seal_key: 32 bytes, bound to platform and measurement.
        platform: 32 bytes, id of the machine.
        simulated: the hardware is simulated.
    """

    def __init__(self, *, entropy: Entropy, seal_key: bytes, platform: bytes, simulated: bool) -> None:
        self.entropy = entropy
        self.seal_key = seal_key
        self.platform = platform
        self.simulated = simulated


class GatekeeperCore:
    """A gatekeeper's enclave from boot to stop."""

    def __init__(self, surroundings: GatekeeperSurroundings) -> None:
        self._around = surroundings
        self._state: _Gatekeeper | None = None

    def handle(self, message: Any) -> list[Any]:
        """The reply to ``message``; errors of this package become ``Failure`` and change nothing."""
        try:
            if isinstance(message, m.BootGatekeeper):
                return [self._boot(message)]
            return [self._booted().handle(message)]
        except CoprocessorError as error:
            return [m.Failure(error.code, error.what, error.why, error.next)]

    def work(self) -> list[Any]:
        """A gatekeeper works only when asked."""
        return []

    def claims(self) -> ReportClaims:
        """What evidence must bind now (PROTOCOL 1.2)."""
        return self._booted().claims()

    def memory_claims(self) -> ReportClaims:
        """What evidence must bind that shows the key of this memory (PROTOCOL 9.5)."""
        return self._booted().memory_claims()

    def chain_time(self) -> int:
        """Timestamp of the newest finalised block, seconds."""
        return self._booted().view.head.timestamp

    def _booted(self) -> _Gatekeeper:
        if self._state is None:
            raise CallerMisuse("enclave.not_booted", "a message came before BootGatekeeper")
        return self._state

    def _boot(self, message: m.BootGatekeeper) -> m.Booted:
        if self._state is not None:
            raise CallerMisuse("enclave.booted", "this enclave was booted before", next="start another process")
        network = read_network(message.network, simulated=self._around.simulated)
        operator = Address(checked_address(message.operator, "operator"))
        self._state = _Gatekeeper(self._around, network, operator, message.sealed_share)
        return introduce(self._state.keys, self._around.platform, simulated=self._around.simulated)


class _Gatekeeper:
    """Everything of one booted gatekeeper."""

    def __init__(self, around: GatekeeperSurroundings, network: Network, operator: Address, sealed: bytes) -> None:
        self._around = around
        self._configuration = network.configuration
        self._insecure = network.configuration.allow_simulated
        self._operator = operator
        self.view = ChainView(network.configuration)
        self._policy = NetworkPolicy(network.configuration, self.view)
        self.custody = KeyCustody(
            network.configuration, self.view, self._judge, around.entropy, around.seal_key, network, sealed
        )
        self._duty: BeaconDuty | None = None
        self._handlers: dict[type, Callable[[Any], Any]] = {
            m.Headers: self._on_headers,
            m.ChainProof: self._on_proof,
            m.GetStatus: lambda _: self._status(),
            m.Genesis: self.custody.sign_genesis,
            m.Ceremony: self.custody.step_ceremony,
            m.SealKeys: lambda _: self.custody.seal_keys(),
            m.VerifyCandidate: lambda message: self.custody.verify_candidate(message.candidate),
            m.SignHandover: lambda _: self.custody.sign_handover(),
            m.Handover: self.custody.step_handover,
            m.Admit: self._on_admit,
            m.GiveTicket: self._on_ticket,
            m.GetCustody: lambda _: self.custody.rest.standing(),
            m.MakeOffers: lambda message: self.custody.rest.make_offers(self.keys, message.presences),
            m.KeepPiece: lambda message: self.custody.rest.keep(self.keys, message),
            m.CountReceipts: self.custody.count_receipts,
            m.ShareKept: lambda _: self.custody.rest.confirm(self.keys),
            m.ConfirmPad: self.custody.rest.forget,
            m.GivePiece: lambda message: self.custody.rest.give(self.keys, message),
            m.TakePieces: self.custody.take_pieces,
            m.BeaconCeremony: lambda message: self._beacon().look(message),
            m.SignBeacon: lambda message: self._beacon().sign(message),
            m.Release: lambda message: m.Released(self.custody.releases.release(message.request)),
        }

    def handle(self, message: Any) -> Any:
        handler = self._handlers.get(type(message))
        if handler is None:
            raise MalformedInput("message.unexpected", f"a gatekeeper takes no {type(message).__name__} here")
        return handler(message)

    @property
    def keys(self) -> EnclaveKeys:
        """The enclave's own."""
        return self.custody.keys

    def claims(self) -> ReportClaims:
        return self.view.claims(self._operator, self.keys)

    def memory_claims(self) -> ReportClaims:
        """Over ``Gatekeeping`` in place of ``Registry``, so that neither kind of evidence passes for the other."""
        contract = self._configuration.contract("Gatekeeping").address
        return replace(self.claims(), registry=contract, sealing_key=self.custody.rest.memory.public_key)

    def _on_headers(self, message: m.Headers) -> m.Head:
        head = self.view.extend(message)
        return m.Head(head.number, head.hash)

    def _on_proof(self, message: m.ChainProof) -> m.ProofAccepted:
        self.view.accept(message)
        self.custody.notice_revocation()
        return m.ProofAccepted(message.block_number)

    # ---- admission and tickets

    def _on_admit(self, message: m.Admit) -> m.AdmissionSigned:
        self.custody.check_standing()
        self._check_age(message)
        verdict = self._judge(message, message.role)
        admission = Admission(
            operator=Address(message.operator),
            platform=verdict.platform_id,
            role=message.role,
            signer=Address(message.signer),
            sealing_key=message.sealing_key,
            evidence_digest=verdict.body_digest,
            measurement=verdict.measurement_digest,
            root=verdict.root,
            level=verdict.level,
            simulated=verdict.simulated,
            configuration=compute_configuration_hash(self._configuration),
            block_number=message.block_number,
            block_hash=Digest(message.block_hash),
            expires=self.view.timestamp(message.block_number) + ADMISSION_SECONDS,  # the same at every gatekeeper
        )
        registry = self._configuration.contract("Registry").address
        signature = self.keys.signing.sign(admission.digest(self._configuration.chain_id, registry))
        return m.AdmissionSigned(**asdict(admission), signature=signature)

    def _check_age(self, message: m.Admit) -> None:
        """Evidence that was shown before says nothing of the machine now; ``Registry`` takes it no longer either."""
        head = self.view.head.number
        if is_too_old(message.block_number, head):
            raise EvidenceRefused(
                "admission.old_block",
                f"the evidence is over block {message.block_number}, the chain is at {head}",
                f"it is old or replayed: it counts for {MAX_EVIDENCE_AGE} blocks",
                "attest again over the newest block",
            )

    def _judge(
        self, message: m.Admit, role: int, *, at_genesis: bool = False, of_memory: bool = False
    ) -> Verdict:
        if role not in (ROLE_WORKER, ROLE_GATEKEEPER) or message.role != role:
            raise MalformedInput("admission.role", f"{message.role} is no role that can be admitted here")
        claims = ReportClaims(
            configuration=compute_configuration_hash(self._configuration),
            registry=self._configuration.contract("Gatekeeping" if of_memory else "Registry").address,
            operator=Address(message.operator),
            signing_key=message.signing_key,
            sealing_key=message.sealing_key,
            checkpoint_hash=Digest(message.checkpoint_hash),
            block_hash=Digest(message.block_hash),
            block_number=message.block_number,
        )
        if claims.signer != message.signer:
            raise EvidenceRefused("admission.signer", "the signing address is not that of the signing key")
        for number, block_hash in (
            (message.checkpoint_number, message.checkpoint_hash),
            (message.block_number, message.block_hash),
        ):
            if not self.view.is_known(number, block_hash):
                raise EvidenceRefused(
                    "admission.unknown_block",
                    f"block {number} with hash 0x{block_hash.hex()} is not on this gatekeeper's finalised chain",
                    "the enclave was shown another chain, or one of the two is behind, or the block is too old",
                    "restart the enclave with fresh headers and ask again",
                )
        evidence, report_data = decode_evidence(message.evidence), claims.compute()
        if at_genesis:
            return self._policy.judge_first(evidence, report_data)
        if of_memory:
            return self._policy.judge_member(evidence, report_data)
        return self._policy.judge(evidence, report_data, claims.operator, claims.signer)

    def _beacon(self) -> BeaconDuty:
        self.custody.check_standing()
        network = self.custody.network
        if network is None:
            raise CallerMisuse("gatekeeper.no_network", "there is no network before genesis")
        if self._duty is None:
            self._duty = BeaconDuty(
                network, self._insecure, self.view, self.keys, self.custody.share_of, self._sign_for_beacon
            )
        return self._duty

    def _sign_for_beacon(self, record: BeaconKeyRecord) -> bytes:
        beacon = self._configuration.contract("Beacon").address
        return self.keys.signing.sign(record.digest(self._configuration.chain_id, beacon))

    def _on_ticket(self, message: m.GiveTicket) -> m.TicketGiven:
        self.custody.check_standing()
        network = self.custody.network
        if network is None:
            raise CallerMisuse("gatekeeper.no_network", "there is no network before genesis")
        block = self._ticket_block(message.block_number)
        nonce = Digest(checked_digest(message.nonce, "nonce"))
        ticket = Ticket(network, nonce, block.number, block.hash, self._insecure)
        return m.TicketGiven(encode_signed_ticket(SignedTicket(ticket, (sign_ticket(ticket, self.keys.signing),))))

    def _ticket_block(self, number: int) -> Header:
        """The block that is asked for, if this enclave has it and it is recent (PROTOCOL 2.4)."""
        head = self.view.head
        header = self.view.header(number) if number else head
        if number > head.number:
            raise EvidenceRefused(
                "ticket.ahead",
                f"block {number} is asked for, this gatekeeper has seen {head.number}",
                "its chain is behind",
                "ask again in a moment",
            )
        if header is None or head.number - header.number > TICKET_WINDOW:
            raise EvidenceRefused(
                "ticket.behind",
                f"block {number} is asked for, the chain is at {head.number}",
                f"a ticket vouches for one of the last {TICKET_WINDOW} blocks",
                "bring the enclave to the newest block",
            )
        return header

    def _status(self) -> m.Status:
        has_keys = self.custody.share is not None
        return m.Status(self.view.head.number, 0, 0, 0, 0, has_keys, bytes(32))
