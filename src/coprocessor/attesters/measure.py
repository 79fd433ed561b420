"""The measurement of simulated enclaves: a digest of the source that would be measured.

Hardware measures memory pages or images; the simulated vendor has neither, so it takes the files of the measured
boundary. Changing one changes the measurement, as it would on hardware.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import coprocessor
from coprocessor.crypto.hashing import sha256
from coprocessor.crypto.labels import Label
from coprocessor.values.errors import InternalError
from coprocessor.values.identities import Digest

__all__ = ["MEASURED_PACKAGES", "list_measured_files", "measure_package"]

MEASURED_PACKAGES: Final = (
    "attestation",
    "attesters",
    "codec",
    "crypto",
    "enclave",
    "headers",
    "keys",
    "protocol",
    "sandbox",
    "trie",
    "values",
)
"""Packages inside the enclave, with the guest artefacts that they hold."""

_IGNORED: Final = frozenset({".pyc", ".pyo"})


def list_measured_files(root: Path | None = None) -> list[tuple[str, Path]]:
    """(path with slashes, file) of everything inside the boundary, ascending by path.

    Args:
        root: folder of the ``coprocessor`` package; the imported one by default.
    """
    base = root or _package_root()
    files = [base / "__init__.py"]
    for package in MEASURED_PACKAGES:
        files += [file for file in (base / package).rglob("*") if file.is_file() and file.suffix not in _IGNORED]
    named = sorted((file.relative_to(base).as_posix(), file) for file in files)
    if len(named) < 2:
        raise InternalError("attestation.measure", f"no measured files under {base.name}")
    return named


def measure_package(root: Path | None = None) -> Digest:
    """SHA-256 over (path, content) of every measured file, 32 bytes. Reads some megabytes: call it once a process."""
    parts = [part for name, file in list_measured_files(root) for part in (name.encode(), sha256(file.read_bytes()))]
    return sha256(Label.SIMULATED_VENDOR.context(b"", b"measurement", *parts, insecure=True))


def _package_root() -> Path:
    if coprocessor.__file__ is None:
        raise InternalError("attestation.measure", "the package has no folder to measure")
    return Path(coprocessor.__file__).parent
