"""What ``phat doctor`` looks at on this machine: one check for each thing, none of which changes anything."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import platform
import shutil
import socket
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from coprocessor.values.errors import CoprocessorError

__all__ = ["Check", "Hardware", "attest", "check_machine", "check_services", "look_at_hardware"]

_PACKAGES: Final = ("coincurve", "sha3", "cryptography", "wasmtime", "pyblst", "aiohttp", "msgspec", "dcap_qvl")
_LEAST_DISK: Final = 1 << 30
_LEAST_MEMORY: Final = 1 << 30
_FEW_CORES: Final = 2
_CHAIN_PORT: Final = 8545


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at; ``next`` says what to do where it is not ``ok``."""

    name: str
    ok: bool
    detail: str
    next: str = ""


@dataclass(frozen=True, slots=True)
class Hardware:
    """The trusted hardware that this machine shows.

    Args:
        interface: name of the one that would be used; None where there is none.
        interfaces: of each known one: name, path, whether it is usable, why not, and what to do about it.
    """

    interface: str | None
    interfaces: tuple[dict[str, Any], ...]

    @property
    def check(self) -> Check:
        """Never a failure: a machine without a TEE can do everything on a development network."""
        if self.interface:
            return Check("tee", True, f"{self.interface} is ready")
        return Check("tee", True, "none: this machine can only be a SIMULATED TEE")


def check_machine(listen: str | None = None) -> list[Check]:
    """Everything that needs no network.

    Args:
        listen: HOST:PORT that a worker or gatekeeper shall serve on.
    """
    return [_python(), _machine(), _memory(), _packages(), _disk(), _ports(listen)]


def look_at_hardware(root: Path = Path("/")) -> Hardware:
    """Which interfaces of trusted hardware there are below the file system's root."""
    from coprocessor.attesters.detect import examine_backends

    findings = examine_backends(root)
    usable = next((finding.name for finding in findings if finding.is_usable), None)
    return Hardware(usable, tuple(asdict(finding) for finding in findings))


def attest(root: Path = Path("/")) -> tuple[Check, dict[str, Any] | None]:
    """Evidence of this machine, completed by the vendor's services and verified at this machine's time."""
    from coprocessor.attestation.evidence import decode_evidence, encode_evidence
    from coprocessor.attestation.verify import verify_evidence
    from coprocessor.attesters.detect import open_attester
    from coprocessor.host.collateral import complete_evidence

    try:
        now = int(time.time())
        bare = open_attester(root, simulated=False, root=root).quote(bytes(64), now)
        verdict = verify_evidence(decode_evidence(asyncio.run(complete_evidence(encode_evidence(bare)))), now)
    except CoprocessorError as error:
        return Check("evidence", False, f"{error.code}: {error.what}", error.next), None
    found = {
        "kind": verdict.kind.value,
        "measurement": verdict.measurement_digest,
        "platform": verdict.platform_id,
        "status": verdict.status.value,
        "level": verdict.level,
        "advisories": list(verdict.advisories),
        "flags": sorted(flag.value for flag in verdict.flags),
        "simulated": verdict.simulated,
    }
    measurement = f"measurement 0x{verdict.measurement_digest.hex()}"
    standing = "SIMULATED " if verdict.simulated else ""
    detail = f"{standing}{verdict.kind.value}, {verdict.status.value}, level {verdict.level}, {measurement}"
    return Check("evidence", True, detail), found


def check_services(urls: dict[str, str] | None = None) -> list[Check]:
    """Whether the vendors' services answer; without them no hardware is admitted anew.

    Args:
        urls: addresses by name; the vendors' own by default.
    """
    from coprocessor.attestation.collateral import AMD_SERVICE, INTEL_ROOT_LIST
    from coprocessor.host.collateral import fetch

    named = urls or {"Intel": INTEL_ROOT_LIST, "AMD": f"{AMD_SERVICE}/vcek/v1/Milan/crl"}

    async def ask() -> list[Check]:
        return [await _ask(name, url) for name, url in named.items()]

    async def _ask(name: str, url: str) -> Check:
        try:
            answer = await fetch(url)
        except CoprocessorError as error:
            return Check(f"collateral of {name}", False, error.why or error.what, error.next)
        return Check(f"collateral of {name}", True, f"{len(answer.body)} bytes")

    return asyncio.run(ask())


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    return Check("python", (3, 11) <= sys.version_info < (3, 14), found, "use Python 3.11, 3.12 or 3.13")


def _machine() -> Check:
    system, machine, cores = platform.system(), platform.machine(), os.cpu_count() or 1
    is_known = system == "Linux" and machine in ("x86_64", "aarch64")
    detail = f"{system} {machine}, {cores} cores{'' if cores >= _FEW_CORES else ' (two are better)'}"
    return Check("machine", is_known, detail, "workers run on 64-bit Linux")


def _memory() -> Check:
    free = _available_memory()
    if free is None:
        return Check("memory", True, "not known on this system")
    return Check(
        "memory", free >= _LEAST_MEMORY, f"{free >> 20} MiB free", "a worker takes up to 600 MiB: free at least 1 GiB"
    )


def _available_memory() -> int | None:
    """Bytes that programs can still have, as Linux says."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


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


def _ports(listen: str | None) -> Check:
    """Whether something can be served: on the address that is named, or on any port of this machine."""
    host, _, port = (listen or "127.0.0.1:0").rpartition(":")
    try:
        _bind(host, int(port))
    except (OSError, ValueError, OverflowError) as error:
        return Check(
            "ports", False, f"cannot listen on {host}:{port}: {error}", "name another --listen, or end what uses it"
        )
    try:
        _bind("127.0.0.1", _CHAIN_PORT)
    except OSError:
        return Check("ports", True, f"something listens on {_CHAIN_PORT}, the embedded chain's usual port")
    return Check("ports", True, f"{listen or 'any'} can be listened on")


def _bind(host: str, port: int) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host or "127.0.0.1", port))
