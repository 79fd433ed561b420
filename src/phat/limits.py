"""Sizes that a program can meet; the host enforces the same ones, this package names them in its messages."""

from __future__ import annotations

MAX_KEY_BYTES = 1024
MAX_VALUE_BYTES = 64 * 1024
MAX_MESSAGE_BYTES = 4096
MAX_RESULT_BYTES = 64 * 1024
MAX_EVENTS = 64
MAX_EVENT_NAME_BYTES = 64
MAX_RANDOM_BYTES = 1024
MAX_JSON_NESTING = 64
SCAN_PAGE_ENTRIES = 256
