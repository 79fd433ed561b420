"""Looks at this machine, and at the network where one is named or there is a ./.phat. Exit status 1 where something
keeps it from working.

Whether there is trusted hardware, and why not; without it, a machine can only be a SIMULATED TEE. ``--attest`` asks the
hardware for evidence and judges it; ``--online`` asks whether the vendors' services answer.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from coprocessor.cli.machine import Check, attest, check_machine, check_services, look_at_hardware
from coprocessor.cli.options import add_network, network_of
from coprocessor.cli.screen import Screen
from coprocessor.values.errors import CoprocessorError
from coprocessor.values.identities import to_hex

if TYPE_CHECKING:
    from coprocessor.client.runtimes import ClusterRuntime

__all__ = ["add_arguments", "run"]

_MOST_SKEW = 300


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    add_network(parser)
    parser.add_argument("--attest", action="store_true", help="ask the hardware for evidence, and judge it")
    parser.add_argument("--online", action="store_true", help="ask whether the vendors' services answer")
    parser.add_argument("--listen", metavar="ADDR", help="HOST:PORT that shall be served on")


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Looks and reports."""
    hardware = look_at_hardware()
    checks = [*check_machine(arguments.listen), hardware.check]
    evidence = None
    if arguments.online:
        with screen.progress("asking the vendors' services"):
            checks += check_services()
    if arguments.attest:
        with screen.progress("asking the hardware"):
            check, evidence = attest()
        checks.append(check)
    if arguments.network or os.environ.get("PHAT_NETWORK") or Path(network_of(arguments)).exists():
        with screen.progress("looking at the network"):
            checks += asyncio.run(_network(network_of(arguments), arguments.rpc))
    for check in checks:
        screen.say(f"{'ok  ' if check.ok else 'FAIL'} {check.name}: {check.detail}")
        if not check.ok and check.next:
            screen.say(f"     next: {check.next}")
        if check == hardware.check and hardware.interface is None:
            for one in hardware.interfaces:
                screen.say(f"     no {one['name']}: {one['reason']}; {one['next']}")
    is_well = all(check.ok for check in checks)
    screen.finish(
        {
            "ok": is_well,
            "simulated": hardware.interface is None,
            "tee": hardware.interface,
            "interfaces": hardware.interfaces,
            "evidence": evidence,
            "checks": [asdict(check) for check in checks],
        }
    )
    return 0 if is_well else 1


async def _network(named: str, rpc: str | None) -> list[Check]:
    from coprocessor.client.session import open_session
    from coprocessor.client.status import look_at
    from coprocessor.client.target import load_target

    try:
        target = load_target(named)
        session = await open_session(target, rpc)
    except CoprocessorError as error:
        return [Check("network", False, f"{error.code}: {error.what}", error.next)]
    try:
        head = await session.chain.refresh()
        checks = [Check("network", True, f"0x{target.id.hex()}, header {head.header.number} is sealed")]
        checks += _clock(head.header.timestamp, target.network.configuration.development)
        status = await look_at(session)
        for process in status.processes:
            detail = f"{process.endpoint}: {process.state}"
            checks.append(Check(process.role, process.pid is not None, detail, "start it, or look at its log"))
        has_workers = all(cluster.members for cluster in status.clusters)
        found = f"{len(status.clusters)} found"
        checks.append(Check("clusters", has_workers, found, "a cluster has no worker: see phat worker --help"))
        return [*checks, *(_runtime(cluster.id, cluster.runtime) for cluster in status.clusters)]
    except CoprocessorError as error:
        return [Check("network", False, f"{error.code}: {error.what}", error.next)]
    finally:
        await session.close()


def _runtime(cluster: bytes, found: ClusterRuntime) -> Check:
    """A worker of this release can execute for the cluster, now and after what is announced (PROTOCOL 12)."""
    name = f"of cluster {to_hex(cluster)[:18]}…"
    if not found.is_carried:
        detail = f"{to_hex(found.runtime)} {name} is not in this release"
        return Check("runtime", False, detail, "install a release that carries it")
    if found.announced is not None and found.is_lacking:
        detail = f"{to_hex(found.announced)}, announced as the next one {name}, is not in this release"
        return Check("runtime", False, detail, "install a release that carries it before the cluster takes it")
    return Check("runtime", True, f"{to_hex(found.runtime)} {name} is in this release")


def _clock(chain_time: int, development: bool) -> list[Check]:
    """A chain that makes blocks only as transactions come lags behind the clock by nature; one ahead of it does not."""
    skew = int(time.time()) - chain_time
    is_right = skew >= -_MOST_SKEW and (development or skew <= _MOST_SKEW)
    detail = f"{skew} s after the newest final block"
    return [Check("clock", is_right, detail, "set this machine's clock, or the node's")]
