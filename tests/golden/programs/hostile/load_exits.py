"""A module that exits while it is loaded."""

from __future__ import annotations

raise SystemExit("no program today")
