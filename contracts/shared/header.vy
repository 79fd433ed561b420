# SPDX-License-Identifier: Apache-2.0
# pragma version ==0.4.3
# pragma evm-version prague
"""
@title What a block's header says, for contracts that know its hash
@license Apache-2.0
@dev Source: Yellow Paper, section 4.3; EIP-4399.
"""

FIRST_SHORT_FIELD: constant(uint256) = 448  # after the list's own prefix of three bytes, parent hash to logs bloom
SHORT_FIELDS: constant(uint256) = 6  # difficulty, number, gas limit, gas used, timestamp, extra data


@internal
@pure
def prevrandao(header: Bytes[1024]) -> bytes32:
    """
    @notice The randomness of the beacon chain that a block carries.
    @param header RLP of a header whose hash the caller has checked, so that its form is the canonical one.
    @return 32 bytes.
    """
    assert len(header) > FIRST_SHORT_FIELD, "header: form"
    offset: uint256 = FIRST_SHORT_FIELD
    for field: uint256 in range(SHORT_FIELDS):
        prefix: uint256 = convert(slice(header, offset, 1), uint256)
        assert prefix < 184, "header: form"  # no longer than 55 bytes
        offset += 1
        if prefix > 128:
            offset += prefix - 128
    assert convert(slice(header, offset, 1), uint256) == 160, "header: form"
    return extract32(header, offset + 1)
