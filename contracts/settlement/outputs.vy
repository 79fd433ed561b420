# SPDX-License-Identifier: Apache-2.0
# pragma version ==0.4.3
# pragma evm-version prague
"""
@title The tree of outputs under a receipt
@license Apache-2.0
@notice leaf = keccak256(abi.encode(LEAF_TAG, output)); inner node = keccak256(0x01 || left || right); a node without a
    sibling rises unchanged; outputs root = keccak256(abi.encode(OUTPUTS_TAG, leaf count, top)). A leaf has 288 bytes and
    an inner node 65, so neither can be taken for the other; the count in the root fixes the shape of the tree.
"""

from . import ISettlement

LEAF_TAG: constant(bytes32) = keccak256("coprocessor/v1/output-leaf")
OUTPUTS_TAG: constant(bytes32) = keccak256("coprocessor/v1/outputs")
MAX_PROOF: constant(uint256) = 32
MAX_LEAVES: constant(uint256) = 2**32  # what so many siblings reach


@internal
@pure
def is_included(
    output: ISettlement.Output,
    leaf_index: uint256,
    leaf_count: uint256,
    proof: DynArray[bytes32, MAX_PROOF],
    outputs_root: bytes32,
) -> bool:
    """
    @notice Whether an output is the leaf at an index under a root.
    @param output The output.
    @param leaf_index Its place among the leaves, ordered by link and position.
    @param leaf_count How many leaves there are.
    @param proof The siblings, from the bottom up, without gaps.
    @param outputs_root The root, 32 bytes.
    @return False for every proof that is not exactly right.
    """
    if leaf_index >= leaf_count or leaf_count > MAX_LEAVES:
        return False
    node: bytes32 = keccak256(abi_encode(LEAF_TAG, output))
    at: uint256 = leaf_index
    width: uint256 = leaf_count
    used: uint256 = 0
    for _: uint256 in range(MAX_PROOF):
        if width <= 1:
            break
        if at ^ 1 < width:
            if used == len(proof):
                return False
            sibling: bytes32 = proof[used]
            used += 1
            if at % 2 == 1:
                node = keccak256(concat(x"01", sibling, node))
            else:
                node = keccak256(concat(x"01", node, sibling))
        at //= 2
        width = (width + 1) // 2
    if width != 1 or used != len(proof):
        return False
    return keccak256(abi_encode(OUTPUTS_TAG, leaf_count, node)) == outputs_root
