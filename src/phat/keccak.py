"""Keccak-256 in plain Python: hashlib's SHA3 pads differently, and a program has no other source of it.

**Source:** The Keccak reference 3.0; padding 0x01, rate 136 bytes, as Ethereum uses it.
"""

from __future__ import annotations

__all__ = ["keccak256", "selector"]

_RATE_BYTES = 136
_MASK = (1 << 64) - 1


def _make_tables() -> tuple[tuple[int, ...], tuple[tuple[int, int, int], ...]]:
    """Round constants, and (source lane, target lane, rotation) of the rho and pi steps."""
    constants, register = [], 1
    for _ in range(24):
        constant = 0
        for step in range(7):
            if register & 1:
                constant |= 1 << ((1 << step) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        constants.append(constant)
    moves, x, y = [(0, 0, 0)], 1, 0
    for step in range(24):
        rotation = (step + 1) * (step + 2) // 2 % 64
        moves.append((x + 5 * y, y + 5 * ((2 * x + 3 * y) % 5), rotation))
        x, y = y, (2 * x + 3 * y) % 5
    return tuple(constants), tuple(moves)


_CONSTANTS, _MOVES = _make_tables()


def _permute(lanes: list[int]) -> list[int]:
    for constant in _CONSTANTS:
        column = [lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20] for x in range(5)]
        turned = [(c << 1 | c >> 63) & _MASK for c in column]
        parity = [column[x - 1] ^ turned[(x + 1) % 5] for x in range(5)]
        moved = [0] * 25
        for source, target, rotation in _MOVES:
            lane = lanes[source] ^ parity[source % 5]
            moved[target] = (lane << rotation | lane >> (64 - rotation)) & _MASK
        lanes = [moved[i] ^ (~moved[i - i % 5 + (i + 1) % 5] & moved[i - i % 5 + (i + 2) % 5]) for i in range(25)]
        lanes[0] ^= constant
    return lanes


def keccak256(data: bytes) -> bytes:
    """The 32-byte Keccak-256 digest that Ethereum uses."""
    padded = bytearray(data)
    padded.append(1)
    padded.extend(bytes(-len(padded) % _RATE_BYTES))
    padded[-1] |= 0x80
    lanes = [0] * 25
    for start in range(0, len(padded), _RATE_BYTES):
        for lane in range(_RATE_BYTES // 8):
            offset = start + 8 * lane
            lanes[lane] ^= int.from_bytes(padded[offset : offset + 8], "little")
        lanes = _permute(lanes)
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[:4])


def selector(method: str) -> bytes:
    """The four bytes that select a method: the start of the Keccak-256 of its name in ASCII."""
    return keccak256(method.encode("ascii"))[:4]
