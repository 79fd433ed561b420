# SPDX-License-Identifier: Apache-2.0
# pragma version ==0.4.3
# pragma evm-version prague
"""
@title Directory: the names of a network's contracts, each written once
@license Apache-2.0
@notice An owner fills the list while a network is being deployed and then seals it. Nothing can be replaced at any time, and
    nothing added after the seal (PROTOCOL 1.3): a new set of contracts is a new network.
@dev Reverts: "directory: owner", "directory: sealed", "directory: name", "directory: taken", "directory: code",
    "directory: full".
"""

MAX_NAMES: constant(uint256) = 64

event Named:
    name: indexed(bytes32)
    account: indexed(address)

event Sealed:
    count: uint256

OWNER: public(immutable(address))

# @notice The contract of a name; zero where there is none.
get: public(HashMap[bytes32, address])
# @notice All names, in the order in which they were set.
names: public(DynArray[bytes32, MAX_NAMES])
# @notice No name can be added any more.
is_sealed: public(bool)


@deploy
def __init__(owner: address):
    """
    @notice The owner has no power once the directory is sealed.
    @param owner Who may set names and seal.
    """
    OWNER = owner


@external
def set(name: bytes32, account: address):
    """
    @notice Gives a name to a contract, once and for all.
    @param name ASCII, padded with zero bytes on the right.
    @param account A deployed contract.
    """
    assert msg.sender == OWNER, "directory: owner"
    assert not self.is_sealed, "directory: sealed"
    assert name != empty(bytes32), "directory: name"
    assert self.get[name] == empty(address), "directory: taken"
    assert account.is_contract, "directory: code"
    assert len(self.names) < MAX_NAMES, "directory: full"
    self.get[name] = account
    self.names.append(name)
    log Named(name=name, account=account)


@external
def seal():
    """
    @notice Ends the owner's power.
    """
    assert msg.sender == OWNER, "directory: owner"
    assert not self.is_sealed, "directory: sealed"
    self.is_sealed = True
    log Sealed(count=len(self.names))


@external
@view
def count() -> uint256:
    """
    @notice How many names there are.
    @return Number of names; `names(i)` is defined below it.
    """
    return len(self.names)
