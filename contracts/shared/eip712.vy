# SPDX-License-Identifier: Apache-2.0
# pragma version ==0.4.3
# pragma evm-version prague
"""
@title EIP-712 digests under the one domain that every contract of a network uses
@license Apache-2.0
@notice Domain: name "Coprocessor", version "1", the chain's id and the contract that verifies. The separator is computed
    anew for each digest, so that a chain that splits off never accepts the other's signatures.
@dev Source: EIP-712.
"""

DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
NAME_HASH: constant(bytes32) = keccak256("Coprocessor")
VERSION_HASH: constant(bytes32) = keccak256("1")


@internal
@view
def digest_of(struct_hash: bytes32) -> bytes32:
    """
    @notice What a key signs: keccak256(0x1901 || domain separator || struct hash).
    @param struct_hash keccak256 of the type hash and the encoded members.
    @return The digest, 32 bytes.
    """
    separator: bytes32 = keccak256(abi_encode(DOMAIN_TYPE, NAME_HASH, VERSION_HASH, chain.id, self))
    return keccak256(concat(x"1901", separator, struct_hash))
