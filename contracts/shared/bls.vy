# SPDX-License-Identifier: Apache-2.0
# pragma version ==0.4.3
# pragma evm-version prague
"""
@title BLS signatures over BLS12-381 on the chain: signatures in G1, public keys in G2
@license Apache-2.0
@notice Points come in the encoding of EIP-2537: coordinates of 64 bytes, big-endian, an element of Fp2 as c0 then c1. The
    precompiles refuse what is not on the curve, not in the subgroup, or not below the field's prime, so that a point
    has one encoding.
@dev Source: EIP-2537; RFC 9380, sections 5.2, 5.3.1 and 8.8.1; draft-irtf-cfrg-bls-signature-05.
"""

G1_LENGTH: constant(uint256) = 128
G2_LENGTH: constant(uint256) = 256
G1ADD: constant(address) = 0x000000000000000000000000000000000000000b
PAIRING_CHECK: constant(address) = 0x000000000000000000000000000000000000000F
MAP_FP_TO_G1: constant(address) = 0x0000000000000000000000000000000000000010
MODEXP: constant(address) = 0x0000000000000000000000000000000000000005

# Half of the field's prime, rounded down, as the two words of a coordinate.
HALF_HIGH: constant(uint256) = 17282741772707453034394598013407712875
HALF_LOW: constant(uint256) = 80617075055843030690312053732876818007934237714091801549733396136033114903893
# Lengths of base (64), exponent (1) and modulus (64), as MODEXP takes them.
MODEXP_HEAD: constant(Bytes[96]) = x"000000000000000000000000000000000000000000000000000000000000004000000000000000000000000000000000000000000000000000000000000000010000000000000000000000000000000000000000000000000000000000000040"
# The exponent one, then the field's prime.
MODEXP_TAIL: constant(Bytes[65]) = x"01000000000000000000000000000000001a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab"
# A generator of G2 with its y negated.
NEGATED_GENERATOR: constant(Bytes[256]) = x"00000000000000000000000000000000024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb80000000000000000000000000000000013e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e000000000000000000000000000000000d1b3cc2c7027888be51d9ef691d77bcb679afda66c73f17f9ee3837a55024f78c71363275a75d75d86bab79f74782aa0000000000000000000000000000000013fa4d4a0ad8b1ce186ed5061789213d993923066dddaf1040bc3ff59f825c78df74f2d75467e25e0f55f8a00fa030ed"
# A block of SHA-256 of zeros, with which expand_message_xmd begins.
ZERO_BLOCK: constant(Bytes[64]) = x"00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"


@internal
@view
def is_valid(key: Bytes[256], message: Bytes[256], tag: Bytes[64], signature: Bytes[128]) -> bool:
    """
    @notice Whether a signature is the one of a key over a message: e(H(message), key) = e(signature, generator).
    @param key A point of G2.
    @param message At most 256 bytes.
    @param tag Domain separation tag, at most 64 bytes.
    @param signature A point of G1.
    @return False also for points that the precompiles refuse.
    """
    if len(key) != G2_LENGTH or len(signature) != G1_LENGTH:
        return False
    pairs: Bytes[768] = concat(self._hash_to_g1(message, tag), key, signature, NEGATED_GENERATOR)
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(PAIRING_CHECK, pairs, max_outsize=32, is_static_call=True, revert_on_failure=False)
    return success and len(answer) == 32 and extract32(answer, 0, output_type=uint256) == 1


@internal
@pure
def compress_g1(point: Bytes[128]) -> Bytes[48]:
    """
    @notice The common short form of a point of G1: x, with a flag for the larger y.
    @param point 128 bytes, not the point at infinity.
    @return 48 bytes.
    """
    return self._compress(slice(point, 16, 48), self._is_larger(point, 64))


@internal
@pure
def compress_g2(point: Bytes[256]) -> Bytes[96]:
    """
    @notice The common short form of a point of G2: c1 and c0 of x, with a flag for the larger y.
    @param point 256 bytes, not the point at infinity.
    @return 96 bytes.
    """
    is_larger: bool = self._is_larger(point, 192)  # c1 of y decides, unless it is zero
    if extract32(point, 192) == empty(bytes32) and extract32(point, 224) == empty(bytes32):
        is_larger = self._is_larger(point, 128)
    return concat(self._compress(slice(point, 80, 48), is_larger), slice(point, 16, 48))


@internal
@view
def _hash_to_g1(message: Bytes[256], tag: Bytes[64]) -> Bytes[128]:
    # hash_to_curve for BLS12381G1_XMD:SHA-256_SSWU_RO_. The precompile clears the cofactor of each point, which gives
    # the same sum as to clear it once.
    suffix: Bytes[65] = concat(tag, slice(convert(len(tag), bytes32), 31, 1))
    first: bytes32 = sha256(concat(ZERO_BLOCK, message, x"008000", suffix))
    words: bytes32[4] = empty(bytes32[4])
    for at: uint256 in range(4):
        mixed: bytes32 = first
        if at > 0:
            mixed = convert(convert(first, uint256) ^ convert(words[at - 1], uint256), bytes32)
        words[at] = sha256(concat(mixed, slice(convert(at + 1, bytes32), 31, 1), suffix))
    points: Bytes[256] = concat(self._map(words[0], words[1]), self._map(words[2], words[3]))
    return raw_call(G1ADD, points, max_outsize=128, is_static_call=True)


@internal
@view
def _map(high: bytes32, low: bytes32) -> Bytes[128]:
    element: Bytes[64] = raw_call(
        MODEXP, concat(MODEXP_HEAD, high, low, MODEXP_TAIL), max_outsize=64, is_static_call=True
    )
    return raw_call(MAP_FP_TO_G1, element, max_outsize=128, is_static_call=True)


@internal
@pure
def _is_larger(point: Bytes[256], offset: uint256) -> bool:
    high: uint256 = extract32(point, offset, output_type=uint256)
    return high > HALF_HIGH or (high == HALF_HIGH and extract32(point, offset + 32, output_type=uint256) > HALF_LOW)


@internal
@pure
def _compress(x: Bytes[48], is_larger: bool) -> Bytes[48]:
    flags: uint256 = 128
    if is_larger:
        flags = 160
    first: uint256 = flags + convert(slice(x, 0, 1), uint256)
    return concat(slice(convert(first, bytes32), 31, 1), slice(x, 1, 47))
