"""A program that signs calls for its account on the chain: the code of ``docs/specification/accounts.md``."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["TREASURY"]

_PAGE = Path(__file__).parents[2] / "docs" / "specification" / "accounts.md"


def _read() -> str:
    found = re.search(r"```python\n(.*?)```", _PAGE.read_text("utf-8"), re.DOTALL)
    assert found, "the page has lost its program"
    return found.group(1)


TREASURY = _read()
