"""What a host shows its enclave before it asks for its agreement to an announced list (PROTOCOL 8.9, 9.4)."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from coprocessor.chain.committee import ListedMember
from coprocessor.enclave import messages as m
from coprocessor.host import handover
from coprocessor.host.handover import HandoverCourier
from coprocessor.values.errors import PeerUnreachable
from coprocessor.values.identities import Address, Digest


def listed(at: int) -> ListedMember:
    """A member with a host of its own."""
    name = bytes((at,))
    return ListedMember(Address(name * 20), Address(name * 20), name * 32, Digest(name * 32), f"http://host{at}", 0)


def evidence(at: int) -> m.Admit:
    name = bytes((at,))
    return m.Admit(2, name * 20, name * 20, name * 33, name * 32, b"evidence", name * 32, 1, 2, name * 32)


async def agreement(development: bool, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What is asked of hosts and of the enclave: members 1 and 2 stay, 3 comes, 2 does not answer."""
    asked: list[tuple[str, Any]] = []

    class Enclave:
        async def request(self, message: object, reply: type) -> object:
            asked.append(("enclave", message))
            return reply

    class Peers:
        async def get_record(self, url: str, table: object) -> m.Admit:
            asked.append(("peer", url))
            if "host2" in url:
                raise PeerUnreachable("peer.unreachable", f"{url} does not answer")
            return evidence(1)

    async def members(contract: object, tag: object) -> tuple[ListedMember, ...]:
        return listed(1), listed(2)

    async def announced(contract: object, tag: object) -> tuple[ListedMember, ...]:
        return listed(1), listed(2), listed(3)

    async def published(contract: object, member: ListedMember, last: int) -> tuple[m.Admit, ...]:
        return (evidence(3),)

    async def nothing(*_: object) -> int:
        return 7

    monkeypatch.setattr(handover, "read_present", members)
    monkeypatch.setattr(handover, "read_announced", announced)
    monkeypatch.setattr(handover, "read_evidence", published)
    monkeypatch.setattr(handover, "prove_policy", nothing)
    monkeypatch.setattr(HandoverCourier, "_prove", nothing)
    around: Any = SimpleNamespace(configuration=SimpleNamespace(development=development), contract=None)
    parts: Any = Enclave(), None
    peers: Any = Peers()
    await HandoverCourier(around, *parts, Address(bytes(20)), peers).agree()
    return asked


def test_members_that_stay_show_their_hardware_outside_development(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asyncio.run(agreement(False, monkeypatch))
    assert asked == [
        ("peer", "http://host1/v1/evidence"),
        ("enclave", m.VerifyCandidate(evidence(1))),
        ("peer", "http://host2/v1/evidence"),
        ("enclave", m.VerifyCandidate(evidence(3))),
        ("enclave", m.SignHandover()),
    ]


def test_development_networks_ask_newcomers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asyncio.run(agreement(True, monkeypatch))
    assert asked == [("enclave", m.VerifyCandidate(evidence(3))), ("enclave", m.SignHandover())]
