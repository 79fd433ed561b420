"""Shows what the network accepts: vendors, measurements, least version and evaluation number, pinned collateral, what
is distrusted, whether admission is paused. Or changes it:

  announce MEASUREMENT VERSION   other code, which counts after the network's delay (proposer)
  minimum-version MEASUREMENT    nothing older than this announced one is admitted or given keys (guardian, proposer)
  minimum-evaluation NUMBER      least number of the vendor's data (guardian, proposer)
  pin DIGEST ...                 only this collateral counts for seven days; none: ends it (proposer)
  distrust SUBJECT               a vendor's root, a measurement or a platform: revokes all its enclaves (guardian)
  trust SUBJECT                  lets a distrust end after twice the delay (proposer)
  pause | resume                 admit nothing but live keys for three days (guardian) | end that (proposer)

Versions, evaluation numbers and pins only narrow. Gatekeepers keep their seats: hand over to a committee without
them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, Final

from coprocessor.chain.instants import show_time
from coprocessor.cli.options import add_author, add_network, whole
from coprocessor.cli.screen import Screen
from coprocessor.cli.session import run_on_network
from coprocessor.client.network import AsyncNetwork
from coprocessor.client.policy import NetworkPolicy, look_at_policy, office_key, send_policy
from coprocessor.protocol.terms import has_ended, is_version_taken
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import from_hex, to_hex

__all__ = ["add_arguments", "run"]

_MAX_PINS = 64
_FOR_GOOD = 2**64
"""Ends of a distrust beyond this have no date."""


def _digest(text: str) -> bytes:
    return from_hex(text, 32, "digest")


def _number(text: str) -> int:
    try:
        return whole(text)
    except argparse.ArgumentTypeError as error:
        raise CallerMisuse("usage", str(error), next="see phat policy --help") from error


_ACTIONS: Final[dict[str, tuple[str, tuple[Callable[[str], Any], ...], tuple[str, ...]]]] = {
    "announce": ("announce_measurement", (_digest, _number), ("PROPOSER",)),
    "minimum-version": ("raise_minimum_version", (_digest,), ("GUARDIAN", "PROPOSER")),
    "minimum-evaluation": ("raise_minimum_evaluation", (_number,), ("GUARDIAN", "PROPOSER")),
    "distrust": ("distrust", (_digest,), ("GUARDIAN",)),
    "trust": ("trust_again", (_digest,), ("PROPOSER",)),
    "pause": ("pause_admission", (), ("GUARDIAN",)),
    "resume": ("resume_admission", (), ("PROPOSER",)),
}
"""By action: the contract's function, its arguments, and who may."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument(
        "action", nargs="?", choices=("show", "pin", *_ACTIONS), default="show", help="default: show"
    )
    parser.add_argument("values", nargs="*", metavar="VALUE", help="what the action needs: digests (0x…), numbers")
    add_network(parser)
    add_author(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Shows or changes."""
    call = _read_call(arguments.action, arguments.values)

    async def work(net: AsyncNetwork) -> int:
        if call is not None:
            function, values, offices = call
            author = net.author if arguments.key else await office_key(net.session, *offices) or net.author
            with screen.progress("waiting until it is final"):
                await send_policy(net.session, author, function, *values)
        policy = await look_at_policy(net.session)
        _show(policy, screen)
        screen.warn_simulated(net.simulated)
        screen.finish({"ok": True, **_fields(policy), "simulated": net.simulated})
        return 0

    return run_on_network(arguments, work)


def _read_call(action: str, values: list[str]) -> tuple[str, list[Any], tuple[str, ...]] | None:
    """Function, arguments and offices of an action; None where it only shows. Raises CallerMisuse, MalformedInput."""
    if action == "pin":
        if len(values) > _MAX_PINS:
            raise CallerMisuse("usage", f"{len(values)} digests are too many", next=f"pin at most {_MAX_PINS}")
        return "pin_collateral", [[_digest(text) for text in values]], ("PROPOSER",)
    function, kinds, offices = _ACTIONS.get(action, ("", (), ()))
    if len(values) != len(kinds):
        raise CallerMisuse(
            "usage", f"{action} takes {len(kinds)} values, not {len(values)}", next="see phat policy --help"
        )
    return (function, [read(text) for read, text in zip(kinds, values, strict=True)], offices) if function else None


def _show(policy: NetworkPolicy, screen: Screen) -> None:
    for root, name in policy.roots:
        screen.say(f"vendor {to_hex(root)}  {name}")
    for one in policy.measurements:
        counts = "counts" if has_ended(one.counts_from, policy.now) else f"counts from {_date(one.counts_from)}"
        counts = counts if is_version_taken(one.version, policy.minimum_version) else "below the least version"
        screen.say(f"measurement {to_hex(one.digest)}  version {one.version}, {counts}")
    screen.say(f"least version {policy.minimum_version}, least evaluation number {policy.minimum_evaluation}")
    screen.say(f"greatest level {policy.maximum_level}, announcements count after {policy.delay} s")
    if policy.pins is not None:
        screen.say(f"collateral is pinned until {_date(policy.pins.until)}")
        for digest in policy.pins.digests:
            screen.say(f"  {to_hex(digest)}")
    for subject, end in policy.distrusted:
        screen.say(f"DISTRUSTED {to_hex(subject)}  until {_date(end) if end < _FOR_GOOD else 'further notice'}")
    if not has_ended(policy.paused_until, policy.now):
        screen.say(f"ADMISSION IS PAUSED until {_date(policy.paused_until)}: live keys alone are admitted again")
    for seat in policy.seats:
        if seat.distrusted:
            screen.say(f"gatekeeper {seat.url} keeps its seat though distrusted: {seat.distrusted}")
    screen.say(f"guardian {to_hex(policy.guardian)}, proposer {to_hex(policy.proposer)}")


def _date(at: int) -> str:
    return show_time(min(at, _FOR_GOOD >> 24))


def _fields(policy: NetworkPolicy) -> dict[str, Any]:
    pins = policy.pins
    return {
        "now": policy.now,
        "roots": [{"root": root, "name": name} for root, name in policy.roots],
        "measurements": [
            {
                "measurement": one.digest,
                "version": one.version,
                "counts_from": one.counts_from,
                "counts": has_ended(one.counts_from, policy.now)
                and is_version_taken(one.version, policy.minimum_version),
            }
            for one in policy.measurements
        ],
        "minimum_version": policy.minimum_version,
        "minimum_evaluation": policy.minimum_evaluation,
        "maximum_level": policy.maximum_level,
        "pins": None if pins is None else {"refresh": pins.refresh, "until": pins.until, "digests": list(pins.digests)},
        "distrusted": [
            {"subject": subject, "until": end if end < _FOR_GOOD else None} for subject, end in policy.distrusted
        ],
        "paused_until": None if has_ended(policy.paused_until, policy.now) else policy.paused_until,
        "delay": policy.delay,
        "gatekeepers": [{"url": seat.url, "distrusted": seat.distrusted} for seat in policy.seats],
        "guardian": policy.guardian,
        "proposer": policy.proposer,
    }
