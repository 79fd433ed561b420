"""Points for the chain's precompiles, held against py-evm's own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from eth.exceptions import VMError
from eth.precompiles import bls12_pairing_check
from hypothesis import given, settings
from hypothesis import strategies as st
from py_ecc.bls.point_compression import compress_G1, compress_G2
from py_ecc.optimized_bls12_381 import FQ, FQ2

from coprocessor.crypto.bls import ORDER, Purpose, SecretScalar, hash_to_g1
from coprocessor.crypto.eip2537 import (
    G1_POINT_LENGTH,
    G2_POINT_LENGTH,
    PAIR_LENGTH,
    expand_g1,
    expand_public_key,
    is_pairing_one,
)
from coprocessor.devnode.chain import Chain
from coprocessor.devnode.database import Database
from coprocessor.devnode.options import NodeOptions
from coprocessor.devnode.precompiles import PAIRING_CHECK_ADDRESS, run_pairing_check
from coprocessor.devnode.rpc_state import StateMethods
from coprocessor.values.errors import MalformedInput

KEY = SecretScalar(0xC0FFEE)
NEGATED = SecretScalar(ORDER - 0xC0FFEE)
HASHED = hash_to_g1(b"message", Purpose.BEACON)
SIGNATURE = KEY.sign(b"message", Purpose.BEACON)
GENERATOR = SecretScalar(1).public_key()
GOOD = expand_g1(HASHED) + expand_public_key(NEGATED.public_key()) + expand_g1(SIGNATURE) + expand_public_key(GENERATOR)


class Computation:
    """As much of py-evm as a precompile touches."""

    def __init__(self, data: bytes, gas: int = 10**9) -> None:
        self.msg = SimpleNamespace(data=data)
        self.gas, self.output = gas, b""

    def get_gas_remaining(self) -> int:
        return self.gas

    def consume_gas(self, amount: int, reason: str) -> None:
        if amount > self.gas:
            raise VMError(reason)
        self.gas -= amount


def outcome(precompile: Any, data: bytes, gas: int = 10**9) -> tuple[int, bytes] | str:
    computation = Computation(data, gas)
    try:
        precompile(computation)
    except VMError:
        return "refused"
    return computation.gas, computation.output


@given(st.integers(1, ORDER - 1))
@settings(max_examples=15, deadline=None)
def test_points_are_those_of_the_compressed_form(secret: int) -> None:
    scalar = SecretScalar(secret)
    point = expand_g1(scalar.g1_element())
    x, y = (FQ(int.from_bytes(point[at : at + 64], "big")) for at in (0, 64))
    assert compress_G1((x, y, FQ(1))).to_bytes(48, "big") == scalar.g1_element()
    key = expand_public_key(scalar.public_key())
    a, b, c, d = (int.from_bytes(key[at : at + 64], "big") for at in range(0, 256, 64))
    high, low = compress_G2((FQ2((a, b)), FQ2((c, d)), FQ2.one()))
    assert high.to_bytes(48, "big") + low.to_bytes(48, "big") == scalar.public_key()
    assert (len(point), len(key)) == (G1_POINT_LENGTH, G2_POINT_LENGTH)


def test_pairings_tell_a_signature_from_another() -> None:
    assert is_pairing_one(GOOD)
    other = expand_g1(KEY.sign(b"other", Purpose.BEACON))
    assert not is_pairing_one(GOOD[:PAIR_LENGTH] + other + GOOD[PAIR_LENGTH + G1_POINT_LENGTH :])


@pytest.mark.parametrize(
    "data",
    [
        GOOD,
        GOOD[:PAIR_LENGTH],
        b"",
        GOOD[:-1],
        b"\1" + GOOD[1:],
        GOOD[:63] + b"\0" + GOOD[64:],
        bytes(G1_POINT_LENGTH) + GOOD[G1_POINT_LENGTH:PAIR_LENGTH],
    ],
    ids=["good", "another", "nothing", "cut", "too large", "off the curve", "identity"],
)
def test_the_development_node_answers_as_py_evm_does(data: bytes) -> None:
    assert outcome(run_pairing_check, data) == outcome(bls12_pairing_check, data)


def test_the_development_node_leaves_pairings_to_arkworks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("two seconds of pure Python")

    monkeypatch.setattr("eth.precompiles.bls12_381.bls12_381_pairing.pairing", refuse)
    database = Database(tmp_path / "chain.sqlite")
    chain = Chain(database, NodeOptions(data=tmp_path), lambda: 1_800_000_000)
    call = {"to": "0x" + PAIRING_CHECK_ADDRESS.hex(), "data": "0x" + GOOD.hex()}
    assert StateMethods(chain, database).call(call) == "0x" + (1).to_bytes(32, "big").hex()
    database.close()


def test_no_gas_no_pairing() -> None:
    assert outcome(run_pairing_check, GOOD, gas=102_899) == "refused"
    assert outcome(run_pairing_check, GOOD, gas=102_900) == (0, (1).to_bytes(32, "big"))


@pytest.mark.parametrize("data", [b"", GOOD[:-1], bytes(PAIR_LENGTH), b"\1" + GOOD[1:], GOOD[:63] + b"\0" + GOOD[64:]])
def test_what_is_no_pair_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        is_pairing_one(data)


def test_what_is_no_point_is_not_expanded() -> None:
    for data in (b"", bytes(48), b"\xc0" + bytes(47)):
        with pytest.raises(MalformedInput):
            expand_g1(data)
        with pytest.raises(MalformedInput):
            expand_public_key(data)
