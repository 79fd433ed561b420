"""Conversation with an enclave process: order, notices, refusals, death."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from coprocessor.enclave import messages as m
from coprocessor.host import enclave_process
from coprocessor.host.enclave_process import EnclaveDied, EnclaveOptions, EnclaveProcess, EnclaveRefused
from coprocessor.values.errors import InternalError

FAKE = Path(__file__).with_name("fake_enclave.py")


def with_enclave(test: Callable[[EnclaveProcess, list[Any]], Awaitable[None]], behaviour: str = "good") -> None:
    async def go() -> None:
        notices: list[Any] = []
        command = (sys.executable, str(FAKE), behaviour)
        options = EnclaveOptions(command, m.WORKER_REQUESTS, m.WORKER_REPLIES)
        enclave = await EnclaveProcess.start(options, notices.append)
        try:
            await test(enclave, notices)
        finally:
            await enclave.close()
        with pytest.raises(ProcessLookupError):
            os.kill(enclave.pid, 0)

    asyncio.run(asyncio.wait_for(go(), 30))


def test_replies_come_in_order_and_notices_beside_them() -> None:
    async def test(enclave: EnclaveProcess, notices: list[Any]) -> None:
        first, second = enclave.send(m.GetStatus(), m.Status), enclave.send(m.RequestTicket(), m.TicketRequested)
        assert (await second).nonce == b"n" * 32
        assert first.result().executed == 3
        assert [type(notice) for notice in notices] == [m.LinkExecuted, m.NeedCode]

    with_enclave(test)


def test_a_refusal_keeps_the_enclave_s_code_and_the_conversation_goes_on() -> None:
    async def test(enclave: EnclaveProcess, notices: list[Any]) -> None:
        with pytest.raises(EnclaveRefused, match=r"receipt\.range: from 4; why: why; next: next"):
            await enclave.request(m.MakeReceipt(4, 5), m.SignedReceipt)
        assert (await enclave.request(m.RequestTicket(), m.TicketRequested)).nonce == b"n" * 32

    with_enclave(test)


def test_an_abandoned_request_does_not_shift_the_others() -> None:
    async def test(enclave: EnclaveProcess, notices: list[Any]) -> None:
        abandoned = enclave.send(m.GetStatus(), m.Status)
        abandoned.cancel()
        assert (await enclave.request(m.RequestTicket(), m.TicketRequested)).nonce == b"n" * 32

    with_enclave(test)


def test_queries_are_matched_by_tag() -> None:
    async def test(enclave: EnclaveProcess, notices: list[Any]) -> None:
        good, bad = await asyncio.gather(
            enclave.query(bytes(32), b"one", 10), enclave.query(bytes(32), b"fail", 10), return_exceptions=True
        )
        assert good == b"one!"
        assert isinstance(bad, EnclaveRefused)
        assert bad.code == "query.no"

    with_enclave(test)


def test_it_inherits_next_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPERATOR_SECRET", "canary")

    async def test(enclave: EnclaveProcess, notices: list[Any]) -> None:
        booted = await enclave.request(m.BootWorker("", bytes(20), bytes(32)), m.Booted)
        told = booted.signing_key.decode()
        assert "OPERATOR_SECRET" not in told
        assert "PATH" in told
        descriptors = told[told.rindex("[") :]
        assert descriptors.count("'") == 2 * 5  # stdin, stdout, stderr, the socket, and the look itself

    with_enclave(test)


@pytest.mark.parametrize("behaviour", ["dies", "garbage", "long"])
def test_its_end_fails_everything_that_waits(behaviour: str) -> None:
    async def test(enclave: EnclaveProcess, notices: list[Any]) -> None:
        query = asyncio.ensure_future(enclave.query(bytes(32), b"q", 10))
        await asyncio.sleep(0)
        with pytest.raises(EnclaveDied):
            await enclave.request(m.Attest(), m.Attested)
        with pytest.raises(EnclaveDied):
            await query
        assert isinstance(await enclave.wait_for_death(), EnclaveDied)
        assert not enclave.is_alive
        with pytest.raises(EnclaveDied):
            await enclave.request(m.GetStatus(), m.Status)
        with pytest.raises(EnclaveDied):
            await enclave.query(bytes(32), b"q", 10)

    with_enclave(test, behaviour)


def test_a_reply_of_another_kind_is_a_bug() -> None:
    async def test(enclave: EnclaveProcess, notices: list[Any]) -> None:
        with pytest.raises(InternalError, match="Ready came where Attested was due"):
            await enclave.request(m.Attest(), m.Attested)

    with_enclave(test, "wrong")


def test_a_reply_that_nobody_asked_for_ends_the_conversation() -> None:
    async def test(enclave: EnclaveProcess, notices: list[Any]) -> None:
        with pytest.raises(InternalError):
            await enclave.request(m.Attest(), m.Attested)
        assert "nobody asked for" in (await enclave.wait_for_death()).why

    with_enclave(test, "talkative")


def test_one_that_does_not_stop_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enclave_process, "STOP_SECONDS", 0.2)

    async def test(enclave: EnclaveProcess, notices: list[Any]) -> None:
        assert enclave.is_alive

    with_enclave(test, "stubborn")
