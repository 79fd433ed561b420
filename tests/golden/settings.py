"""All that may differ between two machines of one runtime, as settings under which the corpus must come out equal.

Winch, the engine's other code generator, is not among them: the engine's C interface does not offer it. Neither is a
third snapshot form: a snapshot is either copied page by page (``page delta``) or mapped (``own image``).
"""

from __future__ import annotations

import platform
from dataclasses import dataclass, field

from coprocessor.sandbox.engine import EngineOptions
from coprocessor.sandbox.instrumentation import DEPTH_LIMIT

__all__ = ["DEEP", "REPRESENTATIVE", "SETTINGS", "Setting"]


def _any_processor() -> str:
    """The target whose code runs on the oldest processor of this machine's kind."""
    machine = {"arm64": "aarch64", "amd64": "x86_64"}.get(platform.machine().lower(), platform.machine())
    system = {"Linux": "unknown-linux-gnu", "Darwin": "apple-darwin"}[platform.system()]
    return f"{machine}-{system}"


@dataclass(frozen=True, slots=True)
class Setting:
    """One way of running.

    Attributes:
        options: of the engine, for an executor in this process.
        hash_seed: of an executor process; None plays in this process.
        is_fresh: a new process for each program.
        is_reversed: programs in reverse order.
        rounds: how often all is played in the one executor.
        is_deep: ``make test`` plays the recursive programs too.
        shares_code: the guest compiled for the default setting, or for ``none``, is used: no compilation of its own.
    """

    options: EngineOptions = field(default_factory=EngineOptions)
    hash_seed: str | None = None
    is_fresh: bool = False
    is_reversed: bool = False
    rounds: int = 1
    shares_code: bool = True
    is_deep: bool = False


SETTINGS = {
    "no optimisation": Setting(EngineOptions(optimization="none"), is_deep=True),
    "optimised for speed and size": Setting(EngineOptions(optimization="speed_and_size"), shares_code=False),
    "any processor of this kind": Setting(EngineOptions(target=_any_processor()), shares_code=False),
    "checks instead of signals": Setting(EngineOptions(traps_by_signal=False), shares_code=False),
    "not interruptible": Setting(EngineOptions(is_interruptible=False), shares_code=False),
    "no copy-on-write": Setting(EngineOptions(copy_on_write=False), shares_code=False),
    "no copy-on-write, pool": Setting(EngineOptions(copy_on_write=False, is_pooling=True), shares_code=False),
    "pool": Setting(EngineOptions(is_pooling=True)),
    "page delta": Setting(EngineOptions(maps_snapshots=False)),
    "public path": Setting(EngineOptions(path="public")),
    "native stack 1x": Setting(EngineOptions(guest_stack_bytes=DEPTH_LIMIT), is_deep=True),
    "native stack 1x, no optimisation": Setting(
        EngineOptions(guest_stack_bytes=DEPTH_LIMIT, optimization="none"), is_deep=True
    ),
    "native stack 4x": Setting(EngineOptions(guest_stack_bytes=4 * DEPTH_LIMIT)),
    "warm process": Setting(rounds=2),
    "reversed order": Setting(is_reversed=True),
    "hash seed 0": Setting(hash_seed="0"),
    "hash seed 4242": Setting(hash_seed="4242", is_reversed=True),
    "fresh processes": Setting(hash_seed="random", is_fresh=True),
}
"""The default setting, with a native stack of twice the depth limit, is that of ``test_corpus``."""

REPRESENTATIVE = (
    "ballot",
    "customer",
    "deep",
    "exceptions",
    "floats",
    "growth",
    "identities",
    "nans",
    "ordered_map",
    "state",
    "statistics_and_floats",
    "tally",
    "traps",
)
"""Programs that ``make test`` plays under each setting; ``make golden`` plays all."""

DEEP = ("bombs", "load_recurses", "recursion")
"""Those that ``make test`` adds where the native stack or the code's frames are other than by default."""
