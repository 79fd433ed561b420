"""Looks at this machine, and at the network where one is named or there is a ./.phat. Exit status 1 where something
keeps it from working."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import platform
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from coprocessor.cli.options import add_network, network_of
from coprocessor.cli.screen import Screen
from coprocessor.values.errors import CoprocessorError

__all__ = ["Check", "add_arguments", "run"]

_PACKAGES = ("coincurve", "sha3", "cryptography", "wasmtime", "pyblst", "aiohttp", "msgspec", "dcap_qvl")
_TEE_DEVICES = ("/dev/sgx_enclave", "/dev/tdx_guest", "/dev/sev-guest", "/sys/kernel/config/tsm/report", "/dev/nsm")
_LEAST_DISK = 1 << 30
_MOST_SKEW = 300


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at; ``next`` says what to do where it is not ``ok``."""

    name: str
    ok: bool
    detail: str
    next: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    add_network(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Looks and reports."""
    checks = [check() for check in (_python, _machine, _packages, _disk, _hardware)]
    if arguments.network or os.environ.get("PHAT_NETWORK") or Path(network_of(arguments)).exists():
        with screen.progress("looking at the network"):
            checks += asyncio.run(_network(network_of(arguments), arguments.rpc))
    for check in checks:
        screen.say(f"{'ok  ' if check.ok else 'FAIL'} {check.name}: {check.detail}")
        if not check.ok and check.next:
            screen.say(f"     next: {check.next}")
    is_well = all(check.ok for check in checks)
    screen.finish({"ok": is_well, "checks": [asdict(check) for check in checks]})
    return 0 if is_well else 1


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    return Check("python", (3, 11) <= sys.version_info < (3, 14), found, "use Python 3.11, 3.12 or 3.13")


def _machine() -> Check:
    system, machine = platform.system(), platform.machine()
    is_known = system == "Linux" and machine in ("x86_64", "aarch64")
    return Check("machine", is_known, f"{system} {machine}, {os.cpu_count()} cores", "workers run on 64-bit Linux")


def _packages() -> Check:
    missing = [name for name in _PACKAGES if not _imports(name)]
    detail = f"missing: {', '.join(missing)}" if missing else f"{len(_PACKAGES)} packages load"
    return Check("packages", not missing, detail, "install again: make install")


def _imports(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def _disk() -> Check:
    free = shutil.disk_usage(".").free
    return Check("disk", free >= _LEAST_DISK, f"{free >> 20} MiB free here", "free at least 1 GiB")


def _hardware() -> Check:
    """Never a failure: a machine without a TEE can do everything on a development network."""
    found = [device for device in _TEE_DEVICES if Path(device).exists()]
    return Check("tee", True, ", ".join(found) or "none: this machine can only be a SIMULATED TEE")


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
        return checks
    except CoprocessorError as error:
        return [Check("network", False, f"{error.code}: {error.what}", error.next)]
    finally:
        await session.close()


def _clock(chain_time: int, development: bool) -> list[Check]:
    """A chain that makes blocks only as transactions come lags behind the clock by nature; one ahead of it does not."""
    skew = int(time.time()) - chain_time
    is_right = skew >= -_MOST_SKEW and (development or skew <= _MOST_SKEW)
    detail = f"{skew} s after the newest final block"
    return [Check("clock", is_right, detail, "set this machine's clock, or the node's")]

