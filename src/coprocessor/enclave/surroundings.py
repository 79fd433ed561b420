"""What the measured loop gives to a worker's core, and the interpreters among it: by runtime, kept on the host's disk.

Rule enforced: native code opens for the runtime for which it was sealed; what does not open is made again, never loaded
(PROTOCOL 5.8).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coprocessor.enclave import messages as m
from coprocessor.enclave.executor_port import Executor, ExecutorPort
from coprocessor.enclave.identity import Entropy
from coprocessor.sandbox.runtime import Runtime, Runtimes
from coprocessor.sandbox.sealed_cache import CacheKind, SealedCache, cache_name
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import RuntimeId, checked_digest

__all__ = ["Guests", "WorkerSurroundings"]


class WorkerSurroundings:
    """What the measured loop gives to the core.

    Args:
        entropy: random bytes from inside the boundary.
        executor: where guests run.
        guest_wasm: an interpreter's module by its SHA-256.
        runtimes: what this release carries; the executor starts with the first.
        seal_key: 32 bytes, bound to platform and measurement; authenticates what lies on the host's disk.
        platform: 32 bytes, id of the machine.
        simulated: the hardware is simulated.
    """

    def __init__(
        self,
        *,
        entropy: Entropy,
        executor: ExecutorPort,
        guest_wasm: Callable[[bytes], bytes],
        runtimes: Runtimes,
        seal_key: bytes,
        platform: bytes,
        simulated: bool,
    ) -> None:
        self.entropy = entropy
        self.executor = executor
        self.guest_wasm = guest_wasm
        self.runtimes = runtimes
        self._seal_key = seal_key
        self.platform = platform
        self.simulated = simulated

    def cache(self, runtime: Runtime) -> SealedCache:
        """Where this machine's native code for a runtime opens; that of another runtime does not (PROTOCOL 5.8)."""
        return SealedCache(self._seal_key, runtime.id)

    def carried(self, runtime: RuntimeId) -> Runtime:
        """The runtime with this id. Raises EvidenceRefused (``runtime.missing``)."""
        found = self.runtimes.find(runtime)
        if found is None:
            carried = ", ".join(f"0x{known.hex()}" for known in self.runtimes.ids)
            raise EvidenceRefused(
                "runtime.missing",
                f"the cluster's runtime 0x{runtime.hex()} is not in this release",
                f"it carries {carried}: under another engine, guest or limit fuel and results would not be comparable",
                "install a release that carries the runtime and start the worker again; nothing is lost",
            )
        return found


class Guests:
    """The interpreters of a worker's executor.

    Args:
        around: the release's runtimes and the key for what lies on the disk.
        executor: which loads them.
    """

    def __init__(self, around: WorkerSurroundings, executor: Executor) -> None:
        self._around = around
        self._executor = executor

    def prepare(self, message: m.PrepareGuest, *, has_begun: bool) -> list[Any]:
        """An interpreter ahead of its first program: of the runtime that executes, or, before the first epoch, of the
        one that is named. Of another runtime only what was kept is taken, for the switch to come.

        Args:
            has_begun: an epoch has begun, and with it its runtime.

        Raises:
            EvidenceRefused: the release lacks the runtime (``runtime.missing``).
        """
        runtime = self._around.carried(RuntimeId(checked_digest(message.runtime, "runtime")))
        source = runtime.guest(message.language)
        cache = self._around.cache(runtime)
        cached = cache.open(CacheKind.COMPILED, source, message.cached) if message.cached else None
        if runtime != self._executor.runtime and not has_begun:
            self._executor.switch(runtime)
        if runtime != self._executor.runtime:
            if cached is not None:
                self._executor.keep_native_code(source, cached)
            return [m.Ready()]
        self._executor.prepare_guest(message.language, cached)
        is_kept = cached is not None and cached == self._executor.native_code(source)
        return [m.Ready()] if is_kept else [m.Ready(), *self.kept()]

    def kept(self) -> list[Any]:
        """The present runtime's interpreters as native code, sealed for it, as far as they are at hand."""
        runtime = self._executor.runtime
        notices = []
        for language, source in runtime.guests:
            native = self._executor.native_code(source)
            if native is not None:
                salt = self._around.entropy(32)
                sealed = self._around.cache(runtime).seal(CacheKind.COMPILED, source, native, salt)
                notices.append(m.KeepCache(cache_name(language, runtime.id), sealed))
        return notices
