"""Makes every vector file of this folder anew, from nothing but the code: no clock, no entropy, no network.

    python vectors/make.py            writes the files
    python vectors/make.py --check    compares them with what would be written; ends with 1 where they differ

What the cases are stands in ``tests/vectors/``; ``interface.json`` is made by hand.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tests.vectors.form import encode  # noqa: E402
from tests.vectors.subjects import FOLDER, subjects  # noqa: E402


def main(arguments: list[str]) -> int:
    """Writes or compares; returns the process's exit status."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    stale = []
    for name, subject in subjects().items():
        path, text = FOLDER / f"{name}.json", encode(subject.document())
        if path.is_file() and path.read_text("utf-8") == text:
            continue
        stale.append(path.name)
        if not arguments:
            path.write_text(text, "utf-8")
    if stale:
        sys.stderr.write(("differ: " if arguments else "written: ") + ", ".join(stale) + "\n")
    return 1 if stale and arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
