# SPDX-License-Identifier: Apache-2.0
# pragma version ==0.4.3
# pragma evm-version prague
"""
@title Digests and comparison of receipts
@license Apache-2.0
"""

from . import ISettlement

RECEIPT_TYPE: constant(bytes32) = keccak256(
    "Receipt(bytes32 network,bytes32 cluster,uint64 epoch,bytes32 runtime,uint64 from,uint64 to,bytes32 inboxHead,bytes32 previousRoot,bytes32 newRoot,bytes32 outputsRoot,uint64 blockNumber,bytes32 blockHash)"
)


@internal
@pure
def struct_hash_of(receipt: ISettlement.Receipt) -> bytes32:
    """
    @notice The EIP-712 struct hash of a receipt; `first` is called `from` there.
    @param receipt The receipt.
    @return 32 bytes.
    """
    return keccak256(abi_encode(RECEIPT_TYPE, receipt))


@internal
@pure
def claim_of(receipt: ISettlement.Receipt) -> bytes32:
    """
    @notice What a receipt is about, without what it says of it: two receipts with one claim must agree in both roots.
    @param receipt The receipt.
    @return keccak256 of network, cluster, epoch, runtime, range, inbox head and previous root.
    """
    return keccak256(
        abi_encode(
            receipt.network,
            receipt.cluster,
            receipt.epoch,
            receipt.runtime,
            receipt.first,
            receipt.to,
            receipt.inbox_head,
            receipt.previous_root,
        )
    )


@internal
@pure
def are_contrary(a: ISettlement.Receipt, b: ISettlement.Receipt) -> bool:
    """
    @notice Whether two receipts cannot both be honest (PROTOCOL 7.4): one history up to `to`, but different new roots; or
        one range of it, but different outputs. Different cuts of one history have different outputs and agree.
    @param a One receipt.
    @param b The other.
    @return True if nobody who executes faithfully signs both.
    """
    if a.network != b.network or a.cluster != b.cluster or a.epoch != b.epoch or a.runtime != b.runtime:
        return False
    if a.to != b.to or a.inbox_head != b.inbox_head:
        return False
    return a.new_root != b.new_root or (a.first == b.first and a.outputs_root != b.outputs_root)
