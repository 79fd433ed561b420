"""A program in AssemblyScript behaves like the one in C."""

from __future__ import annotations

import struct

from coprocessor.sandbox.abi import FrameKind
from coprocessor.sandbox.engine import Engine
from tests.sandbox.scenes import call, execute, make_executor
from tests.support.assemblyscript import compile_assemblyscript
from tests.support.wasm import ROOT, compile_c

SOURCE = ROOT / "guests" / "assemblyscript" / "assembly" / "counter.ts"


def test_counter_behaves_like_the_one_in_c(engine: Engine) -> None:
    outcomes = []
    for wasm in (compile_c(ROOT / "examples" / "c_counter" / "counter.c"), compile_assemblyscript(SOURCE)):
        results = execute(
            make_executor(engine, wasm),
            call(method="init", arguments=struct.pack("<Q", 2**64 - 5), kind=FrameKind.INIT),
            call(method="add", arguments=struct.pack("<Q", 4)),
            call(method="add", arguments=struct.pack("<Q", 1)),
            call(method="add", arguments=b"\1"),
            call(method="nothing"),
            call(method="get"),
        )
        outcomes.append(
            [(item.outcome.status, item.outcome.result, item.outcome.message, item.writes) for item in results]
        )
    assert outcomes[0] == outcomes[1]
    assert [status for status, *_ in outcomes[1]] == [0, 0, 1, 3, 2, 2]
