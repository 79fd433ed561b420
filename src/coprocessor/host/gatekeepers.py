"""The gatekeepers' HTTP as a worker host uses it: admission, tickets, releases, from as many as are needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from coprocessor.enclave import messages as m
from coprocessor.host.http import PeerClient
from coprocessor.values.errors import CoprocessorError, MalformedInput, PeerUnreachable

__all__ = ["Gatekeepers"]

R = TypeVar("R")


class Gatekeepers:
    """The gatekeepers behind some URLs, in member order.

    Args:
        peers: HTTP.
        urls: of the members' hosts.
    """

    def __init__(self, peers: PeerClient, urls: Sequence[str]) -> None:
        self._peers = peers
        self._urls = tuple(url.rstrip("/") for url in urls)

    async def admit(self, request: m.Admit, threshold: int) -> list[m.AdmissionSigned]:
        """Admissions of ``threshold`` members, in member order."""
        return await self._gather("/v1/admit", request, m.AdmissionSigned, threshold)

    async def tickets(self, nonce: bytes, threshold: int) -> list[m.TicketGiven]:
        """Tickets of ``threshold`` members."""
        return await self._gather("/v1/ticket", m.GiveTicket(nonce), m.TicketGiven, threshold)

    async def release(self, request: bytes, threshold: int) -> list[m.Released]:
        """Sealed partial keys of ``threshold`` members."""
        return await self._gather("/v1/release", m.Release(request), m.Released, threshold)

    async def _gather(self, path: str, message: object, kind: type[R], threshold: int) -> list[R]:
        """Asks one after the other until enough have answered; raises the last failure where too few do."""
        answers: list[R] = []
        failure: CoprocessorError = PeerUnreachable(
            "gatekeepers.none",
            f"{len(self._urls)} gatekeepers are known, {threshold} must answer",
            next="name their URLs in the network file's hints",
        )
        for url in self._urls:
            if len(answers) == threshold:
                break
            try:
                reply = await self._peers.ask(url + path, message, m.GATEKEEPER_REQUESTS, m.GATEKEEPER_REPLIES)
            except CoprocessorError as error:
                failure = error
                continue
            if not isinstance(reply, kind):
                failure = MalformedInput("gatekeeper.answer", f"{url} answered {type(reply).__name__}")
                continue
            answers.append(reply)
        if len(answers) < threshold:
            raise failure
        return answers
