"""JSON: round trips, hooks, number edge cases, invalid documents, canonical text."""

from __future__ import annotations

import json
from decimal import Decimal

from phat import Contract, query

# > round_trip []
# > broken [["{", "[1,]", "nul", "\"\\x\"", "1 2", "{1:2}", "'a'", "\"\u0001\"", "[1e999]", ""]]
# > hooks []
# > encoders []
# > sorted_keys []


class Documents(Contract):
    @query
    def round_trip(self) -> list[str]:
        value = {"a": [1, 2.5, None, True, "é\u2028\U0001f600"], "b": {"": {}}, "c": 10**40, "d": -0.0, "e": 1e-300}
        text = json.dumps(value)
        return [
            text,
            str(json.loads(text) == value),
            json.dumps(value, ensure_ascii=False),
            json.dumps(value, indent=1)[:60],
        ]

    @query
    def broken(self, texts: list[str]) -> list[str]:
        said = []
        for text in texts:
            try:
                said.append(repr(json.loads(text)))
            except json.JSONDecodeError as error:
                said.append(f"{error.msg} at {error.pos}")
        return said

    @query
    def hooks(self) -> list[str]:
        text = '{"price": 1.10, "big": 123456789012345678901234567890, "nan": NaN, "twice": 1, "twice": 2}'
        return [
            str(json.loads(text, parse_float=Decimal)),
            str(json.loads(text, object_pairs_hook=list)),
            str(json.loads(text, parse_int=lambda digits: len(digits), parse_constant=lambda name: f"<{name}>")),
        ]

    @query
    def encoders(self) -> list[str]:
        class Sets(json.JSONEncoder):
            def default(self, value: object) -> object:
                return sorted(value) if isinstance(value, set) else super().default(value)

        said = [
            json.dumps({"set": {3, 1}, "tuple": (1,)}, cls=Sets),
            json.dumps([float("inf")]),
            json.dumps({1: 2, None: 3, True: 4}),
        ]
        for value in (object(), {(1, 2): 3}, float("nan"), [b"bytes"]):
            try:
                said.append(json.dumps(value, allow_nan=False))
            except (TypeError, ValueError) as error:
                said.append(f"{type(error).__name__}: {str(error)[:60]}")
        return said

    @query
    def sorted_keys(self) -> str:
        return json.dumps({"é": 1, "z": 2, "a": {"y": 1, "x": 2}, "Z": 3}, sort_keys=True, separators=(",", ":"))
