# SPDX-License-Identifier: Apache-2.0
# pragma version ==0.4.3
# pragma evm-version prague
"""
@title Upgrade policies: who may announce new code for a program, and how long before it runs
@license Apache-2.0
@notice A program's id commits to the digest of its policy (PROTOCOL 12). Digest zero is `frozen`: nobody can show a policy
    that hashes to it. A policy in any other form than its one form allows nothing.
"""

from . import IPrograms
from ..shared import signatures as signing

TAG: constant(bytes32) = keccak256("coprocessor/v1/upgrade-policy")
TIMELOCK: constant(uint8) = 1
VOTES: constant(uint8) = 2
MAX_DELAY: constant(uint64) = 315360000  # seconds: ten years of 365 days
MAX_KEYS: constant(uint256) = 16


@internal
@pure
def digest_of(policy: IPrograms.Policy) -> bytes32:
    """
    @notice What a program commits to.
    @param policy The policy.
    @return Its digest; zero where it is not in its one form.
    """
    if policy.delay == 0 or policy.delay > MAX_DELAY:
        return empty(bytes32)
    if policy.kind == TIMELOCK:
        if policy.threshold != 0 or len(policy.keys) != 0:
            return empty(bytes32)
    elif policy.kind == VOTES:
        if policy.threshold == 0 or convert(policy.threshold, uint256) > len(policy.keys):
            return empty(bytes32)
        last: uint160 = 0
        for key: address in policy.keys:
            if convert(key, uint160) <= last:
                return empty(bytes32)
            last = convert(key, uint160)
    else:
        return empty(bytes32)
    return keccak256(abi_encode(TAG, policy.kind, policy.delay, policy.threshold, policy.keys))


@internal
@pure
def are_votes(policy: IPrograms.Policy, digest: bytes32, votes: DynArray[Bytes[65], MAX_KEYS]) -> bool:
    """
    @notice Whether enough of a policy's keys signed.
    @param policy Of kind VOTES.
    @param digest What they signed.
    @param votes Signatures of keys of the policy, in strictly ascending order of the keys.
    @return False also for one signature too many that is not of a key.
    """
    last: address = empty(address)
    for vote: Bytes[65] in votes:
        signer: address = signing.recover(digest, vote)
        if convert(signer, uint160) <= convert(last, uint160) or signer not in policy.keys:
            return False
        last = signer
    return len(votes) >= convert(policy.threshold, uint256)
