# SPDX-License-Identifier: Apache-2.0
# pragma version ==0.4.3
# pragma evm-version prague
"""
@title secp256k1 signatures in their one accepted form
@license Apache-2.0
@notice 65 bytes, r || s || v, with v 27 or 28 and s in the lower half of the order: a signature cannot be rewritten into
    another valid one.
@dev Source: EIP-2; Yellow Paper, appendix F.
"""

# Half of the order of the group of secp256k1, rounded down.
HALF_ORDER: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168


@internal
@pure
def recover(digest: bytes32, signature: Bytes[65]) -> address:
    """
    @notice Who signed.
    @param digest What was signed.
    @param signature r || s || v.
    @return The signer's address, or the zero address for every malformed, malleable or invalid signature.
    """
    if len(signature) != 65:
        return empty(address)
    s: uint256 = extract32(signature, 32, output_type=uint256)
    v: uint256 = convert(slice(signature, 64, 1), uint256)
    if s > HALF_ORDER or unsafe_sub(v, 27) > 1:  # wraps for v below 27; costs the same for 27 and 28
        return empty(address)
    return ecrecover(digest, v, extract32(signature, 0, output_type=uint256), s)
