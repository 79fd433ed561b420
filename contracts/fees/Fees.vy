# SPDX-License-Identifier: Apache-2.0
# pragma version ==0.4.3
# pragma evm-version prague
"""
@title Fees: balances in the chain's native currency, and what is set aside for links
@license Apache-2.0
@notice Inbox reserves the fee limits of each link from its payer. Once the link is finally settled, the whole reservation
    goes back to the payer: pricing, and the workers' share, arrive with the economics. Nobody else ever moves a balance.
@dev Invariant: the contract's balance is the sum of all balances and reservations (and what was forced upon it).
    Reverts: "fees: beneficiary", "fees: balance", "fees: transfer", "fees: inbox", "fees: amount", "fees: reserved",
    "fees: not reserved", "fees: not final".
"""

from . import IFees
from ..settlement import ISettlement

implements: IFees

PAYER_BITS: constant(uint256) = 160
MAX_AMOUNT: constant(uint256) = 2**96

# @notice What a link's payer has set aside; amount 0 where there is nothing.
struct Reservation:
    payer: address
    amount: uint256

event Deposited:
    beneficiary: indexed(address)
    sender: indexed(address)
    amount: uint256

event Withdrawn:
    account: indexed(address)
    amount: uint256

event Reserved:
    payer: indexed(address)
    cluster: indexed(bytes32)
    index: indexed(uint256)
    amount: uint256

event Reclaimed:
    payer: indexed(address)
    cluster: indexed(bytes32)
    index: indexed(uint256)
    amount: uint256

INBOX: public(immutable(address))
SETTLEMENT: public(immutable(address))

# @notice Free balance of an account, in wei.
balances: public(HashMap[address, uint256])
# by cluster and link: amount << 160 | payer, in one slot because every paid link writes it
packed_reservations: HashMap[bytes32, HashMap[uint256, uint256]]


@deploy
def __init__(inbox: address, settlement: address):
    """
    @param inbox Who may reserve.
    @param settlement Says which links are final.
    """
    INBOX = inbox
    SETTLEMENT = settlement


@external
@payable
def deposit(beneficiary: address):
    """
    @notice Credits the value sent to an account.
    @param beneficiary Whose balance grows.
    """
    assert beneficiary != empty(address), "fees: beneficiary"
    self._credit(beneficiary, msg.value)


@external
def withdraw(amount: uint256):
    """
    @notice Pays out of the sender's free balance.
    @param amount In wei.
    """
    balance: uint256 = self.balances[msg.sender]
    assert balance >= amount, "fees: balance"
    self.balances[msg.sender] = balance - amount
    log Withdrawn(account=msg.sender, amount=amount)
    paid: bool = raw_call(msg.sender, b"", value=amount, revert_on_failure=False)
    assert paid, "fees: transfer"


@external
@payable
def reserve(payer: address, cluster: bytes32, index: uint256, amount: uint256):
    """
    @notice Credits the value sent to the payer, then sets the amount aside. Only Inbox may call.
    @param payer Whose balance it comes from.
    @param cluster The link's cluster.
    @param index The link's index.
    @param amount Sum of the link's fee limits in wei, below 2**96; nothing is recorded for 0.
    """
    assert msg.sender == INBOX, "fees: inbox"
    assert amount < MAX_AMOUNT, "fees: amount"
    if msg.value != 0:
        self._credit(payer, msg.value)
    if amount == 0:
        return
    balance: uint256 = self.balances[payer]
    assert balance >= amount, "fees: balance"
    assert self.packed_reservations[cluster][index] == 0, "fees: reserved"
    self.balances[payer] = balance - amount
    self.packed_reservations[cluster][index] = (amount << PAYER_BITS) | convert(payer, uint256)
    log Reserved(payer=payer, cluster=cluster, index=index, amount=amount)


@external
def reclaim(cluster: bytes32, index: uint256):
    """
    @notice Returns the reservation of a finally settled link to its payer. Anybody may call.
    @param cluster The link's cluster.
    @param index The link's index.
    """
    reservation: Reservation = self._reservation(cluster, index)
    assert reservation.amount != 0, "fees: not reserved"
    assert staticcall ISettlement(SETTLEMENT).final_count(cluster) > index, "fees: not final"
    self.packed_reservations[cluster][index] = 0
    self.balances[reservation.payer] += reservation.amount
    log Reclaimed(payer=reservation.payer, cluster=cluster, index=index, amount=reservation.amount)


@external
@view
def reservations(cluster: bytes32, index: uint256) -> Reservation:
    """
    @notice What is set aside for a link.
    @param cluster The link's cluster.
    @param index The link's index.
    @return Payer and amount in wei; all zero where there is nothing.
    """
    return self._reservation(cluster, index)


@internal
def _credit(beneficiary: address, amount: uint256):
    self.balances[beneficiary] += amount
    log Deposited(beneficiary=beneficiary, sender=msg.sender, amount=amount)


@internal
@view
def _reservation(cluster: bytes32, index: uint256) -> Reservation:
    packed: uint256 = self.packed_reservations[cluster][index]
    return Reservation(
        payer=convert(packed & (2**PAYER_BITS - 1), address),
        amount=packed >> PAYER_BITS,
    )
