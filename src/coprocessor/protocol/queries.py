"""Queries: sealed to the program, answered by one worker, signed and bound (PROTOCOL 2.3).

The reply says for which finalised block, link and root it holds; a client that gave a block it knows by itself can
tell a stale or forked worker from an honest one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from coprocessor.codec import cbor
from coprocessor.crypto import hpke
from coprocessor.crypto.aead import NONCE_LENGTH, SivKey, pad_to_bucket, unpad
from coprocessor.crypto.hashing import hmac_sha256, keccak256, sha256
from coprocessor.crypto.hkdf import hkdf_derive
from coprocessor.crypto.labels import Label
from coprocessor.crypto.secp256k1 import SIGNATURE_LENGTH, PrivateKey, recover_address
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from coprocessor.values.identities import Address, ClusterId, Digest, NetworkId, ProgramId, StateRoot, WorkerId

__all__ = ["MAX_QUERY", "Query", "QueryReply", "open_query", "open_reply", "seal_query", "seal_reply"]

MAX_QUERY = 128 * 1024
"""Bytes of one sealed query."""


@dataclass(frozen=True, slots=True)
class Query:
    """What a client asks.

    Args:
        method: 4 bytes.
        arguments: as the program's interface encodes them.
        block_number: finalised block that the client knows independently of the worker.
        block_hash: 32 bytes.
        reply_secret: 32 random bytes that seal the reply.
        caller_signature: 65 bytes over the query, or empty for an anonymous caller.
    """

    method: bytes
    arguments: bytes
    block_number: int
    block_hash: Digest
    reply_secret: bytes
    caller_signature: bytes = b""

    def digest(self, network: NetworkId, program: ProgramId) -> Digest:
        """Identifies the query; the caller signs it, the reply repeats it."""
        body = cbor.dumps(
            [self.method, self.arguments, self.block_number, self.block_hash, sha256(self.reply_secret)]
        )
        return keccak256(Label.QUERY_SIGNATURE.context(network, b"query", program, body))

    def caller(self, network: NetworkId, program: ProgramId) -> Address:
        """Who signed, or the zero address for an anonymous query. Raises EvidenceRefused on a bad signature."""
        if not self.caller_signature:
            return Address(bytes(20))
        return recover_address(self.digest(network, program), self.caller_signature)


def seal_query(query: Query, network: NetworkId, program: ProgramId, epoch: int, input_key: bytes) -> bytes:
    """``query`` sealed to the program's input key of ``epoch``."""
    plaintext = cbor.dumps(
        [
            query.method,
            query.arguments,
            query.block_number,
            query.block_hash,
            query.reply_secret,
            query.caller_signature,
        ]
    )
    return hpke.seal(plaintext, input_key, _info(network, program, epoch))


def open_query(sealed: bytes, network: NetworkId, program: ProgramId, epoch: int, key: hpke.SealingKey) -> Query:
    """The query inside ``sealed``.

    Raises:
        EvidenceRefused: sealed for another network, program or epoch.
        MalformedInput: not a query.
    """
    fields = cbor.loads(key.open(sealed, _info(network, program, epoch)), MAX_QUERY)
    kinds = [bytes, bytes, int, bytes, bytes, bytes]
    if not isinstance(fields, list) or [type(field) for field in fields] != kinds:
        raise MalformedInput("query.shape", "a query has six fields of fixed types")
    query = Query(*fields)
    if len(query.method) != 4 or len(query.block_hash) != 32 or len(query.reply_secret) != 32:
        raise MalformedInput("query.shape", "method, block hash or reply secret has a wrong length")
    if query.block_number < 0 or len(query.caller_signature) not in (0, SIGNATURE_LENGTH):
        raise MalformedInput("query.shape", "the block number is negative or the signature has a wrong length")
    return query


