"""Guests that recurse without end, each with another kind of frame: the adversaries of the depth limit.

``phat_call`` calls ``$f`` with zeros. Most shapes keep as many values alive across the recursive call as their code
can name, so that the code generator must spill them.
"""

from __future__ import annotations

from tests.sandbox.scenes import guest

_ENTER = "(drop (call $f (i32.const 1)))"


def _chain(count: int, type_: str, start: str, step: str) -> tuple[str, str, str]:
    """Declarations, then ``count`` values that depend on each other, then the sum of all of them."""
    locals_ = " ".join(f"(local $v{index} {type_})" for index in range(count))
    lines = [f"(local.set $v0 {start})"]
    lines += [
        f"(local.set $v{index} {step.format(previous=f'(local.get $v{index - 1})')})" for index in range(1, count)
    ]
    total = "(local.get $v0)"
    for index in range(1, count):
        total = f"({type_}.add (local.get $v{index}) {total})"
    return locals_, "\n".join(lines), total


def _plain() -> str:
    return "(func $f (param $x i32) (result i32) (i32.add (call $f (local.get $x)) (i32.const 1)))"


def _tail_position() -> str:
    return "(func $f (param $x i32) (result i32) (call $f (local.get $x)))"


def _live_integers(count: int) -> str:
    locals_, lines, total = _chain(
        count, "i64", "(i64.extend_i32_u (local.get $x))", "(i64.mul {previous} (i64.const 31))"
    )
    return f"""(func $f (param $x i32) (result i32) {locals_} {lines}
      (local.set $x (call $f (local.get $x)))
      (i32.add (local.get $x) (i32.wrap_i64 {total})))"""


def _live_floats(count: int) -> str:
    locals_, lines, total = _chain(
        count, "f64", "(f64.convert_i32_u (local.get $x))", "(f64.sqrt (f64.add {previous} (f64.const 1.5)))"
    )
    return f"""(func $f (param $x i32) (result i32) {locals_} {lines}
      (local.set $x (call $f (local.get $x)))
      (i32.add (local.get $x) (i32.trunc_sat_f64_s {total})))"""


def _live_globals(count: int) -> str:
    names = [f"(global $g{index} (mut i64) (i64.const {index}))" for index in range(count)]
    gets = " ".join(f"(global.get $g{index})" for index in range(count))
    adds = " i64.add" * count
    return f"""{" ".join(names)} (func $f (param $x i32) (result i32)
      {gets} (i64.extend_i32_u (call $f (local.get $x))) {adds} i32.wrap_i64)"""


def _many_locals(count: int) -> str:
    return f"""(func $f (param $x i32) (result i32) {"(local i64)" * count}
      (i32.add (call $f (local.get $x)) (i32.const 1)))"""


def _many_parameters(count: int) -> str:
    parameters = " ".join(f"(param $p{index} i64)" for index in range(count))
    arguments = " ".join(f"(local.get $p{(index + 1) % count})" for index in range(count))
    zeros = "(i64.const 3) " * count
    return f"""(func $g {parameters} (result i32) (i32.add (call $g {arguments}) (i32.wrap_i64 (local.get $p0))))
      (func $f (param $x i32) (result i32) (call $g {zeros}))"""


def _hoisted(count: int) -> str:
    """Loop-invariant values, which the optimiser moves out of the loop and keeps alive over all of it."""
    used = "\n".join(
        f"(local.set $sum (i64.add (local.get $sum) (i64.div_u (local.get $y) (i64.const {index * 2 + 3}))))"
        for index in range(count)
    )
    return f"""(func $f (param $x i32) (result i32) (local $sum i64) (local $y i64)
      (local.set $y (i64.extend_i32_u (local.get $x)))
      (loop $again
        {used}
        (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (call $f (local.get $x)))))
        {used}
        (br_if $again (i32.wrap_i64 (local.get $sum))))
      (i32.wrap_i64 (local.get $sum)))"""


def _nested_blocks(count: int) -> str:
    opens, closes = "(block " * count, ")" * count
    labels = " ".join(str(index) for index in range(count))
    return f"""(func $f (param $x i32) (result i32)
      {opens} (drop (call $f (local.get $x))) (br_table {labels} (local.get $x)) {closes}
      (call $f (i32.const 5)))"""


def _indirect() -> str:
    return """(type $t (func (param i32) (result i32))) (table 1 funcref) (elem (i32.const 0) $f)
      (func $f (param $x i32) (result i32)
        (i32.add (call_indirect (type $t) (local.get $x) (i32.const 0)) (i32.const 1)))"""


def _mutual() -> str:
    small = "(func $h (param $x i32) (result i32) (i32.add (call $f (local.get $x)) (i32.const 1)))"
    large = _live_integers(40).replace("call $f", "call $h")
    return small + large


def _early_returns() -> str:
    return """(func $f (param $x i32) (result i32)
      (block (loop (if (i32.eqz (local.get $x)) (then (return (i32.const 4))))
        (if (i32.eq (i32.const 77) (call $f (local.get $x))) (then (return (call $f (i32.const 2)))))))
      (return (call $f (local.get $x))))"""


SHAPES: dict[str, str] = {
    "plain": _plain(),
    "tail position": _tail_position(),
    "indirect": _indirect(),
    "mutual": _mutual(),
    "early returns": _early_returns(),
    "10 live integers": _live_integers(10),
    "100 live integers": _live_integers(100),
    "1000 live integers": _live_integers(1000),
    "30 live floats": _live_floats(30),
    "600 live floats": _live_floats(600),
    "120 live globals": _live_globals(120),
    "2000 locals": _many_locals(2000),
    "8 parameters": _many_parameters(8),
    "100 parameters": _many_parameters(100),
    "900 parameters": _many_parameters(900),
    "20 hoisted": _hoisted(20),
    "500 hoisted": _hoisted(500),
    "200 nested blocks": _nested_blocks(200),
}


def recursive_guest(shape: str) -> bytes:
    """The module of one shape."""
    return guest(_ENTER, SHAPES[shape])
