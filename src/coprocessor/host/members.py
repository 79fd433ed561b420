"""The other members of a worker's cluster, as its host reaches them: where they are, and what they sign together."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

from coprocessor.crypto.secp256k1 import recover_address
from coprocessor.host.link_feed import LinkFeed
from coprocessor.host.worker_options import Surroundings
from coprocessor.values.errors import CoprocessorError
from coprocessor.values.identities import Address, Digest, WorkerId, from_hex, to_hex

__all__ = ["Members"]

_log = logging.getLogger("coprocessor.host")


class Members:
    """The members beside ``worker``.

    Args:
        around: the host's shared parts.
        links: tells who is a member.
        worker: this one.
    """

    def __init__(self, around: Surroundings, links: LinkFeed, worker: WorkerId) -> None:
        self._around = around
        self._links = links
        self._worker = worker

    async def endpoints(self) -> AsyncIterator[tuple[WorkerId, str]]:
        """Each other member and the URL under which its host says that it serves, ascending by id."""
        registry = self._around.contract("Registry")
        for worker in sorted(self._links.members - {self._worker}):
            yield worker, str(await registry.read("endpoints", worker)).rstrip("/")

    async def signatures(
        self, digest: Digest, own: bytes, quorum: int, page: str, expected: tuple[str, bytes]
    ) -> list[bytes]:
        """Signatures over one statement, ascending by signer; fewer than ``quorum`` where not enough members sign.

        Args:
            digest: what is signed.
            own: this worker's signature, 65 bytes.
            quorum: how many are wanted.
            page: path and query under which members give theirs as ``signature``.
            expected: name and value (32 bytes) of what their page must say beside it: theirs is the same statement.
        """
        name, value = expected
        found: dict[Address, bytes] = {recover_address(digest, own): own}
        if len(found) < quorum:
            async for worker, endpoint in self.endpoints():
                try:
                    answer = await self._around.peers.get_json(endpoint + page)
                    signature = from_hex(answer["signature"], 65, "signature")
                    if from_hex(answer[name], 32, name) == value:
                        found[recover_address(digest, signature)] = signature
                except (CoprocessorError, KeyError, TypeError) as error:
                    _log.info("worker: member %s does not sign %s: %s", to_hex(worker), page, error)
                if len(found) >= quorum:
                    break
        return [found[signer] for signer in sorted(found)]
