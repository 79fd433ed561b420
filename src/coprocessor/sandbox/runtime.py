"""The runtime id: one digest over everything that decides outcomes and fuel.

Fuel and results are comparable only between executors of one runtime id; a cluster changes it by a system link at a
boundary checkpoint (PROTOCOL 12). Options that provably change nothing (optimisation level, copy-on-write, the path
to the C library) are left out on purpose.
"""

from __future__ import annotations

from dataclasses import fields
from importlib.metadata import version

from coprocessor.codec import cbor
from coprocessor.crypto.hashing import sha256
from coprocessor.sandbox.abi import ABI_VERSION
from coprocessor.sandbox.host_functions import PRICES
from coprocessor.sandbox.instrumentation import DEPTH_LIMIT, INSTRUMENTATION_VERSION, MAX_FUNCTION_WEIGHT
from coprocessor.sandbox.loading import LOAD_FUEL, MAX_BUNDLE_BYTES, MAX_INTERFACE_BYTES
from coprocessor.sandbox.snapshots import SNAPSHOT_RECIPE
from coprocessor.sandbox.validation import PYTHON_PROFILE, RAW_PROFILE, GuestProfile
from coprocessor.values import limits
from coprocessor.values.identities import RuntimeId

__all__ = ["compute_runtime_id", "engine_version"]

_NAME = "coprocessor/v1/runtime"


def engine_version() -> str:
    """Exact version of the installed engine."""
    return version("wasmtime")


def compute_runtime_id(engine: str, guests: tuple[bytes, ...]) -> RuntimeId:
    """The runtime id.

    Args:
        engine: exact version of the engine, see ``engine_version``.
        guests: SHA-256 of each interpreter's module, 32 bytes each.
    """
    content = {
        "name": _NAME,
        "engine": engine,
        "abi": ABI_VERSION,
        "guests": sorted(guests),
        "snapshot": SNAPSHOT_RECIPE,
        "instrumentation": [INSTRUMENTATION_VERSION, DEPTH_LIMIT, MAX_FUNCTION_WEIGHT],
        "load": [LOAD_FUEL, MAX_BUNDLE_BYTES, MAX_INTERFACE_BYTES],
        "profiles": [_plain_profile(profile) for profile in (RAW_PROFILE, PYTHON_PROFILE)],
        "prices": {name: [price.base, price.per_byte] for name, price in PRICES.items()},
        "limits": {name: getattr(limits, name) for name in limits.__all__},
    }
    return RuntimeId(sha256(cbor.dumps(content)))


def _plain_profile(profile: GuestProfile) -> list[object]:
    return [getattr(profile, item.name) for item in fields(GuestProfile)]
