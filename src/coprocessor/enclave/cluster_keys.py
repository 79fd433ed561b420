"""How a worker's enclave comes to the keys of an epoch: nonce, tickets, request, partials (PROTOCOL 2.4, 8.2).

All that it believes of the gatekeepers stands in proven slots of ``Gatekeeping``: their signing keys, the threshold,
the hash of the master public key.
"""

from __future__ import annotations

from collections.abc import Sequence

from coprocessor.crypto.bls import check_public_key
from coprocessor.crypto.hashing import keccak256
from coprocessor.enclave.chain_view import ChainView
from coprocessor.enclave.identity import EnclaveKeys, Entropy
from coprocessor.keys.derivation import ClusterKeys, derive_cluster_keys
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.keys.partial import combine_partials
from coprocessor.keys.release import KeyRequest, build_request, decode_response, encode_request, open_response
from coprocessor.keys.shares import CommitteeKeys
from coprocessor.keys.tickets import SignedTicket, decode_signed_ticket, verify_ticket
from coprocessor.protocol import layout
from coprocessor.values.errors import CallerMisuse, EvidenceRefused, MalformedInput
from coprocessor.values.identities import Address, ClusterId, Digest, NetworkId, WorkerId

__all__ = ["ClusterKeyAcquisition", "proven_gatekeepers"]

MAX_GATEKEEPERS = 32


def proven_gatekeepers(view: ChainView) -> tuple[int, tuple[Address, ...]]:
    """Threshold and the members' signing addresses, in member order, from proven slots.

    Raises:
        EvidenceRefused: a slot was not proven, or the committee is not set up.
    """
    threshold = view.value("Gatekeeping", layout.gatekeeping_threshold())
    count = view.value("Gatekeeping", layout.gatekeeping_member_count())
    if not 0 < threshold <= count <= MAX_GATEKEEPERS:
        raise EvidenceRefused("keys.no_committee", f"the chain has {count} gatekeepers with a threshold of {threshold}")
    members = tuple(
        view.address("Gatekeeping", layout.gatekeeping_member(index, "signer")) for index in range(count)
    )
    return threshold, members


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

    def make_nonce(self) -> Digest:
        """A fresh nonce; an earlier one is forgotten."""
        self._nonce = Digest(self._entropy(32))
        self._request = None
        return self._nonce

    def make_request(self, view: ChainView, worker: WorkerId, epoch: int, tickets: Sequence[bytes]) -> bytes:
        """A signed request for the key of ``epoch``.

        Args:
            tickets: one of each answering gatekeeper, over one and the same block.

        Raises:
            CallerMisuse: no nonce is under way.
            EvidenceRefused: fewer than t gatekeepers vouch for a block on this enclave's chain.
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
        threshold, gatekeepers = proven_gatekeepers(view)
        verify_ticket(ticket, gatekeepers, threshold)
        identity = ClusterIdentity(self._network, self._cluster, epoch, self._insecure)
        self._nonce = None
        self._request = build_request(identity, worker, self._keys.sealing.public_key, ticket, self._keys.signing)
        return encode_request(self._request)

    def combine(
        self, view: ChainView, master_key: bytes, share_keys: Sequence[bytes], responses: Sequence[bytes]
    ) -> ClusterKeys:
        """The keys of the epoch that was asked for.

        Raises:
            CallerMisuse: no request is under way.
            EvidenceRefused: keys that are not the chain's, or fewer than t usable partials.
        """
        if self._request is None:
            raise CallerMisuse("keys.no_request", "partials came before a request", next="ask with tickets first")
        threshold, gatekeepers = proven_gatekeepers(view)
        if keccak256(master_key) != view.digest("Gatekeeping", layout.gatekeeping_master_key_hash()):
            raise EvidenceRefused(
                "keys.foreign_master", "the master public key is not the one that the chain commits to"
            )
        shares = tuple((index, check_public_key(key)) for index, key in enumerate(share_keys, start=1))
        committee = CommitteeKeys(threshold, check_public_key(master_key), shares)
        partials = []
        for encoded in responses:
            response = decode_response(encoded)
            if not 1 <= response.index <= len(gatekeepers):
                raise MalformedInput("keys.index", f"there is no gatekeeper {response.index}")
            gatekeeper = gatekeepers[response.index - 1]
            partials.append(open_response(self._request, response, self._keys.sealing, gatekeeper))
        identity = self._request.identity
        combined = combine_partials(committee, identity, partials)
        self._request = None
        return derive_cluster_keys(combined.signature, identity, committee.group)


def _merge(encoded: Sequence[bytes]) -> SignedTicket:
    if not 0 < len(encoded) <= MAX_GATEKEEPERS:
        raise MalformedInput("ticket.count", f"1 to {MAX_GATEKEEPERS} tickets are needed, {len(encoded)} came")
    tickets = [decode_signed_ticket(data) for data in encoded]
    first = tickets[0].ticket
    if any(ticket.ticket != first for ticket in tickets):
        raise EvidenceRefused("ticket.blocks_differ", "the tickets vouch for different blocks", next="ask again")
    return SignedTicket(first, tuple(signature for ticket in tickets for signature in ticket.signatures))
