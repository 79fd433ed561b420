"""Which source of evidence a machine has, and why it has none.

Order: dstack's socket, Gramine's files, the kernel's configfs-tsm, the Nitro device. Simulation is never found, only
asked for, so that no machine falls back to it unseen.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coprocessor.attesters.attester import Attester
from coprocessor.attesters.dstack import DSTACK_SOCKET, DstackAttester
from coprocessor.attesters.gramine import GRAMINE_FOLDER, GramineAttester
from coprocessor.attesters.nitro import NSM_DEVICE, NitroAttester
from coprocessor.attesters.simulated import SimulatedAttester
from coprocessor.attesters.tsm import TSM_FOLDER, TsmAttester
from coprocessor.values.errors import EvidenceRefused

__all__ = ["BACKENDS", "Backend", "Finding", "examine_backends", "find_backends", "open_attester"]


@dataclass(frozen=True, slots=True)
class Backend:
    """A way to hardware evidence.

    Args:
        name: what it is.
        path: file, folder or socket below the file system's root.
        make: opens it at its path.
        explain: what is the matter where the path does not exist: takes the file system's root, gives reason and next
            step.
    """

    name: str
    path: str
    make: Callable[[Path], Attester]
    explain: Callable[[Path], tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of a backend: whether it can be used, why not, and what to do about it."""

    name: str
    path: str
    is_usable: bool
    reason: str
    next: str


def _explain_dstack(root: Path) -> tuple[str, str]:
    return "there is no guest agent", "mount the socket into the container, inside a dstack guest"


def _explain_gramine(root: Path) -> tuple[str, str]:
    if (root / "dev/sgx_enclave").exists():
        return "the processor has SGX, but this is no Gramine enclave", "start it with gramine-sgx (deploy/gramine)"
    return (
        "this is no Gramine enclave, and there is no SGX driver",
        "enable SGX in the BIOS, if there is any",
    )


def _explain_tsm(root: Path) -> tuple[str, str]:
    if not (root / "sys/kernel/config").exists() or not any((root / "sys/kernel/config").iterdir()):
        return "configfs is not mounted", "mount -t configfs none /sys/kernel/config"
    for device, kind in (("dev/tdx_guest", "TDX"), ("dev/sev-guest", "SEV-SNP")):
        if (root / device).exists():
            next_step = "use Linux 6.7 or later with TSM_REPORTS"
            return f"this is a {kind} guest whose kernel has no tsm reports", next_step
    return "this is no TDX or SEV-SNP guest", "start the machine as a confidential guest"


def _explain_nitro(root: Path) -> tuple[str, str]:
    return "there is no Nitro Secure Module", "start it as a Nitro enclave"


BACKENDS: Final = (
    Backend("dstack", DSTACK_SOCKET, DstackAttester, _explain_dstack),
    Backend("Gramine SGX", GRAMINE_FOLDER, GramineAttester, _explain_gramine),
    Backend("configfs-tsm", TSM_FOLDER, TsmAttester, _explain_tsm),
    Backend("Nitro", NSM_DEVICE, NitroAttester, _explain_nitro),
)
"""In order of preference."""


def find_backends(root: Path = Path("/")) -> tuple[Backend, ...]:
    """The hardware interfaces that this machine shows, best first."""
    return tuple(backend for backend in BACKENDS if (root / backend.path).exists())


def examine_backends(root: Path = Path("/")) -> tuple[Finding, ...]:
    """What each interface looks like from here; nothing is asked of the hardware."""
    return tuple(_examine(backend, root) for backend in BACKENDS)


def open_attester(platform_folder: Path, *, simulated: bool, root: Path = Path("/")) -> Attester:
    """The machine's source of evidence.

    Args:
        platform_folder: where a simulated machine keeps its identity.
        simulated: use simulation, and nothing else.
        root: of the file system, for tests.

    Raises:
        EvidenceRefused: ``attestation.simulated_refused``: there is no hardware, and simulation was not asked for.
    """
    if simulated:
        return SimulatedAttester.open(platform_folder)
    backends = find_backends(root)
    if not backends:
        raise EvidenceRefused(
            "attestation.simulated_refused",
            "this machine shows no trusted hardware, and simulation is not allowed",
            f"looked for {', '.join('/' + backend.path for backend in BACKENDS)}",
            "look with phat doctor what this machine can do, or allow simulation on a development network",
        )
    return backends[0].make(root / backends[0].path)


def _examine(backend: Backend, root: Path) -> Finding:
    path = root / backend.path
    try:
        if not path.exists():
            return Finding(backend.name, f"/{backend.path}", False, *backend.explain(root))
        is_allowed = os.access(path, os.R_OK | os.W_OK)
    except OSError as error:
        return Finding(backend.name, f"/{backend.path}", False, str(error), "run as a user who may read it")
    if not is_allowed:
        reason = f"this user may not use /{backend.path}"
        return Finding(backend.name, f"/{backend.path}", False, reason, "run as root, or as a user of its group")
    return Finding(backend.name, f"/{backend.path}", True, "ready", "")
