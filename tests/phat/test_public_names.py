"""What authors may rely on."""

from __future__ import annotations

import subprocess
import sys

import phat


def test_public_names() -> None:
    widths = (8, 16, 32, 64, 128, 256)
    numbers = [f"{sign}nt{bits}" for sign in ("I", "Ui") for bits in widths]
    others = [
        "Address", "CallFailed", "Contract", "Digest", "Environment", "Error", "Event", "Map", "Unavailable",
        "command", "keccak256", "query", "read_data", "request", "revert",
    ]  # fmt: skip
    assert sorted(phat.__all__) == sorted(numbers + others)


def test_only_the_standard_library_is_imported() -> None:
    code = (
        "import sys; import phat, phat.dispatch, phat.bundle, phat.program\n"
        "print([m for m in sys.modules if m.partition('.')[0] not in sys.stdlib_module_names | {'phat', '__main__'}])"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({_source()!r}); {code}"],
                          capture_output=True, text=True, check=True, timeout=60)  # fmt: skip
    assert done.stdout.strip() == "[]"


def _source() -> str:
    (folder,) = phat.__path__
    return folder.removesuffix("/phat")
