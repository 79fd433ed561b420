"""Release of a cluster's key: a worker asks each gatekeeper, each answers with its sealed part.

Rules:

1. A request binds network, cluster, epoch, worker, sealing key, answer key and ticket, and is signed with the worker's
   attested signing key; a response repeats the digest of the request (PROTOCOL 8.2).
2. A part is sealed by HPKE to the answer key, under a context of the request's digest and the gatekeeper's index:
   nobody but that enclave opens it, and nowhere else. The answer key is made for one request and forgotten with it:
   whoever keeps sealed parts and breaks the enclave later learns no epoch that it has erased (PROTOCOL 8.4).
3. A response is signed by the gatekeeper, so that a wrong part is a proof of its maker.

Before it answers, a gatekeeper MUST check on its own finalised chain that the worker is a current, unrevoked member
with exactly this sealing key, that the epoch is not closed, that the ticket's block is fresh enough, and that neither
this ticket nor a release of this epoch to this admission has been served before (PROTOCOL 2.4, 8.2).

**Source:** RFC 9180 for HPKE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coprocessor.codec import cbor
from coprocessor.crypto.bls import G1_LENGTH, BlsSignature, G1Element
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.hpke import KEY_LENGTH, OVERHEAD, SealingKey, seal
from coprocessor.crypto.labels import Label
from coprocessor.crypto.secp256k1 import SIGNATURE_LENGTH, PrivateKey, recover_address
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.keys.partial import PartialSignature, sign_partial
from coprocessor.keys.shares import KeyShare, check_index
from coprocessor.keys.tickets import (
    MAX_TICKET_LENGTH,
    SignedTicket,
    decode_signed_ticket,
    encode_signed_ticket,
)
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from coprocessor.values.identities import Address, ClusterId, Digest, NetworkId, WorkerId, checked_digest

__all__ = [
    "MAX_REQUEST_LENGTH",
    "MAX_RESPONSE_LENGTH",
    "KeyRequest",
    "KeyResponse",
    "answer_request",
    "build_request",
    "decode_request",
    "decode_response",
    "encode_request",
    "encode_response",
    "open_response",
    "verify_request",
]

MAX_REQUEST_LENGTH: Final = 512 + MAX_TICKET_LENGTH
MAX_RESPONSE_LENGTH: Final = 512
_SEALED_LENGTH: Final = G1_LENGTH + OVERHEAD


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """A worker's question.

    Args:
        identity: network, cluster and epoch whose key is asked for.
        worker: 32 bytes, the admitted worker.
        sealing_key: 32 bytes, its attested X25519 public key; names the admission.
        answer_key: 32 bytes, the X25519 public key that answers are sealed to; MUST be fresh, and its secret forgotten
            once the parts are combined.
        ticket: a ticket with the worker's own nonce.
        signature: 65 bytes by its attested signing key over ``digest``.
    """

    identity: ClusterIdentity
    worker: WorkerId
    sealing_key: bytes
    answer_key: bytes
    ticket: SignedTicket
    signature: bytes

    def __post_init__(self) -> None:
        checked_digest(self.worker, "worker")
        if len(self.sealing_key) != KEY_LENGTH or len(self.answer_key) != KEY_LENGTH:
            raise MalformedInput("release.sealing_key", f"sealing key and answer key have {KEY_LENGTH} bytes each")
        if len(self.signature) != SIGNATURE_LENGTH:
            raise MalformedInput("release.signature", f"a signature has {SIGNATURE_LENGTH} bytes")
        ticket = self.ticket.ticket
        if ticket.network != self.identity.network or ticket.insecure != self.identity.insecure:
            raise EvidenceRefused("release.foreign_ticket", "the ticket belongs to another network")

    @property
    def digest(self) -> Digest:
        """32 bytes: what the worker signs, and what a response answers."""
        return _request_digest(
            self.identity, self.worker, (self.sealing_key, self.answer_key), self.ticket.ticket.digest
        )


@dataclass(frozen=True, slots=True)
class KeyResponse:
    """A gatekeeper's answer.

    Args:
        request: 32 bytes, ``KeyRequest.digest``.
        index: the gatekeeper's member index.
        sealed: 96 bytes, its part, sealed to the worker.
        signature: 65 bytes by its attested signing key.
    """

    request: Digest
    index: int
    sealed: bytes
    signature: bytes

    def __post_init__(self) -> None:
        checked_digest(self.request, "request digest")
        check_index(self.index)
        if len(self.sealed) != _SEALED_LENGTH or len(self.signature) != SIGNATURE_LENGTH:
            raise MalformedInput("release.response", "the sealed part or the signature has a wrong length")


def build_request(
    identity: ClusterIdentity,
    worker: WorkerId,
    sealing_keys: tuple[bytes, bytes],
    ticket: SignedTicket,
    signing_key: PrivateKey,
) -> KeyRequest:
    """A signed request.

    Args:
        identity: whose key is wanted.
        worker: 32 bytes.
        sealing_keys: the attested sealing key and the fresh answer key, 32 bytes each.
        ticket: of the gatekeepers.
        signing_key: the attested one.

    Raises:
        MalformedInput, EvidenceRefused: the parts do not belong together.
    """
    digest = _request_digest(identity, worker, sealing_keys, ticket.ticket.digest)
    return KeyRequest(identity, worker, *sealing_keys, ticket, signing_key.sign(digest))


def verify_request(request: KeyRequest, signing_address: Address) -> None:
    """Raises EvidenceRefused unless the admitted signing key of the worker made the request (rule 1).

    What remains to check is listed at the top of this module; the ticket itself goes to ``verify_ticket``.
    """
    if recover_address(request.digest, request.signature) != signing_address:
        raise EvidenceRefused(
            "release.not_the_worker",
            "the request is not signed by the worker's admitted key",
            f"expected 0x{signing_address.hex()}",
            "the worker must register its present keys before it asks",
        )


def answer_request(request: KeyRequest, share: KeyShare, signing_key: PrivateKey) -> KeyResponse:
    """The gatekeeper's answer to a request whose checks have all passed."""
    partial = sign_partial(share, request.identity)
    sealed = seal(partial.signature, request.answer_key, _seal_context(request, share.index))
    signature = signing_key.sign(_response_digest(request.digest, share.index, sealed))
    return KeyResponse(request.digest, share.index, sealed, signature)


