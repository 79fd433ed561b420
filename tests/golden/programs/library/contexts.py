"""Context managers: stacks, suppression, re-entry, redirected output, context variables, cleanup in order."""

from __future__ import annotations

import contextlib
import contextvars
import io
import warnings
from collections.abc import Iterator

from phat import Contract, command, query

# > order []
# > suppressed []
# > stack [3]
# > redirected []
# > variables []
# > warned []
# > transaction [true]
# > transaction [false]

level = contextvars.ContextVar("level", default=0)


@contextlib.contextmanager
def step(name: str, log: list[str]) -> Iterator[str]:
    log.append(f"+{name}")
    try:
        yield name.upper()
    except ValueError as error:
        log.append(f"{name} saw {error}")
        raise
    finally:
        log.append(f"-{name}")


class Contexts(Contract):
    balance: int = 100

    @query
    def order(self) -> list[str]:
        log: list[str] = []
        with contextlib.suppress(ValueError), step("a", log) as a, step("b", log) as b:
            log.append(a + b)
            raise ValueError("halt")
        return log

    @query
    def suppressed(self) -> list[str]:
        class Swallows:
            def __enter__(self) -> None: ...

            def __exit__(self, kind: object, error: object, trace: object) -> bool:
                said.append(f"{kind.__name__}")
                return True

        said: list[str] = []
        with Swallows():
            1 / 0
        with Swallows(), contextlib.closing(io.StringIO()) as text:
            text.close()
            text.read()
        return said

    @query
    def stack(self, depth: int) -> list[str]:
        log: list[str] = []
        with contextlib.ExitStack() as stack:
            for number in range(depth):
                stack.enter_context(step(str(number), log))
            stack.callback(log.append, "callback")
            kept = stack.pop_all()
        log.append("still open")
        kept.close()
        return log

    @query
    def redirected(self) -> list[str]:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            print("into the string", 1, 2, sep="-", end="!")
        print("into the log")
        return [out.getvalue()]

    @query
    def variables(self) -> list[int]:
        context = contextvars.copy_context()
        token = level.set(1)
        inside = context.run(lambda: (level.get(), level.set(5), level.get()))
        seen = [inside[0], inside[2], level.get()]
        level.reset(token)
        return [*seen, level.get(), context[level]]

    @query
    def warned(self) -> list[str]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warnings.warn("mind the gap", stacklevel=1)
            warnings.warn("old", DeprecationWarning, stacklevel=1)
        return [f"{each.category.__name__}: {each.message}" for each in caught]

    @command
    def transaction(self, fails: bool) -> int:
        with contextlib.nullcontext(self.balance) as before:
            self.balance -= 30
            if fails:
                raise RuntimeError(f"{before} must stay")
        return self.balance
