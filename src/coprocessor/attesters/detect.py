"""Which source of evidence a machine has.

Order: dstack's socket, Gramine's files, the kernel's configfs-tsm, the Nitro device. Simulation is never found, only
asked for, so that no machine falls back to it unseen.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coprocessor.attesters.attester import Attester
from coprocessor.attesters.simulated import SimulatedAttester
from coprocessor.values.errors import EvidenceRefused

__all__ = ["BACKENDS", "Backend", "find_backends", "open_attester"]


@dataclass(frozen=True, slots=True)
class Backend:
    """A way to hardware evidence.

    Args:
        name: what it is.
        path: file, folder or socket that exists where it is available, below the file system's root.
    """

    name: str
    path: str


BACKENDS: Final = (
    Backend("dstack", "var/run/dstack.sock"),
    Backend("Gramine SGX", "dev/attestation/quote"),
    Backend("configfs-tsm", "sys/kernel/config/tsm/report"),
    Backend("Nitro", "dev/nsm"),
)
"""In order of preference."""


def find_backends(root: Path = Path("/")) -> tuple[Backend, ...]:
    """The hardware interfaces that this machine shows, best first."""
    return tuple(backend for backend in BACKENDS if (root / backend.path).exists())


def open_attester(platform_folder: Path, *, simulated: bool, root: Path = Path("/")) -> Attester:
    """The machine's source of evidence.

    Args:
        platform_folder: where a simulated machine keeps its identity.
        simulated: use simulation, and nothing else.
        root: of the file system, for tests.

    Raises:
        EvidenceRefused: ``attestation.simulated_refused`` where there is no hardware and simulation was not asked for;
            ``attestation.backend_unsupported`` where there is hardware that this release does not drive yet.
    """
    if simulated:
        return SimulatedAttester.open(platform_folder)
    backends = find_backends(root)
    if not backends:
        raise EvidenceRefused(
            "attestation.simulated_refused",
            "this machine shows no trusted hardware, and simulation is not allowed",
            f"looked for {', '.join('/' + backend.path for backend in BACKENDS)}",
            "run inside SGX or TDX, or allow simulation on a development network",
        )
    raise EvidenceRefused(
        "attestation.backend_unsupported",
        f"{backends[0].name} is present but not supported in this release",
        f"found /{backends[0].path}",
        "use simulation on a development network, or wait for a release that drives this hardware",
    )