def open_response(
    request: KeyRequest, response: KeyResponse, answer_key: SealingKey, gatekeeper: Address
) -> PartialSignature:
    """The gatekeeper's part; whether it is right, ``combine_partials`` finds out.

    Args:
        request: what was asked.
        response: the answer.
        answer_key: the secret that the worker made for the request.
        gatekeeper: signing address of the member with the response's index.

    Raises:
        EvidenceRefused: another request's answer, not signed by that gatekeeper, or not sealed for this request.
    """
    if response.request != request.digest:
        raise EvidenceRefused("release.foreign_response", "the response answers another request")
    digest = _response_digest(response.request, response.index, response.sealed)
    if recover_address(digest, response.signature) != gatekeeper:  # rule 3
        raise EvidenceRefused(
            "release.not_the_gatekeeper",
            f"the response is not signed by gatekeeper {response.index}",
            f"expected 0x{gatekeeper.hex()}",
        )
    part = answer_key.open(response.sealed, _seal_context(request, response.index))
    return PartialSignature(response.index, BlsSignature(G1Element(part)))


def encode_request(request: KeyRequest) -> bytes:
    """Deterministic CBOR; at most ``MAX_REQUEST_LENGTH`` bytes."""
    identity, ticket = request.identity, encode_signed_ticket(request.ticket)
    head = [identity.network, identity.cluster, identity.epoch, identity.insecure]
    return cbor.dumps(
        [*head, request.worker, request.sealing_key, request.answer_key, ticket, request.signature]
    )


def decode_request(data: bytes) -> KeyRequest:
    """Inverse of ``encode_request``. Raises MalformedInput or EvidenceRefused."""
    match cbor.loads(data, MAX_REQUEST_LENGTH):
        case [
            bytes(network),
            bytes(cluster),
            int(epoch),
            bool(insecure),
            bytes(worker),
            bytes(key),
            bytes(answer_key),
            bytes(ticket),
            bytes(signature),
        ]:
            identity = ClusterIdentity(NetworkId(network), ClusterId(cluster), epoch, insecure)
            return KeyRequest(identity, WorkerId(worker), key, answer_key, decode_signed_ticket(ticket), signature)
    raise _malformed("request")


def encode_response(response: KeyResponse) -> bytes:
    """Deterministic CBOR; at most ``MAX_RESPONSE_LENGTH`` bytes."""
    return cbor.dumps([response.request, response.index, response.sealed, response.signature])


def decode_response(data: bytes) -> KeyResponse:
    """Inverse of ``encode_response``. Raises MalformedInput."""
    match cbor.loads(data, MAX_RESPONSE_LENGTH):
        case [bytes(request), int(index), bytes(sealed), bytes(signature)]:
            return KeyResponse(Digest(request), index, sealed, signature)
    raise _malformed("response")


def _request_digest(
    identity: ClusterIdentity, worker: bytes, sealing_keys: tuple[bytes, bytes], ticket: bytes
) -> Digest:
    return keccak256(identity.context(Label.RELEASE_REQUEST, b"request", worker, *sealing_keys, ticket))


def _response_digest(request: bytes, index: int, sealed: bytes) -> Digest:
    return keccak256(Label.RELEASE_REQUEST.context(b"", b"response", request, bytes((index,)), sealed))


def _seal_context(request: KeyRequest, index: int) -> bytes:
    return request.identity.context(Label.SEALED_PARTIAL, request.digest, bytes((index,)))


def _malformed(what: str) -> MalformedInput:
    return MalformedInput("release.malformed", f"the bytes are not a key {what}")
