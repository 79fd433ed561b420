"""Code packages on the chain: published in chunks, fetched by code hash (PROTOCOL: Programs).

The code hash is h after the last chunk, where h starts at zero and becomes keccak256(h || keccak256(chunk)).
"""

from __future__ import annotations

from collections.abc import Sequence

from coprocessor.chain.contract import Contract
from coprocessor.chain.errors import ResponseMalformed
from coprocessor.chain.follower import LogReader
from coprocessor.chain.node import Node
from coprocessor.chain.sender import TransactionSender
from coprocessor.crypto.hashing import keccak256
from coprocessor.values.errors import CallerMisuse, MalformedInput, PeerUnreachable
from coprocessor.values.identities import CodeHash, to_hex

__all__ = ["CHUNK_BYTES", "MAX_CHUNKS", "compute_code_hash", "fetch_code", "publish_code", "split_code"]

MAX_CHUNKS = 64
"""Chunks of one package."""

MAX_CHUNK_BYTES = 98_304
"""Bytes of one chunk that ``Programs`` takes."""

CHUNK_BYTES = 65_536
"""Bytes of a chunk as we cut them; 40 gas a byte stay well under the gas cap of a transaction."""


def split_code(package: bytes) -> tuple[bytes, ...]:
    """The chunks of a package. Raises CallerMisuse where it is empty or too long."""
    chunks = tuple(package[at : at + CHUNK_BYTES] for at in range(0, len(package), CHUNK_BYTES))
    if not 0 < len(chunks) <= MAX_CHUNKS:
        raise CallerMisuse(
            "code.size", f"a code package has 1 to {MAX_CHUNKS * CHUNK_BYTES} bytes, this one {len(package)}"
        )
    return chunks


def compute_code_hash(chunks: Sequence[bytes]) -> CodeHash:
    """The rolling hash under which ``Programs`` knows the package, 32 bytes."""
    digest = bytes(32)
    for chunk in chunks:
        digest = keccak256(digest + keccak256(chunk))
    return CodeHash(digest)


async def publish_code(sender: TransactionSender, programs: Contract, package: bytes) -> CodeHash:
    """Publishes a package unless it is on the chain; an interrupted upload of the same sender goes on.

    Returns:
        The code hash.

    Raises:
        What ``TransactionSender.send`` raises.
    """
    chunks = split_code(package)
    code_hash = compute_code_hash(chunks)
    if await programs.read("codes", code_hash):
        return code_hash
    upload = code_hash  # one upload per sender and package, so an interrupted one is found again
    upload_key = keccak256(bytes(12) + sender.address + upload)
    _, done, closed = await programs.read("uploads", upload_key)
    if closed:
        raise MalformedInput("code.upload", f"upload {to_hex(upload)} is closed but its code is not published")
    for index in range(done, len(chunks)):
        last = index + 1 == len(chunks)
        await sender.send(programs.address, programs.encode("publish", upload, index, last, chunks[index]))
    return code_hash


async def fetch_code(node: Node, programs: Contract, code_hash: bytes, last_block: int) -> tuple[bytes, ...]:
    """The chunks of published code, checked against its hash.

    Args:
        node: where from.
        programs: the network's Programs.
        code_hash: 32 bytes.
        last_block: newest block to look at.

    Raises:
        PeerUnreachable: ``code.not_found``: the node shows no such code.
        ResponseMalformed: what it shows has another hash.
    """
    published, chunk_event = programs.interface.event("CodePublished"), programs.interface.event("CodeChunk")
    reader = LogReader(node)
    async for end, logs in reader.read([programs.address], [published.topic, code_hash], 0, last_block):
        for log in logs:
            fields = published.decode(log)
            topics = [chunk_event.topic, fields["upload_key"]]
            chunks: dict[int, bytes] = {}
            async for _, found in reader.read([programs.address], topics, 0, end):
                for chunk_log in found:
                    chunk = chunk_event.decode(chunk_log)
                    if chunk["index"] >= MAX_CHUNKS or len(chunk["data"]) > MAX_CHUNK_BYTES:
                        raise ResponseMalformed("eth_getLogs", "a chunk of code is longer or later than a package has")
                    chunks[chunk["index"]] = chunk["data"]
            ordered = tuple(chunks[index] for index in sorted(chunks))
            if compute_code_hash(ordered) != code_hash:
                raise ResponseMalformed("eth_getLogs", f"the chunks of code {to_hex(code_hash)} have another hash")
            return ordered
    raise PeerUnreachable(
        "code.not_found",
        f"the node shows no published code {to_hex(code_hash)}",
        "it was not published, or the node leaves events out",
        "ask another node",
    )
