"""A module that wants randomness while it is loaded: there is none, and the program is refused with the reason."""

from __future__ import annotations

import random

from phat import Contract

LUCKY = random.randint(1, 6)


class Never(Contract):
    pass
