"""Computes what a break exposes, from the verified chain: a worker (its id, signing key or operator), a gatekeeper (its
number, signing key or operator), a vendor (a name such as intel, or its root), or a platform (its digest). Names may be
cut short. Nothing is changed, unless --contain is given: then the guardian's key ends the broken enclaves, gives their
clusters other keys and renews the committee's shares, and the command waits until nothing that is written from then on
is exposed, and the record, verified again, shows it. Development networks have the guardian's key; elsewhere give it
with --key."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import asdict

from coprocessor.audit.damage import ClusterDamage, Damage, compute_damage
from coprocessor.audit.exposure import compute_exposure
from coprocessor.audit.names import KINDS, Subject, find_subject
from coprocessor.audit.state import AuditState
from coprocessor.chain.instants import show_time
from coprocessor.cli.options import add_network, network_of, seconds
from coprocessor.cli.screen import Screen
from coprocessor.cli.ticker import Ticker
from coprocessor.client.audit import replay_network
from coprocessor.client.containment import Containment, check_contained, contain
from coprocessor.client.guardian import guardian_key
from coprocessor.client.keys import choose_key
from coprocessor.client.session import open_session
from coprocessor.client.target import Target, load_target
from coprocessor.values.identities import to_hex

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("action", choices=("break",), help="what to do")
    parser.add_argument("kind", choices=KINDS, help="what breaks")
    parser.add_argument("name", metavar="NAME", help="which")
    parser.add_argument("--contain", action="store_true", help="contain it, with the guardian's key")
    parser.add_argument(
        "--wait", type=seconds, default=120.0, metavar="SECONDS", help="how long to wait until it is contained (120)"
    )
    parser.add_argument("--key", metavar="FILE", help="the guardian's key: a file with 64 hexadecimal digits")
    add_network(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Computes, and contains where that is asked for."""
    return asyncio.run(_run(arguments, screen))


async def _run(arguments: argparse.Namespace, screen: Screen) -> int:
    target = load_target(network_of(arguments))
    state = await replay_network(target, arguments.rpc, Ticker(screen, "verifying"))
    subject = find_subject(state, arguments.kind, arguments.name)
    damage = compute_damage(state, subject)
    _show(subject, damage, screen)
    contained = None
    if arguments.contain:
        contained = await _contain(arguments, target, state, subject, screen)
    else:
        screen.say("nothing was changed; --contain, with the guardian's key, ends what can be ended")
    screen.warn_simulated(damage.simulated)
    screen.finish({**_fields(subject, damage), "contained": None if contained is None else asdict(contained)})
    return 0


async def _contain(
    arguments: argparse.Namespace, target: Target, state: AuditState, subject: Subject, screen: Screen
) -> Containment:
    given = None if arguments.key is None else choose_key(arguments.key, target.network)
    session = await open_session(target, arguments.rpc)
    try:
        key = await guardian_key(session, given)
        exposure = compute_exposure(state, subject.broken)
        ticker = Ticker(screen, "containing")
        done = await contain(session, state, subject, exposure, key, arguments.wait, ticker)
    finally:
        await session.close()
    after = await replay_network(target, arguments.rpc, Ticker(screen, "verifying again"))
    check_contained(after, subject)
    _show_contained(subject, done, compute_damage(after, subject), screen)
    return done


def _show_contained(subject: Subject, done: Containment, after: Damage, screen: Screen) -> None:
    """What was sent, what the chain proves now, and what nothing takes back."""
    screen.say("containing it:")
    for sent in done.transactions:
        screen.say(f"  sent: {sent}")
    if not done.transactions:
        screen.say("  nothing had to be sent: that was done before")
    for cluster in done.clusters:
        name, how = to_hex(cluster.cluster), f"after {cluster.seconds:.1f} s"
        if cluster.stands_still:
            screen.say(f"  cluster {name} STANDS STILL in epoch {cluster.epoch} until other workers join, {how}")
        else:
            screen.say(f"  cluster {name} writes under epoch {cluster.epoch}, whose keys they never get, {how}")
    if done.committee is not None:
        shares = done.committee
        screen.say(
            f"  committee {shares.number}: {shares.holders} other members hold its shares, {shares.threshold} make the "
            f"master key; the broken have none, as block {shares.block} proves, after {shares.seconds:.1f} s"
        )
    if subject.assumed:
        screen.say(f"  {len(subject.assumed)} gatekeeper(s) of unknown hardware stay: nothing shows them broken")
    screen.say(
        f"CONTAINED in {done.seconds:.1f} s, verified again up to block {after.block}: "
        "what is written from now on stays closed to it"
    )
    for line in after.for_ever or ("nothing; no key was within its reach",):
        screen.say(f"  exposed for ever: {line}")


def _show(subject: Subject, damage: Damage, screen: Screen) -> None:
    broken = subject.broken
    screen.say(f"DRILL, as of block {damage.block}: what if {subject.kind} {subject.name} is broken?")
    screen.say(f"  in its reach: {len(broken.workers)} worker(s), {len(broken.gatekeepers)} gatekeeper(s)")
    if subject.assumed:
        screen.say(
            f"  {len(subject.assumed)} gatekeeper(s) counted in because the chain says nothing of their hardware"
        )
    if damage.is_nothing:
        screen.say("  NOTHING IS EXPOSED")
    if damage.master:
        screen.say("  EXPOSED: the master key, and with it every key of every cluster; nothing contains that")
    for cluster in damage.clusters:
        _show_cluster(cluster, screen)
    for committee in damage.committees:
        state = "in office" if committee.is_present else "no longer in office"
        screen.say(
            f"  committee {committee.number} ({state}): {committee.broken} of its {committee.shares} shares; "
            f"{committee.threshold} make the master key, {committee.missing} missing"
        )
    for line in damage.not_exposed:
        screen.say(f"  not exposed: {line}")


def _show_cluster(cluster: ClusterDamage, screen: Screen) -> None:
    is_now = cluster.epochs or cluster.is_quorum
    screen.say(f"  {'EXPOSED' if is_now else 'EXPOSED IF THE BREAK IS OLD'}: cluster {to_hex(cluster.cluster)}")
    for epoch in cluster.epochs:
        state = "open" if epoch.is_open else "closed"
        screen.say(f"    epoch {epoch.epoch} ({state}), since {show_time(epoch.since)}")
    for epoch in cluster.earlier:
        screen.say(f"    epoch {epoch.epoch} (closed), only if the break is older than its closing")
    screen.say(f"    inputs: {cluster.items} in {cluster.links} links, {cluster.size} sealed bytes; state and outputs")
    for program in cluster.programs:
        screen.say(f"    program {to_hex(program)}")
    if cluster.is_quorum:
        screen.say("    and they are a quorum: they can settle what never happened")


def _fields(subject: Subject, damage: Damage) -> dict[str, object]:
    return {
        "ok": True,
        "kind": subject.kind,
        "name": subject.name,
        "workers": sorted(subject.broken.workers),
        "gatekeepers": sorted(subject.broken.gatekeepers),
        "assumed": list(subject.assumed),
        "block": damage.block,
        "nothing_exposed": damage.is_nothing,
        "master": damage.master,
        "master_earlier": damage.master_earlier,
        "clusters": [asdict(cluster) for cluster in damage.clusters],
        "committees": [{**asdict(one), "missing": one.missing} for one in damage.committees],
        "not_exposed": list(damage.not_exposed),
        "for_ever": list(damage.for_ever),
        "simulated": damage.simulated,
    }
