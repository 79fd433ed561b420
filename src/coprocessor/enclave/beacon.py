"""A gatekeeper's part in the beacon: its key's ceremony, and one signature for each window (PROTOCOL 8.1, 10).

Rules enforced:
1. the ceremony is that of the present committee: its session follows from network, committee and opening block, all
   proven; its messages replay to the proven head and count (PROTOCOL 9.3);
2. all that this member says in it follows from its share of that committee's master key and the session, so nothing
   more has to be kept: a restarted enclave computes its share again from the transcript, once the pad of its master
   share has come back, and disks tell no more of this key than of the other (PROTOCOL 9.5);
3. the outcome counts once the chain has recorded it: what this enclave computed, or nothing;
4. it signs heights alone, each with the key that serves it by the proven record, and only once the block at that height
   is final on its own chain: nobody learns a value before, and there is one.
"""

from __future__ import annotations

from collections.abc import Callable

from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.hkdf import hkdf_derive
from coprocessor.crypto.labels import Label
from coprocessor.enclave import messages as m
from coprocessor.enclave.ceremony import KeyCeremony, check_replay, share_keys_of
from coprocessor.enclave.chain_view import ChainView, ProvenValue
from coprocessor.enclave.identity import EnclaveKeys
from coprocessor.enclave.sealed_share import CeremonySecret
from coprocessor.keys.beacon import BeaconRound, compute_beacon_session, sign_beacon
from coprocessor.keys.shares import KeyShare
from coprocessor.keys.transcript import Entry, Phase
from coprocessor.protocol import layout
from coprocessor.protocol.statements import BeaconKeyRecord
from coprocessor.values.errors import CallerMisuse, EvidenceRefused
from coprocessor.values.identities import Address, Digest, NetworkId

__all__ = ["BeaconDuty"]

_VARIABLES = ("session", "opened", "in_ceremony", "phase_blocks", "committee")
_MAX_MEMBERS = 32


