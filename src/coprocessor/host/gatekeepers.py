"""The gatekeepers' HTTP as a worker host uses it: admission, tickets, releases, from as many as are needed.

All are asked at once and the first good answers are taken, so that dead or slow gatekeepers cost nothing while the
threshold of them answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import fields
from typing import TypeVar

from coprocessor.enclave import messages as m
from coprocessor.host.http import PeerClient
from coprocessor.values.errors import CoprocessorError, MalformedInput, PeerUnreachable

__all__ = ["ANSWER_SECONDS", "Gatekeepers"]

R = TypeVar("R")

ANSWER_SECONDS = 20.0
"""How long a gatekeeper may take to answer."""


class Gatekeepers:
    """The gatekeepers behind some URLs, in member order.

    Args:
        peers: HTTP.
        find: the URLs of the members' hosts now; asked each time, since committees change.
    """

    def __init__(self, peers: PeerClient, find: Callable[[], Awaitable[Sequence[str]]]) -> None:
        self._peers = peers
        self._find = find

    async def urls(self) -> tuple[str, ...]:
        """Of the members' hosts now, without a slash at the end."""
        return tuple(url.rstrip("/") for url in await self._find())

    async def admit(self, request: m.Admit, threshold: int) -> list[m.AdmissionSigned]:
        """Signatures of ``threshold`` members over one and the same admission, in the order of their URLs."""

        def statement(answer: m.AdmissionSigned) -> Hashable:
            return tuple(getattr(answer, field.name) for field in fields(answer) if field.name != "signature")

        return await self._gather("/v1/admit", request, m.AdmissionSigned, threshold, statement)

    async def tickets(self, nonce: bytes, block_number: int, threshold: int) -> list[m.TicketGiven]:
        """Tickets of ``threshold`` members over the block with this number."""
        return await self._gather("/v1/ticket", m.GiveTicket(nonce, block_number), m.TicketGiven, threshold)

    async def release(self, request: bytes, wanted: int) -> list[m.Released]:
        """Sealed partial keys of ``wanted`` members."""
        return await self._gather("/v1/release", m.Release(request), m.Released, wanted)

    async def release_all(self, request: bytes) -> list[m.Released]:
        """Sealed partial keys of every member that answers."""
        urls = await self.urls()
        answers, _ = await self._ask_all(urls, "/v1/release", m.Release(request), m.Released, lambda found: False)
        return [answers[at] for at in sorted(answers)]

    async def _gather(
        self,
        path: str,
        message: object,
        kind: type[R],
        wanted: int,
        statement: Callable[[R], Hashable] = lambda answer: None,
    ) -> list[R]:
        """The first ``wanted`` answers that make the same statement.

        Raises:
            PeerUnreachable: ``gatekeepers.too_few``: says who answered and why the others did not.
        """

        def largest(found: dict[int, R]) -> list[int]:
            groups: dict[Hashable, list[int]] = {}
            for at in sorted(found):
                groups.setdefault(statement(found[at]), []).append(at)
            return max(groups.values(), key=len, default=[])

        urls = await self.urls()
        answers, failures = await self._ask_all(urls, path, message, kind, lambda found: len(largest(found)) >= wanted)
        chosen = largest(answers)[:wanted]
        if len(chosen) < wanted:
            raise _too_few(urls, path, wanted, len(chosen), failures)
        return [answers[at] for at in chosen]

    async def _ask_all(
        self,
        urls: Sequence[str],
        path: str,
        message: object,
        kind: type[R],
        is_enough: Callable[[dict[int, R]], bool],
    ) -> tuple[dict[int, R], dict[int, CoprocessorError]]:
        """Answers and failures by position, as soon as the answers are enough or everybody was heard."""
        answers: dict[int, R] = {}
        failures: dict[int, CoprocessorError] = {}
        asked = {asyncio.ensure_future(self._ask(url + path, message, kind)): at for at, url in enumerate(urls)}
        waiting = set(asked)
        try:
            while waiting and not is_enough(answers):
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    try:
                        answers[asked[task]] = task.result()
                    except CoprocessorError as error:
                        failures[asked[task]] = error
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        return answers, failures

    async def _ask(self, url: str, message: object, kind: type[R]) -> R:
        question = self._peers.ask(url, message, m.GATEKEEPER_REQUESTS, m.GATEKEEPER_REPLIES)
        try:
            reply = await asyncio.wait_for(question, ANSWER_SECONDS)
        except TimeoutError as error:
            raise PeerUnreachable("peer.unreachable", f"{url} did not answer in time") from error
        if not isinstance(reply, kind):
            raise MalformedInput("gatekeeper.answer", f"{url} answered {type(reply).__name__}")
        return reply


def _too_few(
    urls: Sequence[str], path: str, wanted: int, have: int, failures: dict[int, CoprocessorError]
) -> CoprocessorError:
    if not urls:
        return PeerUnreachable(
            "gatekeepers.none",
            f"0 gatekeepers are known, {wanted} must answer",
            "none has said on the chain where it is reached",
            "wait for them, or name their URLs in the network file's hints",
        )
    refusals = {failure.code: failure for failure in failures.values() if failure.code != "peer.unreachable"}
    if len(refusals) == 1 and have + sum(f.code in refusals for f in failures.values()) >= wanted:
        return next(iter(refusals.values()))  # they answer, and agree in their refusal
    reasons = "; ".join(f"{urls[at]}: {error.code}" for at, error in sorted(failures.items()))
    return PeerUnreachable(
        "gatekeepers.too_few",
        f"{have} of {len(urls)} gatekeepers gave what {path.rsplit('/', 1)[1]} asks for, {wanted} are needed",
        reasons,
        "nothing is lost: it goes on as soon as enough of them answer",
    )
