# SPDX-License-Identifier: Apache-2.0
# pragma version ==0.4.3
# pragma evm-version prague
"""
@title AuctionHouse: an auction whose bids stay sealed and whose result arrives by callback
@license Apache-2.0
@notice An example of a consumer. The seller asks the auction's program to close; the program's answer, proven by a final
    receipt, names the winner and the price. Bids never touch this contract.
@dev Reverts: "auction: seller", "auction: closed", "auction: pending", "auction: settlement", "auction: request",
    "auction: output", "auction: plaintext", "auction: transfer".
"""

from . import IPhatConsumer
from ..fees import IFees
from ..inbox import IInbox
from ..settlement import ISettlement

implements: IPhatConsumer

CLOSE: constant(bytes4) = 0x0d7dad84  # first four bytes of keccak256("close")
STATUS_OK: constant(uint8) = 0
MAX_RESULT: constant(uint256) = 4096
RESULT_LENGTH: constant(uint256) = 64  # the encoding of (address winner, uint256 price)

event CloseRequested:
    request: indexed(bytes32)

event CloseFailed:
    request: indexed(bytes32)
    status: uint8

event Closed:
    request: indexed(bytes32)
    winner: indexed(address)
    price: uint256

SELLER: public(immutable(address))
INBOX: public(immutable(address))
FEES: public(immutable(address))
SETTLEMENT: public(immutable(address))
PROGRAM: public(immutable(bytes32))

# @notice The request that is under way; zero if none.
pending: public(bytes32)
# @notice Whether winner and price are known.
closed: public(bool)
# @notice Who won; zero if nobody bid.
winner: public(address)
# @notice What the winner owes.
price: public(uint256)


@deploy
def __init__(inbox: address, fees: address, settlement: address, program: bytes32):
    """
    @param inbox Where requests go.
    @param fees Holds this contract's balance for them.
    @param settlement The only one whose callbacks count.
    @param program The auction's program.
    """
    SELLER = msg.sender
    INBOX = inbox
    FEES = fees
    SETTLEMENT = settlement
    PROGRAM = program


@external
@payable
def close(fuel_limit: uint256, fee_limit: uint256, callback_gas: uint256) -> bytes32:
    """
    @notice Asks the program to close the auction. The value sent pays for it.
    @param fuel_limit Of the program's method.
    @param fee_limit In wei.
    @param callback_gas What `on_phat_result` may use; 150,000 is plenty.
    @return The request's id.
    """
    assert msg.sender == SELLER, "auction: seller"
    assert not self.closed, "auction: closed"
    assert self.pending == empty(bytes32), "auction: pending"
    request: bytes32 = extcall IInbox(INBOX).request(
        PROGRAM, CLOSE, fuel_limit, fee_limit, callback_gas, b"", value=msg.value
    )
    self.pending = request
    log CloseRequested(request=request)
    return request


@external
def on_phat_result(request: bytes32, program: bytes32, status: uint8, result: Bytes[MAX_RESULT]):
    """
    @notice Takes the answer from Settlement.
    @param request Must be the one under way.
    @param program Must be the auction's.
    @param status Anything but 0 lets the seller ask again.
    @param result (address winner, uint256 price).
    """
    assert msg.sender == SETTLEMENT, "auction: settlement"
    assert program == PROGRAM, "auction: request"
    self._accept(request, status, result)


@external
def pull(
    cluster: bytes32,
    receipt_number: uint256,
    output: ISettlement.Output,
    salt: bytes32,
    plaintext: Bytes[MAX_RESULT],
    leaf_index: uint256,
    leaf_count: uint256,
    proof: DynArray[bytes32, 32],
):
    """
    @notice Takes the answer from anybody who can prove it, should the callback have failed.
    @param cluster The program's cluster.
    @param receipt_number A final receipt.
    @param output The outcome of the request under way.
    @param salt As in `Settlement.deliver`.
    @param plaintext The result.
    @param leaf_index As in `Settlement.verify_output`.
    @param leaf_count As in `Settlement.verify_output`.
    @param proof As in `Settlement.verify_output`.
    """
    assert output.program == PROGRAM, "auction: request"
    assert staticcall ISettlement(SETTLEMENT).verify_output(
        cluster, receipt_number, output, leaf_index, leaf_count, proof
    ), "auction: output"
    assert keccak256(concat(salt, plaintext)) == output.plaintext_hash, "auction: plaintext"
    self._accept(output.request, output.status, plaintext)


@external
def recover_fees(amount: uint256):
    """
    @notice Brings back what Fees returned to this contract, and passes it on to the seller.
    @param amount In wei.
    """
    assert msg.sender == SELLER, "auction: seller"
    extcall IFees(FEES).withdraw(amount)
    paid: bool = raw_call(SELLER, b"", value=amount, revert_on_failure=False)
    assert paid, "auction: transfer"


@external
@payable
def __default__():
    """
    @notice Takes withdrawals from Fees.
    """
    pass


@internal
def _accept(request: bytes32, status: uint8, result: Bytes[MAX_RESULT]):
    assert request != empty(bytes32) and request == self.pending, "auction: request"
    self.pending = empty(bytes32)
    if status != STATUS_OK or len(result) != RESULT_LENGTH:
        log CloseFailed(request=request, status=status)
        return
    winner: address = empty(address)
    price: uint256 = 0
    winner, price = abi_decode(result, (address, uint256))
    self.closed = True
    self.winner = winner
    self.price = price
    log Closed(request=request, winner=winner, price=price)
