"""Programs that change the interpreter's insides: modules, builtins, the SDK, frames. Only their own call is harmed."""

from __future__ import annotations

import builtins
import gc
import json
import sys

import phat
from phat import Contract, Map, canonical, command, query

# > good []
# > break_the_encoder []
# > replace_builtins []
# > forge_the_store [7]
# > delete_modules []
# > frames []
# > tracing []
# > objects []
# > exhausted_collector []
# > change_a_class []
# > write_code []
# > change_the_default []
# > keeps []
# > stop_the_server []
# > good []


class Tampering(Contract):
    count: int = 0
    entries: Map[str, list[int]]

    @command
    def good(self) -> int:
        self.count += 1
        return self.count

    @query
    def break_the_encoder(self) -> int:
        canonical.encode = lambda value: b"not json"
        json.dumps = None
        return 1

    @command
    def replace_builtins(self) -> int:
        builtins.len = lambda _: 1 << 40
        builtins.int = str
        self.entries["a"] = [1]
        return len([])

    @command
    def forge_the_store(self, value: int) -> list[str]:
        """Writes behind the SDK's back what the field's type does not allow."""
        store = object.__getattribute__(self, "_store")
        said = []
        for key, content in ((b"count", b'"text"'), (b"", b"1"), (b"x" * 2000, b"1"), (b"free", bytes(70_000))):
            try:
                store.host.kv_set(key, content)
                said.append("written")
            except BaseException as error:
                said.append(type(error).__name__)
        return said

    @query
    def delete_modules(self) -> str:
        for name in list(sys.modules):
            if name not in ("builtins", "sys"):
                del sys.modules[name]
        import random

        return random.__name__

    @query
    def frames(self) -> list[str]:
        frame = sys._getframe()
        names = []
        while frame:
            names.append(frame.f_code.co_qualname)
            frame = frame.f_back
        return names

    @query
    def tracing(self) -> int:
        seen = []
        sys.settrace(lambda frame, event, argument: seen.append(event))
        sum([1])
        self.env.log("traced")
        sys.settrace(None)
        return len(seen)

    @query
    def objects(self) -> list[int]:
        counted = gc.get_objects()
        return [len(counted), gc.get_freeze_count(), len(gc.get_referrers(phat))]

    @query
    def exhausted_collector(self) -> list[int]:
        for _ in range(50):
            ring = []
            ring.append(ring)
        return [gc.collect(), *gc.get_count()]

    @query
    def change_a_class(self) -> str:
        int.from_bytes = None
        return "changed"

    @query
    def write_code(self) -> int:
        def victim():
            return 1

        victim.__code__ = victim.__code__.replace(co_code=b"\xff" * 64)
        return victim()

    @command
    def change_the_default(self) -> int:
        type(self).count.default = 1000
        type(self).extra = 5
        return self.count

    @query
    def keeps(self) -> list[str]:
        return [str(self.count), str(hasattr(type(self), "extra"))]

    @query
    def stop_the_server(self) -> int:
        frame = sys._getframe(1)
        frame.f_locals["method"] = None
        frame.clear()
        return 1
