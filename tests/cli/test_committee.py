"""``phat gatekeeper refresh|replace|revoke`` against a contract that answers: who is named, whose key, and waiting."""

from __future__ import annotations

import argparse
import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from coprocessor.chain.committee import ListedMember
from coprocessor.chain.development import development_keys
from coprocessor.cli import committee
from coprocessor.cli.screen import Screen
from coprocessor.values.errors import CallerMisuse, PeerUnreachable
from coprocessor.values.identities import Address, Digest, to_hex
from tests.support.fake_chain import key

FIRST, SECOND = (
    ListedMember(
        Address(bytes((at,)) * 20), Address(bytes((at,)) * 20), bytes(32), Digest(bytes(32)), f"http://host{at}", 0
    )
    for at in (1, 2)
)


class Sent(Exception):
    """A transaction would go out."""


def scene(monkeypatch: pytest.MonkeyPatch, *, guardian: bytes, committee_number: int = 1) -> Any:
    async def present(contract: object, tag: object = "latest") -> tuple[ListedMember, ...]:
        return FIRST, SECOND

    async def read(name: str, *_: object, **__: object) -> object:
        return {"committee": committee_number, "GUARDIAN": guardian, "PROPOSER": guardian, "threshold": 2}[name]

    def sender(author: Any) -> Any:
        async def send(address: object, call: object) -> None:
            raise Sent(author.address, call)

        return SimpleNamespace(send=send, address=author.address)

    monkeypatch.setattr(committee, "read_present", present)
    contract = SimpleNamespace(read=read, address=bytes(20), encode=lambda *call: call)
    session = SimpleNamespace(contracts={"Gatekeeping": contract}, sender=sender)
    return SimpleNamespace(session=session, author=key(9), simulated=True)


def asked(*who: str, action: str = "revoke", wait: float = 0.0) -> argparse.Namespace:
    return argparse.Namespace(action=action, who=list(who), key=None, threshold=None, wait=wait)


@pytest.mark.parametrize("name", ["1", "http://host2", "http://host2/", to_hex(SECOND.signer)])
def test_a_gatekeeper_is_named_by_number_url_or_key(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = scene(monkeypatch, guardian=bytes(20))
    with pytest.raises(Sent) as sent:
        asyncio.run(committee.act(net, asked(name), Screen(as_json=True)))
    assert sent.value.args == (key(9).address, ("revoke", SECOND.signer))


@pytest.mark.parametrize("name", ["2", "-1", "http://host3", "", to_hex(bytes(20)), "http://host2/x"])
def test_who_is_no_gatekeeper_is_not_revoked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = scene(monkeypatch, guardian=bytes(20))
    with pytest.raises(CallerMisuse) as refused:
        asyncio.run(committee.act(net, asked(name), Screen(as_json=True)))
    assert refused.value.code == "gatekeeper.unknown"
    assert "phat gatekeeper show" in refused.value.next


def test_a_development_guardians_key_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    known = development_keys()[3].address
    with pytest.raises(Sent) as sent:
        asyncio.run(committee.act(scene(monkeypatch, guardian=known), asked("0"), Screen(as_json=True)))
    assert sent.value.args[0] == known


def test_a_committee_that_does_not_switch_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    async def announce(*_: object) -> None:
        return None

    monkeypatch.setattr(committee, "announce_refresh", announce)
    monkeypatch.setattr(committee, "_LOOK_SECONDS", 0.0)
    net = scene(monkeypatch, guardian=bytes(20))
    with pytest.raises(PeerUnreachable) as refused:
        asyncio.run(committee.act(net, asked(action="refresh", wait=0.01), Screen(as_json=True)))
    assert refused.value.code == "gatekeeper.not_switched"
    assert "the present one serves meanwhile" in refused.value.why
