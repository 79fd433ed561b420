"""The embedded development chain: one process, one SQLite file, JSON-RPC over HTTP.

It is used by its URL alone; no other package imports this one, and this is the only one that imports py-evm. It is for
development, tests and single machines: one sealer, no peers, ten accounts whose keys everybody knows.
"""

from __future__ import annotations

import os

# py-evm's hashing picks its library by this variable at its first import; this one is the fastest.
os.environ.setdefault("ETH_HASH_BACKEND", "pysha3")
