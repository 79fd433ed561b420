"""Sizes that a program can meet; the host enforces the same ones, this package names them in its messages."""

from __future__ import annotations

MAX_KEY_BYTES = 1024
MAX_VALUE_BYTES = 64 * 1024
MAX_MESSAGE_BYTES = 4096
MAX_REPLY_BYTES = 64 * 1024
MAX_EVENTS = 64
MAX_EVENT_NAME_BYTES = 64
MAX_RANDOM_BYTES = 1024
MAX_PURPOSE_BYTES = 1024
MAX_JSON_NESTING = 64

SCAN_PAGE_ENTRIES = 256
# The host cuts a page at 1 MiB: one that is nearly full may have been cut before its last entry.
SCAN_PAGE_FULL_BYTES = (1 << 20) - MAX_KEY_BYTES - MAX_VALUE_BYTES - 8