class BeaconDuty:
    """One gatekeeper's beacon.

    Args:
        network: 32 bytes.
        insecure: the network allows simulated hardware.
        view: this enclave's own finalised chain.
        keys: the enclave's own; its signing key is a member's.
        master_share: this member's share of the master key in a committee, by its number; None where it has none.
        sign: signs the record of an outcome for ``Beacon``.
    """

    def __init__(
        self,
        network: NetworkId,
        insecure: bool,
        view: ChainView,
        keys: EnclaveKeys,
        master_share: Callable[[int], KeyShare | None],
        sign: Callable[[BeaconKeyRecord], bytes],
    ) -> None:
        self._master_share = master_share
        self._network = network
        self._insecure = insecure
        self._view = view
        self._keys = keys
        self._sign = sign
        self._shares: dict[int, KeyShare] = {}
        self._ceremony: tuple[Digest, KeyCeremony] | None = None

    def look(self, message: m.BeaconCeremony) -> m.BeaconStep:
        """How the present committee's ceremony stands, and what this member has to say now.

        Raises:
            EvidenceRefused: not this committee's ceremony, proofs of different blocks, or messages that do not replay.
            CallerMisuse: ``beacon.no_member``, ``beacon.no_master_share``.
        """
        entries = tuple(Entry(one.member, one.kind, one.block_number, one.data) for one in message.entries)
        session, committee, slots = self._proven_session()
        self._check_entries(session, entries, slots["opened"].block_number)
        ceremony = self._as_member(session)
        opened, phase_blocks = slots["opened"].value, slots["phase_blocks"].value
        look = ceremony.follow(session, entries, opened, phase_blocks, slots["opened"].block_number)
        if look.committee is None:
            return m.BeaconStep(session, look.phase, look.message, b"", (), b"", False, False, look.failure)
        keys = share_keys_of(look.committee, len(ceremony.secret.signers))
        key_hash, keys_hash = keccak256(look.committee.group), keccak256(b"".join(keys))
        if slots["committee"].value == committee:
            if self._view.digest("Beacon", layout.beacon_key(committee, "key_hash")) != key_hash:  # rule 3
                raise EvidenceRefused(
                    "beacon.foreign_key",
                    "the chain records another beacon key than the ceremony's transcript gives",
                    "the threshold of gatekeepers signed a false outcome",
                    "trust no value of this committee's",
                )
            self._hold(committee, look.share)
            self._ceremony = None  # what led to the share is erased
            has_share = look.share is not None
            return m.BeaconStep(session, Phase.OUTCOME, b"", look.committee.group, keys, b"", True, has_share, "")
        signature = b"" if look.share is None else self._sign(BeaconKeyRecord(session, key_hash, keys_hash))
        return m.BeaconStep(
            session, Phase.OUTCOME, b"", look.committee.group, keys, signature, False, look.share is not None, ""
        )

    def sign(self, message: m.SignBeacon) -> m.BeaconSigned:
        """This member's part of a height's value (rule 4).

        Raises:
            EvidenceRefused: ``beacon.not_final``, ``beacon.no_key``, or slots that were proven before the height.
            MalformedInput: ``beacon.height``.
            CallerMisuse: ``beacon.no_share``.
        """
        height = message.height
        round_ = BeaconRound(self._network, height, self._insecure)
        window = self._slot("window").value
        if height % window or height > self._view.head.number:
            raise EvidenceRefused(
                "beacon.not_final",
                f"height {height} is no final block's that begins a window of {window}",
                f"this gatekeeper's chain is at block {self._view.head.number}",
                "ask again when the block is final",
            )
        serving = self._serving(height)
        share = self._shares.get(serving)
        if share is None:
            raise CallerMisuse(
                "beacon.no_share",
                f"this gatekeeper holds no share of committee {serving}'s beacon key",
                "it is no member, the ceremony left it out, or it restarted after the key was replaced",
                "ask the other gatekeepers",
            )
        return m.BeaconSigned(height, serving, share.index, sign_beacon(share, round_).signature)

    def _serving(self, height: int) -> int:
        """The committee whose key serves a height: the newest of two that was recorded before it."""
        for name in ("committee", "former_committee"):
            number = self._slot(name)
            if number.block_number < height:
                raise EvidenceRefused(
                    "beacon.old_proof",
                    f"whose key serves was proven under block {number.block_number}, before height {height}",
                    next="send a newer ChainProof",
                )
            if number.value and self._view.value("Beacon", layout.beacon_key(number.value, "recorded")) < height:
                return number.value
        raise EvidenceRefused("beacon.no_key", f"no beacon key was recorded before height {height}")

    def _proven_session(self) -> tuple[Digest, int, dict[str, ProvenValue]]:
        """Session, committee and slots of the ceremony (rule 1)."""
        slots = {name: self._slot(name) for name in _VARIABLES}
        blocks = {slot.block_number for slot in slots.values()}
        present = self._view.slot("Gatekeeping", layout.gatekeeping_committee())
        if len(blocks) != 1 or present.block_number < min(blocks):
            raise EvidenceRefused("ceremony.blocks_differ", "the ceremony's slots were proven under different blocks")
        if self._view.digest("Gatekeeping", layout.gatekeeping_genesis()) != self._network:
            raise EvidenceRefused("genesis.network", "the chain names another network", next="ask another node")
        session = compute_beacon_session(self._network, present.value, slots["opened"].value)
        if slots["in_ceremony"].value != present.value or slots["session"].value != int.from_bytes(session, "big"):
            raise EvidenceRefused(
                "beacon.session", f"the ceremony under way is not that of committee {present.value}"
            )
        return session, present.value, slots

    def _check_entries(self, session: Digest, entries: tuple[Entry, ...], block: int) -> None:
        head = self._view.slot("Beacon", layout.beacon_transcript_head(session))
        count = self._view.slot("Beacon", layout.beacon_transcript_count(session))
        if {head.block_number, count.block_number} != {block}:
            raise EvidenceRefused("ceremony.blocks_differ", "the ceremony's slots were proven under different blocks")
        check_replay(session, entries, count.value, head.value)

    def _as_member(self, session: Digest) -> KeyCeremony:
        if self._ceremony is None or self._ceremony[0] != session:
            self._ceremony = session, self._join(session)
        return self._ceremony[1]

    def _join(self, session: Digest) -> KeyCeremony:
        view = self._view
        number = view.slot("Gatekeeping", layout.gatekeeping_committee())
        threshold = view.slot("Gatekeeping", layout.gatekeeping_threshold())
        count = view.slot("Gatekeeping", layout.gatekeeping_member_count())
        if not 1 <= count.value <= _MAX_MEMBERS:
            raise EvidenceRefused("beacon.members", f"a committee of {count.value} members is on the chain")
        places = [layout.gatekeeping_member(at, "signer") for at in range(count.value)]
        blocks = {slot.block_number for slot in (threshold, count, *(view.slot("Gatekeeping", at) for at in places))}
        if blocks != {number.block_number}:
            raise EvidenceRefused("ceremony.blocks_differ", "the committee's slots were proven under different blocks")
        signers: tuple[Address, ...] = tuple(view.address("Gatekeeping", at) for at in places)
        if self._keys.signing.address not in signers:
            raise CallerMisuse("beacon.no_member", "this gatekeeper is no member of the present committee")
        share = self._master_share(number.value)
        if share is None:
            raise CallerMisuse(
                "beacon.no_master_share",
                f"this gatekeeper holds no share of committee {number.value}'s master key",
                "all that it says in the ceremony follows from that share",
                "it takes part once it has its share; the others go on without it",
            )
        info = Label.BEACON_CEREMONY.context(self._network, session, insecure=self._insecure)
        entropy = hkdf_derive(share.secret.to_bytes(), info, 32)  # rule 2
        secret = CeremonySecret(threshold.value, signers, entropy)
        return KeyCeremony(self._network, self._insecure, self._keys, secret)

    def _hold(self, committee: int, share: KeyShare | None) -> None:
        """Keeps the shares of the last two keys."""
        if share is not None:
            self._shares[committee] = share
        for old in sorted(self._shares)[:-2]:
            del self._shares[old]

    def _slot(self, name: str) -> ProvenValue:
        return self._view.slot("Beacon", layout.beacon_variable(name))
