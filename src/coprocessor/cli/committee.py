"""What ``phat gatekeeper`` does beside running one: the committee as it stands, who could join it, and its changes."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from typing import Any

from coprocessor.attestation.roots import find_vendor
from coprocessor.chain.committee import ListedMember, read_announced, read_present
from coprocessor.chain.contract import Contract
from coprocessor.chain.development import development_keys
from coprocessor.cli.screen import Screen
from coprocessor.client.beacon import BeaconValue, look_at_beacon
from coprocessor.client.network import AsyncNetwork
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.host.http import PeerClient
from coprocessor.host.succession import announce_committee, announce_refresh
from coprocessor.protocol.candidates import Candidate, RankedCandidate, TieDraw, rank_candidates
from coprocessor.values.errors import CallerMisuse, CoprocessorError, PeerUnreachable
from coprocessor.values.identities import Address, Digest, WorkerId, to_hex

__all__ = ["ACTIONS", "act", "check_words"]

ACTIONS = ("show", "candidates", "refresh", "replace", "revoke")

_LOOK_SECONDS = 0.5
_LOOK_BACK = 8
_REASONS = {
    "young": "admitted after the height that decides ties: the next value counts it",
    "operator": "its operator has t - 1 seats",
    "vendor": "its hardware vendor has t - 1 seats",
    "full": "all seats are taken",
}


def check_words(arguments: argparse.Namespace) -> None:
    """Refuses words that no network could make sense of, before one is asked. Raises CallerMisuse."""
    names, action = arguments.who, arguments.action
    if action == "replace":
        _check_list(names, arguments.threshold)
    elif action == "revoke":
        if len(names) != 1:
            raise CallerMisuse(
                "gatekeeper.whom", "one gatekeeper is revoked at a time", next="name its number, URL or signing key"
            )
    elif names:
        raise CallerMisuse(
            "gatekeeper.names",
            f"{action} takes no names",
            "a refresh keeps the list" if action == "refresh" else "",
            "phat gatekeeper replace announces another committee, revoke ends one gatekeeper",
        )


def _check_list(urls: Sequence[str], threshold: int | None) -> None:
    if not urls:
        raise CallerMisuse(
            "gatekeeper.no_list", "the next committee is empty", next="name the URLs of all its members' hosts"
        )
    if len(set(urls)) != len(urls) or not all(url.startswith(("http://", "https://")) for url in urls):
        raise CallerMisuse(
            "gatekeeper.no_list",
            "the next committee is a list of different URLs, those of its members' hosts",
            next="write each as http://HOST:PORT; phat gatekeeper show has the present ones",
        )
    if threshold is not None and not 1 <= threshold <= (len(urls) + 1) // 2:
        raise CallerMisuse(
            "gatekeeper.threshold",
            f"{threshold} of {len(urls)} gatekeepers cannot be a committee",
            "a committee has at least 2 t - 1 members, so that t are left when t - 1 fail (PROTOCOL 9.2)",
            f"choose --threshold from 1 to {(len(urls) + 1) // 2}, or name more hosts",
        )


async def act(net: AsyncNetwork, arguments: argparse.Namespace, screen: Screen) -> int:
    """Does what the command line asks for, then shows the committee."""
    if arguments.action == "candidates":
        return await _candidates(net, screen)
    gatekeeping = net.session.contracts["Gatekeeping"]
    before: int = await gatekeeping.read("committee")
    if arguments.action in ("refresh", "replace"):
        await _announce(net, gatekeeping, arguments, screen)
        await _wait(gatekeeping, before, arguments.wait, screen)
    elif arguments.action == "revoke":
        await _revoke(net, gatekeeping, arguments, screen)
    return await _show(net, gatekeeping, screen)


async def _announce(net: AsyncNetwork, gatekeeping: Contract, arguments: argparse.Namespace, screen: Screen) -> None:
    peers = PeerClient()
    try:
        if arguments.action == "refresh":
            key = await _key(net, gatekeeping, arguments.key, "PROPOSER")
            await announce_refresh(net.session.sender(key), gatekeeping)
            screen.say("a refresh is announced; the gatekeepers begin it by themselves")
            return
        threshold = arguments.threshold or await gatekeeping.read("threshold")
        key = await _key(net, gatekeeping, arguments.key, "PROPOSER")
        await announce_committee(peers, net.session.sender(key), gatekeeping, arguments.who, threshold)
        screen.say(f"announced: {threshold} of {len(arguments.who)}; the gatekeepers begin it after the delay")
    finally:
        await peers.close()


async def _revoke(net: AsyncNetwork, gatekeeping: Contract, arguments: argparse.Namespace, screen: Screen) -> None:
    member = _find(await read_present(gatekeeping), arguments.who[0])
    key = await _key(net, gatekeeping, arguments.key, "GUARDIAN")
    await net.session.sender(key).send(gatekeeping.address, gatekeeping.encode("revoke", member.signer))
    screen.say(f"{to_hex(member.signer)} is revoked; the others make new shares without it by themselves")


def _find(members: Sequence[ListedMember], name: str) -> ListedMember:
    for at, member in enumerate(members):
        if name.rstrip("/") in (member.endpoint, to_hex(member.signer), str(at)):
            return member
    raise CallerMisuse(
        "gatekeeper.unknown",
        f"{name} is no present gatekeeper",
        next="phat gatekeeper show lists their numbers, URLs and signing keys",
    )


async def _key(net: AsyncNetwork, gatekeeping: Contract, given: str | None, role: str) -> PrivateKey:
    """The key that was given, or the role's own where it is one of the development chain's public ones."""
    holder = await gatekeeping.read(role)
    own = None if given else next((key for key in development_keys() if key.address == holder), None)
    return own or net.author


async def _wait(gatekeeping: Contract, before: int, seconds: float, screen: Screen) -> None:
    if seconds <= 0:
        return
    deadline = time.monotonic() + seconds
    with screen.progress("waiting for the gatekeepers"):
        while await gatekeeping.read("committee", tag="finalized") == before:
            if time.monotonic() > deadline:
                raise PeerUnreachable(
                    "gatekeeper.not_switched",
                    f"the next committee has not taken over after {seconds:.0f} s",
                    "too few agree or answer, or its delay has not passed; the present one serves meanwhile",
                    "look again with phat gatekeeper show",
                )
            await asyncio.sleep(_LOOK_SECONDS)


# ---- show


async def _show(net: AsyncNetwork, gatekeeping: Contract, screen: Screen) -> int:
    number, threshold = await gatekeeping.read("committee"), await gatekeeping.read("threshold")
    present = [await _described(net, member) for member in await read_present(gatekeeping)]
    announced = [_plain(member) for member in await read_announced(gatekeeping)]
    is_handover = await gatekeeping.read("is_handover")
    screen.say(f"committee {number}: {threshold} of {len(present)} gatekeepers must act together")
    for at, member in enumerate(present):
        standing = "REVOKED" if member["revoked"] else member["answers"]
        screen.say(f"  {at}  {to_hex(member['signer'])}  {member['endpoint'] or 'no endpoint'}  {standing}")
    if announced:
        began = "is under way" if is_handover else "is announced"
        screen.say(f"a handover to {len(announced)} gatekeepers {began}")
    screen.warn_simulated(net.simulated)
    screen.finish(
        {
            "ok": True,
            "committee": number,
            "threshold": threshold,
            "members": present,
            "announced": announced,
            "handover": is_handover,
            "simulated": net.simulated,
        }
    )
    return 0


def _plain(member: ListedMember) -> dict[str, Any]:
    return {
        "operator": member.operator,
        "signer": member.signer,
        "endpoint": member.endpoint,
        "evidence_digest": member.evidence_digest,
        "revoked": member.revoked,
    }


async def _described(net: AsyncNetwork, member: ListedMember) -> dict[str, Any]:
    """A member with what its host says of itself; that is its word."""
    answers, has_share = "no answer", None
    if member.endpoint:
        try:
            status = await net.session.workers.api.status(member.endpoint)
        except CoprocessorError as error:
            answers = error.code
        else:
            is_own = status.get("signer") == to_hex(member.signer)
            answers = str(status.get("state", "running"))[:200] if is_own else "answers as another enclave"
            has_share = status.get("has_share") is True if is_own else None
    return {**_plain(member), "answers": answers, "has_share": has_share}


# ---- candidates

_OPERATOR, _LEVEL, _EXPIRES, _REVOKED, _ROOT = 0, 7, 10, 11, 12


async def _candidates(net: AsyncNetwork, screen: Screen) -> int:
    gatekeeping = net.session.contracts["Gatekeeping"]
    seats, threshold = await gatekeeping.read("member_count"), await gatekeeping.read("threshold")
    diverse = not net.session.target.network.configuration.development
    value = await _newest_value(net)
    head, found = await _find_candidates(net)
    drawn = None
    if value is not None:
        committee = await gatekeeping.read("committee")
        drawn = TieDraw(net.session.network_id, value.height, value.value, committee, head - value.height)
    ranked = rank_candidates(found, seats, threshold, drawn=drawn, diverse=diverse)
    screen.say(f"by level, stake, age, answered heartbeats; {seats} seats, t = {threshold}")
    screen.say("stake: this network has no stake contract; heartbeats: it asks for none; both decide nothing")
    screen.say(
        "equals: the beacon has no value of its own yet; by id"
        if drawn is None
        else f"equals: drawn by the beacon's value of height {drawn.height}, {to_hex(drawn.value)[:18]}"
    )
    screen.say(
        "diversity: fewer than t seats for one operator, and for one hardware vendor"
        if diverse
        else "diversity: not demanded on a development network"
    )
    for place, one in enumerate(ranked, start=1):
        shown = one.candidate
        verdict = "would sit" if one.is_seated else _REASONS[one.passed_over]
        verdict += f"; drawn among {one.alike} equals" if drawn is not None and one.alike > 1 else ""
        screen.say(
            f"  {place}  worker {to_hex(shown.worker)}  operator {to_hex(shown.operator)}"
            f"  vendor {to_hex(shown.vendor)[:18]}  level {shown.level}  age {shown.age} blocks  {verdict}"
        )
    screen.warn_simulated(net.simulated)
    screen.finish(
        {
            "ok": True,
            "candidates": [_fields(one) for one in ranked],
            "drawn": None if drawn is None else {"height": drawn.height, "value": drawn.value},
            "simulated": net.simulated,
        }
    )
    return 0


async def _newest_value(net: AsyncNetwork) -> BeaconValue | None:
    """The newest value that is the beacon's own, verified: whoever proposes a fallback's block can bend it."""
    state = await look_at_beacon(net.session, _LOOK_BACK)
    return next((value for value in state.values if not value.is_fallback), None)


async def _find_candidates(net: AsyncNetwork) -> tuple[int, list[Candidate]]:
    """The finalised block, and everybody whom ``Registry`` has admitted and nobody has revoked or let expire."""
    registry = net.session.contracts["Registry"]
    head = (await net.session.chain.refresh()).header
    topics = [registry.interface.event("Admitted").topic]
    logs = await net.session.node.logs([registry.address], topics, 0, head.number)
    first: dict[bytes, int] = {}
    for log in logs:
        first.setdefault(log.topics[1], log.block_number)
    found = []
    for worker, block in first.items():
        record = await registry.read("workers", worker)
        if not record[_REVOKED] and record[_EXPIRES] > head.timestamp:
            age = head.number - block
            operator, vendor = Address(record[_OPERATOR]), find_vendor(Digest(record[_ROOT]))
            found.append(Candidate(WorkerId(worker), operator, vendor, record[_LEVEL], age))
    return head.number, found


def _fields(one: RankedCandidate) -> dict[str, Any]:
    found = one.candidate
    return {
        "worker": found.worker,
        "operator": found.operator,
        "vendor": found.vendor,
        "level": found.level,
        "age": found.age,
        "stake": found.stake,
        "heartbeats": found.heartbeats,
        "seated": one.is_seated,
        "passed_over": _REASONS.get(one.passed_over, ""),
        "alike": one.alike,
    }
