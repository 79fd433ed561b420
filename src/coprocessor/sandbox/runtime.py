"""Runtimes: everything that decides outcomes and fuel, each named by one digest, and those that a release carries.

Rules enforced:
1. Fuel and results are comparable only between executors of one runtime id (PROTOCOL 5.3). Options that provably change
   nothing (optimisation level, copy-on-write, the path to the C library) are left out of it on purpose.
2. A release carries at most two runtimes, so that a cluster can switch from one to the other at the link of an epoch
   (PROTOCOL 12). Within one release they differ in interpreters and rules; engine, guest ABI, instrumentation and
   profiles are the release's own.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from importlib.metadata import version
from typing import Final

from coprocessor.codec import cbor
from coprocessor.crypto.hashing import sha256
from coprocessor.sandbox.abi import ABI_VERSION, UPGRADE_SELECTOR
from coprocessor.sandbox.instrumentation import DEPTH_LIMIT, INSTRUMENTATION_VERSION, MAX_FUNCTION_WEIGHT
from coprocessor.sandbox.loading import MAX_BUNDLE_BYTES, MAX_INTERFACE_BYTES
from coprocessor.sandbox.python_guest import guest_digest
from coprocessor.sandbox.rules import NEXT_RULES, RULES, Rules
from coprocessor.sandbox.snapshots import SNAPSHOT_RECIPE
from coprocessor.sandbox.validation import PYTHON_PROFILE, RAW_PROFILE, GuestProfile
from coprocessor.values import limits
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import RuntimeId

__all__ = ["MAX_RUNTIMES", "Runtime", "Runtimes", "engine_version", "release_runtimes"]

MAX_RUNTIMES: Final = 2
"""Runtimes of one release (rule 2)."""

_NAME = "coprocessor/v1/runtime"


def engine_version() -> str:
    """Exact version of the installed engine."""
    return version("wasmtime")


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a cluster's members execute with.

    Attributes:
        engine: exact version of the engine, see ``engine_version``.
        guests: (language, SHA-256 of its interpreter's module: 32 bytes), each language once.
        rules: prices and limits.
    """

    engine: str
    guests: tuple[tuple[str, bytes], ...]
    rules: Rules = RULES

    @property
    def id(self) -> RuntimeId:
        """The runtime id, 32 bytes."""
        rules = self.rules
        ruled = {
            "MAX_LOG_BYTES": rules.log_bytes,
            "MAX_STATE_WRITE_BYTES": rules.state_write_bytes,
            "MAX_CALL_DEPTH": rules.call_depth,
        }
        content = {
            "name": _NAME,
            "engine": self.engine,
            "abi": ABI_VERSION,
            "guests": sorted(digest for _, digest in self.guests),
            "snapshot": SNAPSHOT_RECIPE,
            "instrumentation": [INSTRUMENTATION_VERSION, DEPTH_LIMIT, MAX_FUNCTION_WEIGHT],
            "load": [rules.load_fuel, MAX_BUNDLE_BYTES, MAX_INTERFACE_BYTES],
            "profiles": [_plain_profile(profile) for profile in (RAW_PROFILE, PYTHON_PROFILE)],
            "prices": {name: [price.base, price.per_byte] for name, price in rules.prices.items()},
            "limits": {name: getattr(limits, name) for name in limits.__all__} | ruled,
            "reserved": [UPGRADE_SELECTOR],
        }
        return RuntimeId(sha256(cbor.dumps(content)))

    def guest(self, language: str) -> bytes:
        """SHA-256 of a language's interpreter. Raises CallerMisuse (``guest.unknown``)."""
        digest = dict(self.guests).get(language)
        if digest is None:
            known = " and ".join(name for name, _ in self.guests) or "none"
            raise CallerMisuse("guest.unknown", f"there is no guest for {language!r}", next=f"there is {known}")
        return digest


class Runtimes:
    """The runtimes of a release, one or two, by id.

    Args:
        runtimes: the first is the one under which new clusters begin.
    """

    def __init__(self, *runtimes: Runtime) -> None:
        self._by_id = {runtime.id: runtime for runtime in runtimes}
        if not 1 <= len(self._by_id) <= MAX_RUNTIMES or len(self._by_id) != len(runtimes):
            raise CallerMisuse("sandbox.runtimes", f"a release carries 1 to {MAX_RUNTIMES} distinct runtimes")
        self.first = runtimes[0]

    @property
    def ids(self) -> tuple[RuntimeId, ...]:
        """All ids, the first one's first."""
        return tuple(self._by_id)

    def find(self, runtime: RuntimeId) -> Runtime | None:
        """The runtime with this id, or None where the release does not carry it."""
        return self._by_id.get(runtime)


def release_runtimes() -> Runtimes:
    """What this release carries: the runtime of new clusters, and the one to which clusters can switch."""
    guests = (("python", guest_digest()),)
    return Runtimes(*(Runtime(engine_version(), guests, rules) for rules in (RULES, NEXT_RULES)))


def _plain_profile(profile: GuestProfile) -> list[object]:
    return [getattr(profile, item.name) for item in fields(GuestProfile)]