@dataclass(frozen=True, slots=True)
class QueryReply:
    """A signed answer.

    Args:
        network: 32 bytes.
        cluster: 32 bytes.
        program: 32 bytes.
        query_digest: ``Query.digest`` of what was asked.
        block_number: the client's block, which is on the enclave's verified chain.
        block_hash: 32 bytes.
        executed_links: links executed when it was answered.
        executed_block: finalised block up to which the inbox is executed.
        state_root: after those links.
        worker: 32 bytes.
        epoch: of the cluster's keys.
        status: 0 ok, else as ``Status``.
        fuel: burnt.
        sealed_result: opens with the query's reply secret.
        signature: 65 bytes by the worker's enclave.
    """

    network: NetworkId
    cluster: ClusterId
    program: ProgramId
    query_digest: Digest
    block_number: int
    block_hash: Digest
    executed_links: int
    executed_block: int
    state_root: StateRoot
    worker: WorkerId
    epoch: int
    status: int
    fuel: int
    sealed_result: bytes
    signature: bytes = b""

    def digest(self) -> Digest:
        """What the enclave signs."""
        body = cbor.dumps(self._fields()[1:])
        return keccak256(Label.QUERY_SIGNATURE.context(self.network, b"reply", body))

    def signed(self, key: PrivateKey) -> QueryReply:
        """The reply with the enclave's signature."""
        return replace(self, signature=key.sign(self.digest()))

    def signer(self) -> Address:
        """Who signed. Raises EvidenceRefused on a bad signature."""
        return recover_address(self.digest(), self.signature)

    def encode(self) -> bytes:
        """The wire form."""
        return cbor.dumps([*self._fields(), self.signature])

    @staticmethod
    def decode(data: bytes) -> QueryReply:
        """Raises MalformedInput where ``data`` is not a reply."""
        fields = cbor.loads(data, MAX_QUERY)
        kinds = [bytes, bytes, bytes, bytes, int, bytes, int, int, bytes, bytes, int, int, int, bytes, bytes]
        if not isinstance(fields, list) or [type(field) for field in fields] != kinds:
            raise MalformedInput("reply.shape", "a query reply has fifteen fields of fixed types")
        reply = QueryReply(*fields)
        digests: list[bytes] = [reply.network, reply.cluster, reply.program, reply.query_digest]
        digests += [reply.block_hash, reply.state_root, reply.worker]
        if any(len(digest) != 32 for digest in digests) or any(type(f) is int and f < 0 for f in fields):
            raise MalformedInput("reply.shape", "a digest of a query reply has a wrong length, or a number is negative")
        return reply

    def _fields(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__slots__ if name != "signature")


def seal_reply(result: bytes, query: Query, network: NetworkId, query_digest: bytes) -> bytes:
    """``result`` sealed under the query's reply secret."""
    key, nonce_key = _reply_keys(query.reply_secret, network, query_digest)
    padded = pad_to_bucket(result)
    nonce = hmac_sha256(nonce_key, padded)[:NONCE_LENGTH]
    return nonce + SivKey(key).seal(nonce, padded, query_digest)


def open_reply(sealed: bytes, reply_secret: bytes, network: NetworkId, query_digest: bytes) -> bytes:
    """The result inside a reply. Raises EvidenceRefused where it was made for another query or altered."""
    if len(sealed) < NONCE_LENGTH:
        raise EvidenceRefused("reply.open", "the sealed result is too short")
    key, _ = _reply_keys(reply_secret, network, query_digest)
    return unpad(SivKey(key).open(sealed[:NONCE_LENGTH], sealed[NONCE_LENGTH:], query_digest))


def _reply_keys(reply_secret: bytes, network: NetworkId, query_digest: bytes) -> tuple[bytes, bytes]:
    block = hkdf_derive(reply_secret, Label.QUERY_REPLY.context(network, query_digest), 64)
    return block[:32], block[32:]


def _info(network: NetworkId, program: ProgramId, epoch: int) -> bytes:
    return Label.SEALED_QUERY.context(network, program, epoch.to_bytes(8, "big"))
