# SPDX-License-Identifier: Apache-2.0
# pragma version ==0.4.3
# pragma evm-version prague
"""
@title Accounts: a smart account for each program, whose signer changes with the epoch (PROTOCOL 8.7)
@license Apache-2.0
@notice At its own address this code makes accounts; behind a minimal proxy (EIP-1167) it is one. An account's address
    follows from the program alone (CREATE2), so it can receive before it exists. What it does is signed by the program's
    signer of its cluster's present epoch, which a quorum of members recorded in `Programs`. Nobody else has power over it:
    no owner, no upgrade, and a signer of an older epoch counts for nothing from the rotation on.
@dev Numbers of calls are taken in any order, each once: a call that nobody relays in time holds up no other.
    Reverts: "accounts: program", "accounts: exists", "accounts: factory", "accounts: no account", "accounts: late",
    "accounts: number used", "accounts: no signer", "accounts: signature", and whatever a called contract reverts with.
"""

from ..clusters import IClusters
from ..programs import IPrograms
from ..shared import eip712
from ..shared import signatures as signing

CALL_TYPE: constant(bytes32) = keccak256(
    "AccountCall(bytes32 number,address to,uint256 value,bytes32 dataHash,uint256 deadline)"
)
IS_VALID: constant(bytes4) = 0x1626ba7e  # EIP-1271
NOT_VALID: constant(bytes4) = 0xffffffff
MAX_DATA: constant(uint256) = 8192  # bytes of one call
MAX_RETURNED: constant(uint256) = 4096

event Created:
    program: indexed(bytes32)
    account: indexed(address)

event Received:
    sender: indexed(address)
    value: uint256

event Executed:
    number: indexed(bytes32)
    to: indexed(address)
    value: uint256
    signer: indexed(address)

ACCOUNTS: public(immutable(address))
CLUSTERS: public(immutable(address))
PROGRAMS: public(immutable(address))

# @notice In the factory, by program: its account; zero while it does not exist.
accounts: public(HashMap[bytes32, address])
# @notice In the factory: how many accounts there are, and by number from 0 whose they are.
count: public(uint256)
program_at: public(HashMap[uint256, bytes32])
# @notice In an account: whose it is; zero in the factory.
program: public(bytes32)
# @notice In an account: how many calls were made.
executed: public(uint256)
# @notice In an account: the numbers of calls that were made.
is_used: public(HashMap[bytes32, bool])


@deploy
def __init__(accounts: address, clusters: address, programs: address):
    """
    @param accounts This contract itself, so that its constructor tells all that its code holds.
    @param clusters Knows the present epoch of a program's cluster.
    @param programs Knows where a program runs, and the signers of each epoch.
    """
    assert accounts == self, "accounts: factory"
    ACCOUNTS = accounts
    CLUSTERS = clusters
    PROGRAMS = programs


@external
@payable
def __default__():
    """
    @notice An account takes ether from anybody; the factory takes none.
    """
    assert self != ACCOUNTS, "accounts: no account"
    log Received(sender=msg.sender, value=msg.value)


@external
def create(program: bytes32) -> address:
    """
    @notice Makes the account of a program. Anybody may; workers publish signers for accounts that exist.
    @param program The program.
    @return The account's address: `address_of` has told it before.
    """
    assert self == ACCOUNTS, "accounts: factory"
    assert (staticcall IPrograms(PROGRAMS).location(program)).cluster != empty(bytes32), "accounts: program"
    assert self.accounts[program] == empty(address), "accounts: exists"
    account: address = create_minimal_proxy_to(self, salt=program)
    self.accounts[program] = account
    self.program_at[self.count] = program
    self.count += 1
    extcall IAccount(account).bind(program)
    log Created(program=program, account=account)
    return account


@external
def bind(program: bytes32):
    """
    @notice Tells a new account whose it is. Sent by the factory, once.
    @param program The program.
    """
    assert msg.sender == ACCOUNTS, "accounts: factory"
    assert self != ACCOUNTS and self.program == empty(bytes32), "accounts: no account"
    self.program = program


@external
def execute(
    number: bytes32, to: address, amount: uint256, data: Bytes[MAX_DATA], deadline: uint256, signature: Bytes[65]
) -> Bytes[MAX_RETURNED]:
    """
    @notice Makes a call that the program has signed. Anybody may relay it. Where the called contract reverts, nothing has
        happened, and the call can be relayed again until its deadline.
    @param number Chosen by the program; each counts once.
    @param to Whom the account calls.
    @param amount Wei that go with it, from the account.
    @param data Call data, at most 8,192 bytes.
    @param deadline Last timestamp at which it counts, seconds since 1970.
    @param signature Of the present epoch's signer, over the EIP-712 struct `AccountCall` with this account as contract.
    @return What was returned, at most 4,096 bytes of it.
    """
    assert self.program != empty(bytes32), "accounts: no account"
    assert block.timestamp <= deadline, "accounts: late"
    assert not self.is_used[number], "accounts: number used"
    signer: address = self._signer()
    assert signer != empty(address), "accounts: no signer"
    struct_hash: bytes32 = keccak256(abi_encode(CALL_TYPE, number, to, amount, keccak256(data), deadline))
    assert signing.recover(eip712.digest_of(struct_hash), signature) == signer, "accounts: signature"
    self.is_used[number] = True
    self.executed += 1
    log Executed(number=number, to=to, value=amount, signer=signer)
    return raw_call(to, data, max_outsize=MAX_RETURNED, value=amount)


@external
@view
def isValidSignature(digest: bytes32, signature: Bytes[65]) -> bytes4:
    """
    @notice Whether the program signed a digest, with the present epoch's signer (EIP-1271).
    @param digest What was signed, 32 bytes.
    @param signature r || s || v.
    @return 0x1626ba7e, or 0xffffffff.
    """
    signer: address = self._signer()
    if signer == empty(address) or signing.recover(digest, signature) != signer:
        return NOT_VALID
    return IS_VALID


@external
@view
def signer() -> address:
    """
    @notice Who signs for this account now.
    @return The signer; zero in the factory, and while the present epoch's is not recorded.
    """
    return self._signer()


@external
@view
def address_of(program: bytes32) -> address:
    """
    @notice Where the account of a program is, or will be.
    @param program Any program.
    @return The address.
    """
    code: Bytes[54] = concat(
        x"602d3d8160093d39f3363d3d373d3d3d363d73", convert(ACCOUNTS, bytes20), x"5af43d82803e903d91602b57fd5bf3"
    )
    digest: bytes32 = keccak256(concat(x"ff", convert(ACCOUNTS, bytes20), program, keccak256(code)))
    return convert(convert(digest, uint256) & (2**160 - 1), address)


interface IAccount:
    def bind(program: bytes32): nonpayable


@internal
@view
def _signer() -> address:
    # PROTOCOL 8.7: of the present epoch alone, whatever was signed before.
    program: bytes32 = self.program
    if program == empty(bytes32):
        return empty(address)
    cluster: bytes32 = (staticcall IPrograms(PROGRAMS).location(program)).cluster
    epoch: uint256 = (staticcall IClusters(CLUSTERS).terms(cluster)).epoch
    return staticcall IPrograms(PROGRAMS).account_signers(program, epoch)
