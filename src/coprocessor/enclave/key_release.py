"""Release of partial keys: who asks, for what, against which ticket (PROTOCOL 2.4, 8.2)."""

from __future__ import annotations

from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.enclave.chain_view import ChainView
from coprocessor.enclave.network_policy import find_distrusted, find_version
from coprocessor.enclave.proven_committee import proven_committee
from coprocessor.keys.release import KeyRequest, answer_request, decode_request, encode_response, verify_request
from coprocessor.keys.shares import KeyShare
from coprocessor.keys.tickets import verify_ticket
from coprocessor.protocol import layout
from coprocessor.protocol.statements import ROLE_WORKER
from coprocessor.protocol.terms import has_ended, is_version_taken
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import ClusterId, Digest, NetworkId, WorkerId

__all__ = ["MAX_TICKET_AGE", "KeyReleases"]

MAX_TICKET_AGE = 256
"""Blocks between a ticket's block and the newest one at which it still serves."""


class KeyReleases:
    """One gatekeeper's answers to key requests, and its memory of them.

    Args:
        network: 32 bytes.
        insecure: the network allows simulated hardware.
        view: this enclave's own finalised chain.
        share: what it signs partials with.
        signing: what it signs answers with.
    """

    def __init__(
        self, network: NetworkId, insecure: bool, view: ChainView, share: KeyShare, signing: PrivateKey
    ) -> None:
        self._network = network
        self._insecure = insecure
        self._view = view
        self._share = share
        self._signing = signing
        self._tickets: dict[Digest, int] = {}
        self._released: dict[tuple[WorkerId, bytes, bytes, int], tuple[Digest, bytes]] = {}

    def replace_share(self, share: KeyShare) -> None:
        """From now on parts are signed with another share of the same key; what was answered stays answered."""
        self._share = share

    def release(self, encoded: bytes) -> bytes:
        """The encoded answer; the same request gets the same answer again, since an answer can be lost on the way.

        Raises:
            EvidenceRefused: any of the rules does not hold.
            MalformedInput: not a request.
        """
        request = decode_request(encoded)
        if request.identity.network != self._network or request.identity.insecure != self._insecure:
            raise EvidenceRefused("release.foreign_network", "the request is for another network")
        key = (request.worker, request.identity.cluster, request.sealing_key, request.identity.epoch)
        self._forget_closed(request.identity.cluster)
        answered = self._released.get(key)
        if answered is not None:
            if answered[0] == request.digest:
                return answered[1]
            raise EvidenceRefused(
                "release.again",
                "this epoch's key was released to this admission before",
                "one release each (PROTOCOL 8.2)",
                "restart the enclave; new keys need a new admission",
            )
        self._check_member(request)
        self._check_ticket(request)
        answer = encode_response(answer_request(request, self._share, self._signing))
        self._tickets[request.ticket.ticket.digest] = request.ticket.ticket.block_number
        self._released[key] = (request.digest, answer)
        return answer

    def _forget_closed(self, cluster: ClusterId) -> None:
        """Answers of epochs that are closed are given to nobody again, not even to whom they were given."""
        slot = layout.cluster_field(cluster, "first_open")
        first_open = self._view.value("Clusters", slot) if self._view.has("Clusters", slot) else 1
        for key in [key for key in self._released if key[1] == cluster and key[3] < first_open]:
            del self._released[key]

    def _check_member(self, request: KeyRequest) -> None:
        """The worker is admitted with exactly these keys, unrevoked, unexpired, trusted, and a member now."""
        worker, cluster, view = request.worker, request.identity.cluster, self._view
        fresh = request.ticket.ticket.block_number

        def field(name: str) -> int:
            return self._fresh("Registry", layout.registry_worker(worker, name), fresh)

        verify_request(request, view.address("Registry", layout.registry_worker(worker, "signer")))
        field("signer")
        joined = self._fresh("Clusters", layout.cluster_member(cluster, worker), fresh)
        epoch = self._fresh("Clusters", layout.cluster_field(cluster, "epoch"), fresh)
        first_open = self._fresh("Clusters", layout.cluster_field(cluster, "first_open"), fresh)
        root, measurement, platform = (field(name).to_bytes(32, "big") for name in ("root", "measurement", "platform"))

        def policy(slot: bytes) -> int:
            return self._fresh("Registry", slot, fresh)

        distrusted = find_distrusted(root, measurement, platform, policy, view.head.timestamp)
        version, _ = find_version(view.configuration, measurement, policy, view.head.timestamp)
        least = policy(layout.registry_policy("minimum_version"))
        problems = {
            "its sealing key is another one": field("sealing_key").to_bytes(32, "big") != request.sealing_key,
            "it is no worker": field("role") != ROLE_WORKER,
            "it is revoked": field("revoked") != 0,
            f"the network distrusts {distrusted}": distrusted is not None,
            f"its measurement's version {version} is below {max(least, 1)}": not is_version_taken(version, least),
            "its admission has expired": has_ended(field("expires"), view.head.timestamp),
            "it is no member of the cluster": joined == 0,
            "the epoch has not begun": request.identity.epoch > epoch,
            "the epoch is closed": request.identity.epoch < first_open,
        }
        for problem, holds in problems.items():
            if holds:
                raise EvidenceRefused(
                    "release.refused",
                    f"worker 0x{worker.hex()} gets no key of epoch {request.identity.epoch}: {problem}",
                    next="check the worker's admission and membership on the chain",
                )

    def _fresh(self, contract: str, slot: bytes, number: int) -> int:
        proven = self._view.slot(contract, slot)
        if proven.block_number < number:
            raise EvidenceRefused(
                "release.stale_proof",
                f"{contract} was proven at block {proven.block_number}, the ticket is of block {number}",
                next="prove the worker's record under a newer block",
            )
        return proven.value

    def _check_ticket(self, request: KeyRequest) -> None:
        ticket = request.ticket.ticket
        head = self._view.head
        for old in [digest for digest, number in self._tickets.items() if number + MAX_TICKET_AGE < head.number]:
            del self._tickets[old]
        if not self._view.is_known(ticket.block_number, ticket.block_hash):
            raise EvidenceRefused("ticket.unknown_block", "the ticket's block is not on this gatekeeper's chain")
        if ticket.block_number + MAX_TICKET_AGE < head.number:
            raise EvidenceRefused(
                "ticket.old", f"the ticket is of block {ticket.block_number}, the chain at {head.number}"
            )
        if ticket.digest in self._tickets:
            raise EvidenceRefused("ticket.used", "this ticket has served before")
        gatekeepers = proven_committee(self._view)
        gatekeepers.check_as_of(ticket.block_number)
        verify_ticket(request.ticket, gatekeepers.standing, gatekeepers.threshold)
