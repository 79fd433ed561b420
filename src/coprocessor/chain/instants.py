"""Chain time as people read it."""

from __future__ import annotations

import time

__all__ = ["show_time"]


def show_time(seconds: int) -> str:
    """``YYYY-MM-DD hh:mm:ss UTC`` of seconds since 1970."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
