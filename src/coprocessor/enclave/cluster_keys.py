"""How a worker's enclave comes to the keys of an epoch: nonce, tickets, request, partials (PROTOCOL 2.4, 8.2).

All that it believes of the gatekeepers stands in proven slots of ``Gatekeeping``: their signing keys, the threshold,
who is revoked, the hash of the master public key. What a revoked one signs or gives counts for nothing. Parts are
sealed to a key that is made for one request and forgotten with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from coprocessor.crypto.bls import BlsPublicKey
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.hpke import KEY_LENGTH, SealingKey
from coprocessor.enclave.chain_view import ChainView
from coprocessor.enclave.identity import EnclaveKeys, Entropy
from coprocessor.enclave.proven_committee import MAX_GATEKEEPERS, ProvenCommittee, proven_committee
from coprocessor.keys.derivation import ClusterKeys, derive_cluster_keys
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.keys.partial import MAX_PARTIALS, PartialSignature, combine_partials
from coprocessor.keys.release import KeyRequest, build_request, decode_response, encode_request, open_response
from coprocessor.keys.shares import CommitteeKeys
from coprocessor.keys.tickets import SignedTicket, Ticket, decode_signed_ticket, verify_ticket
from coprocessor.protocol import layout
from coprocessor.protocol.statements import NO_SHARE
from coprocessor.values.errors import CallerMisuse, CoprocessorError, EvidenceRefused, MalformedInput
from coprocessor.values.identities import ClusterId, Digest, NetworkId, WorkerId

__all__ = ["ClusterKeyAcquisition"]


class ClusterKeyAcquisition:
    """One worker's way to its cluster's keys; holds the nonce and the request that are under way."""

    def __init__(
        self, network: NetworkId, cluster: ClusterId, insecure: bool, keys: EnclaveKeys, entropy: Entropy
    ) -> None:
        self._network = network
        self._cluster = cluster
        self._insecure = insecure
        self._keys = keys
        self._entropy = entropy
        self._nonce: Digest | None = None
        self._request: KeyRequest | None = None
        self._answer: SealingKey | None = None

    def make_nonce(self) -> Digest:
        """A fresh nonce; an earlier one is forgotten."""
        self._nonce = Digest(self._entropy(32))
        self._request = self._answer = None
        return self._nonce

    def make_request(self, view: ChainView, worker: WorkerId, epoch: int, tickets: Sequence[bytes]) -> bytes:
        """A signed request for the key of ``epoch``.

        Args:
            tickets: one of each answering gatekeeper, over one and the same block.

        Raises:
            CallerMisuse: no nonce is under way.
            EvidenceRefused: fewer than t unrevoked gatekeepers vouch for a block on this enclave's chain, or they were
                proven under an older block.
        """
        if self._nonce is None:
            raise CallerMisuse("keys.no_nonce", "tickets came before a nonce was made", next="ask for a nonce first")
        ticket = _merge(tickets)
        if ticket.ticket.nonce != self._nonce or ticket.ticket.network != self._network:
            raise EvidenceRefused("ticket.foreign", "the tickets are for another nonce or network")
        if not view.is_known(ticket.ticket.block_number, ticket.ticket.block_hash):
            raise EvidenceRefused(
                "ticket.unknown_block",
                f"gatekeepers vouch for block {ticket.ticket.block_number}, which is not on this enclave's chain",
                "the enclave is behind, or is shown another chain than the gatekeepers",
                "send newer headers and ask again",
            )
        gatekeepers = proven_committee(view)
        gatekeepers.check_as_of(ticket.ticket.block_number)
        verify_ticket(ticket, gatekeepers.standing, gatekeepers.threshold)
        identity = ClusterIdentity(self._network, self._cluster, epoch, self._insecure)
        self._nonce = None
        self._answer = SealingKey(self._entropy(KEY_LENGTH))
        sealing_keys = (self._keys.sealing.public_key, self._answer.public_key)
        self._request = build_request(identity, worker, sealing_keys, ticket, self._keys.signing)
        return encode_request(self._request)

    def combine(
        self, view: ChainView, master_key: bytes, share_keys: Sequence[bytes], responses: Sequence[bytes]
    ) -> tuple[ClusterKeys, tuple[int, ...]]:
        """The keys of the epoch that was asked for, and the gatekeepers whose parts were wrong.

        Raises:
            CallerMisuse: no request is under way.
            EvidenceRefused: keys that are not the chain's, or ``keys.not_enough_partials``: fewer than t usable ones.
                The request stays open: further parts can be given with those that came.
        """
        if self._request is None or self._answer is None:
            raise CallerMisuse("keys.no_request", "partials came before a request", next="ask with tickets first")
        gatekeepers = proven_committee(view)
        if keccak256(master_key) != view.digest("Gatekeeping", layout.gatekeeping_master_key_hash()):
            raise EvidenceRefused(
                "keys.foreign_master", "the master public key is not the one that the chain commits to"
            )
        if len(responses) > MAX_PARTIALS:
            raise MalformedInput("keys.too_many_partials", f"more than {MAX_PARTIALS} parts of one key")
        held = [(index, key) for index, key in enumerate(share_keys, start=1) if key != NO_SHARE]
        shares = tuple((index, BlsPublicKey(key)) for index, key in held)
        committee = CommitteeKeys(gatekeepers.threshold, BlsPublicKey(master_key), shares)
        opened = [self._open(self._request, self._answer, encoded, gatekeepers) for encoded in responses]
        identity = self._request.identity
        combined = combine_partials(committee, identity, [partial for partial in opened if partial is not None])
        self._request = self._answer = None
        return derive_cluster_keys(combined.signature, identity, committee.group), combined.culprits

    def _open(
        self, request: KeyRequest, answer_key: SealingKey, encoded: bytes, gatekeepers: ProvenCommittee
    ) -> PartialSignature | None:
        """One gatekeeper's part, or None: what cannot be opened must not spoil the parts of the others."""
        try:
            response = decode_response(encoded)
            signer = gatekeepers.standing_at(response.index)
            return None if signer is None else open_response(request, response, answer_key, signer)
        except CoprocessorError:
            return None


def _merge(encoded: Sequence[bytes]) -> SignedTicket:
    if not 0 < len(encoded) <= MAX_GATEKEEPERS:
        raise MalformedInput("ticket.count", f"1 to {MAX_GATEKEEPERS} tickets are needed, {len(encoded)} came")
    groups: dict[Ticket, list[bytes]] = {}
    for data in encoded:
        signed = decode_signed_ticket(data)
        groups.setdefault(signed.ticket, []).extend(signed.signatures[:1])  # each gatekeeper gives its own
    ticket, signatures = max(groups.items(), key=lambda group: len(group[1]))  # a lone liar's ticket is left out
    return SignedTicket(ticket, tuple(signatures))
