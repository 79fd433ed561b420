"""The codes that ``docs/errors.md`` lists: whatever else is raised was forgotten there."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["LISTED_CODES"]

_PAGE = Path(__file__).parents[2] / "docs" / "errors.md"

LISTED_CODES = frozenset(re.findall(r"^\| `([a-z0-9_.]+)` \|", _PAGE.read_text("utf-8"), re.MULTILINE))
