"""The P256VERIFY precompile, which py-evm lacks, and pairings of BLS12-381, which py-evm computes in Python.

py-evm takes two seconds for two pairings, arkworks four milliseconds; a test compares them. Whatever arkworks refuses,
and the identity, goes to py-evm, so that refusals stay its own.

**Source:** EIP-7951 (Osaka), address 0x100, 6,900 gas; input digest, r, s, x, y of 32 bytes each. EIP-2537.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from eth.abc import ComputationAPI
from eth.precompiles import bls12_pairing_check

from coprocessor.crypto.eip2537 import PAIR_LENGTH, is_pairing_one
from coprocessor.values.errors import MalformedInput

__all__ = [
    "P256_VERIFY_ADDRESS",
    "P256_VERIFY_GAS",
    "PAIRING_CHECK_ADDRESS",
    "is_p256_signature",
    "run_p256_verify",
    "run_pairing_check",
]

P256_VERIFY_ADDRESS: Final = (0x100).to_bytes(20, "big")
P256_VERIFY_GAS: Final = 6_900
PAIRING_CHECK_ADDRESS: Final = (0x0F).to_bytes(20, "big")

_PAIRING_GAS = 37_700
_PAIR_GAS = 32_600
_INPUT_LENGTH = 160
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_SUCCESS = (1).to_bytes(32, "big")


def is_p256_signature(data: bytes) -> bool:
    """Whether the 160 bytes are a digest with a valid secp256r1 signature and its public key."""
    if len(data) != _INPUT_LENGTH:
        return False
    r, s, x, y = (int.from_bytes(data[i : i + 32], "big") for i in (32, 64, 96, 128))
    if not (0 < r < _ORDER and 0 < s < _ORDER):
        return False
    try:
        key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        algorithm = ec.ECDSA(utils.Prehashed(hashes.SHA256()))
        key.verify(utils.encode_dss_signature(r, s), data[:32], algorithm)
    except (ValueError, InvalidSignature):
        return False
    return True


def run_p256_verify(computation: ComputationAPI) -> ComputationAPI:
    """The precompile: the word 1 for a good signature, nothing for anything else; never a failure."""
    computation.consume_gas(P256_VERIFY_GAS, reason="P256VERIFY")
    data = bytes(computation.msg.data)
    computation.output = _SUCCESS if is_p256_signature(data) else b""
    return computation


def run_pairing_check(computation: ComputationAPI) -> ComputationAPI:
    """BLS12_PAIRING_CHECK: the word 1 where the product of the pairings is one, else 0."""
    data = bytes(computation.msg.data)
    gas = _PAIRING_GAS + _PAIR_GAS * (len(data) // PAIR_LENGTH)
    try:
        is_one = computation.get_gas_remaining() >= gas and is_pairing_one(data)
    except MalformedInput:
        bls12_pairing_check(computation)
        return computation
    computation.consume_gas(gas, reason="BLS12_PAIRING_CHECK")
    computation.output = int(is_one).to_bytes(32, "big")
    return computation
