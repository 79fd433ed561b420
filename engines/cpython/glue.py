"""The module between the canonical ABI of componentize-py and guest ABI v1.

A lowered import that returns ``option<list<u8>>`` gets a pointer to twelve bytes: u8 present, u32 pointer, u32
length. Guest ABI v1 answers with an i64, ``pointer << 32 | length``, or -1 for *absent*. Buffers that the host
passes in come from ``phat_alloc``, which is the component's own ``realloc``, so the runtime frees them as its own.
"""

from __future__ import annotations

from component import Flattened

# Imports of guest ABI v1: number of i32 parameters, and whether a packed buffer is returned.
GUEST_IMPORTS: dict[str, tuple[int, bool]] = {
    "kv_get": (2, True),
    "kv_set": (4, False),
    "kv_delete": (2, False),
    "kv_scan": (5, True),
    "log": (3, False),
    "derive_key": (2, True),
    "sign": (2, True),
    "random": (1, True),
    "call": (3, True),
}

GUEST_EXPORTS = ["memory", "phat_alloc", "phat_call"]

# CPython looks for the text of a faulty line in a file, before it takes the source that it has. These functions say
# that there is no such file; componentize-py's stubs would trap. Each writes a result into its last parameter.
_NO_ENTRY = 20
FILE_FUNCTIONS: dict[str, str] = {
    "get-directories": """(param $area i32)
    (i32.store (local.get $area) (i32.const 4))
    (i32.store offset=4 (local.get $area) (i32.const 0))""",
    "[method]descriptor.open-at": f"""(param i32 i32 i32 i32 i32 i32) (param $area i32)
    (i32.store8 (local.get $area) (i32.const 1))
    (i32.store8 offset=4 (local.get $area) (i32.const {_NO_ENTRY}))""",
    "[method]descriptor.readlink-at": f"""(param i32 i32 i32) (param $area i32)
    (i32.store8 (local.get $area) (i32.const 1))
    (i32.store8 offset=4 (local.get $area) (i32.const {_NO_ENTRY}))""",
    "[method]descriptor.stat-at": f"""(param i32 i32 i32 i32) (param $area i32)
    (i32.store8 (local.get $area) (i32.const 1))
    (i32.store8 offset=8 (local.get $area) (i32.const {_NO_ENTRY}))""",
}


def write_glue(flattened: Flattened) -> str:
    """The glue as WebAssembly text.

    Raises:
        ValueError: if the component imports something that guest ABI v1 does not have.
    """
    functions = []
    imports = []
    for lowered in flattened.lowered:
        name = lowered.replace("-", "_")
        if name not in GUEST_IMPORTS:
            raise ValueError(f"the guest imports {lowered}, which guest ABI v1 does not have")
        count, returns = GUEST_IMPORTS[name]
        result = " (result i64)" if returns else ""
        imports.append(f'  (import "phat" "{name}" (func $phat_{name} (param{" i32" * count}){result}))')
        functions.append(_write_import(lowered, name, count, returns))
    memory, realloc, call = flattened.memory, flattened.realloc, flattened.call
    return "\n".join(
        [
            "(module",
            *imports,
            f'  (import "{memory[0]}" "{memory[1]}" (memory $memory 0))',
            f'  (import "{memory[0]}" "__stack_pointer" (global $stack_pointer (mut i32)))',
            f'  (import "{realloc[0]}" "{realloc[1]}" (func $realloc (param i32 i32 i32 i32) (result i32)))',
            f'  (import "{call[0]}" "{call[1]}" (func $call (param i32 i32) (result i32)))',
            '  (export "memory" (memory $memory))',
            *functions,
            *(f'  (func (export "{name}") {body})' for name, body in FILE_FUNCTIONS.items()),
            _ALLOC,
            _CALL,
            ")",
        ]
    )


def _write_import(lowered: str, name: str, count: int, returns: bool) -> str:
    # The canonical ABI flattens list<u8> to pointer and length; `call` has 32 fixed bytes, whose length is dropped.
    lengths = {"call": [0, 2, 3]}.get(name, list(range(count)))
    declared = max(lengths) + 1
    gets = " ".join(f"(local.get {index})" for index in lengths)
    invoke = f"(call $phat_{name} {gets})"
    if not returns:
        return f'  (func (export "{lowered}") (param{" i32" * declared}) {invoke})'
    return f"""  (func (export "{lowered}") (param{" i32" * declared} i32) (local $packed i64)
    (local.set $packed {invoke})
    (if (i64.eq (local.get $packed) (i64.const -1))
      (then (i32.store8 (local.get {declared}) (i32.const 0)))
      (else
        (i32.store8 (local.get {declared}) (i32.const 1))
        (i32.store offset=4 (local.get {declared})
          (i32.wrap_i64 (i64.shr_u (local.get $packed) (i64.const 32))))
        (i32.store offset=8 (local.get {declared}) (i32.wrap_i64 (local.get $packed))))))"""


_ALLOC = """  (func (export "phat_alloc") (param $length i32) (result i32)
    (call $realloc (i32.const 0) (i32.const 0) (i32.const 1)
      (select (local.get $length) (i32.const 1) (local.get $length))))"""

# The result area holds u32 pointer, u32 length, and lies on the shadow stack, where the export leaves it until its
# post-return function has run. That function would free the result before the host has read it, so it is not called:
# an instance serves one call after its load. The stack pointer goes back to where it was instead, so that memory
# alone is what a snapshot has to keep.
_CALL = """  (func (export "phat_call") (param $pointer i32) (param $length i32) (result i64)
    (local $area i32) (local $stack i32)
    (local.set $stack (global.get $stack_pointer))
    (local.set $area (call $call (local.get $pointer) (local.get $length)))
    (global.set $stack_pointer (local.get $stack))
    (i64.or
      (i64.shl (i64.extend_i32_u (i32.load (local.get $area))) (i64.const 32))
      (i64.extend_i32_u (i32.load offset=4 (local.get $area)))))"""
