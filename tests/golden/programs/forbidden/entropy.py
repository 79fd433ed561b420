"""Randomness: the operating system's is refused, a seeded generator works, ``self.env.random`` is the replicas' own."""

from __future__ import annotations

import os
import random
import secrets
import uuid

from phat import Contract, Unavailable, command, query

# > ask []
# > seeded [42]
# > seeded [43]
# > own []
# > own []
# > own_in_a_query []
# > state_of_the_module []
# > too_much []


def _attempts():
    yield "os.urandom", lambda: os.urandom(8)
    yield "os.getrandom", lambda: os.getrandom(8)
    yield "secrets.token_hex", lambda: secrets.token_hex()
    yield "secrets.choice", lambda: secrets.choice([1, 2])
    yield "secrets.compare_digest", lambda: secrets.compare_digest("a", "a")
    yield "uuid4", lambda: uuid.uuid4()
    yield "uuid1", lambda: uuid.uuid1()
    yield "uuid5", lambda: uuid.uuid5(uuid.NAMESPACE_DNS, "example")
    yield "random.random", lambda: random.random()
    yield "random.randint", lambda: random.randint(1, 6)
    yield "random.shuffle", lambda: random.shuffle([1, 2])
    yield "random.seed", lambda: random.seed(1)
    yield "random.getstate", lambda: random.getstate()
    yield "random.Random()", lambda: random.Random()
    yield "random.Random(None)", lambda: random.Random(None)
    yield "SystemRandom", lambda: random.SystemRandom().random()
    yield "Random.__new__", lambda: random.Random.__new__(random.Random).random()
    yield "_random.Random", lambda: __import__("_random").Random(7).random()


class Entropy(Contract):
    @query
    def ask(self) -> list[str]:
        said = []
        for name, attempt in _attempts():
            try:
                said.append(f"{name} gave {attempt()}")
            except Unavailable:
                said.append(f"{name} refused")
            except Exception as error:
                said.append(f"{name} {type(error).__name__}: {error}")
        return said

    @query
    def seeded(self, seed: int) -> list[str]:
        generator = random.Random(seed)
        cards = list(range(10))
        generator.shuffle(cards)
        return [
            repr(generator.random()),
            str(generator.randrange(10**30)),
            str(cards),
            repr(generator.gauss(0, 1)),
            str(generator.sample("abcdef", 3)),
            str(generator.choices("ab", [1, 9], k=6)),
            generator.randbytes(4).hex(),
            repr(generator.betavariate(2, 3)),
            repr(generator.triangular()),
            str(generator.getrandbits(70)),
        ]

    @command
    def own(self) -> list[str]:
        return [self.env.random_bytes(8).hex(), str(self.env.random().randint(1, 6)), self.env.random_bytes(8).hex()]

    @query
    def own_in_a_query(self) -> list[int]:
        return [self.env.random().randint(1, 6) for _ in range(10)]

    @query
    def state_of_the_module(self) -> list[str]:
        return [str(hash(tuple(random._inst.__getstate__()[1])))]

    @command
    def too_much(self) -> int:
        return len(self.env.random_bytes(1025))
