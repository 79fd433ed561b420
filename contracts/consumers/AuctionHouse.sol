// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IFees, IInbox, IPhatConsumer} from "./IPhatConsumer.sol";

/// @title An auction whose bids stay sealed and whose result arrives by callback
/// @notice The seller asks the auction's program to close; the program's answer, proven by a final receipt, names the winner
/// and the price. Bids never touch this contract.
contract AuctionHouse is IPhatConsumer {
    bytes4 private constant CLOSE = bytes4(keccak256("close"));
    uint8 private constant STATUS_OK = 0;

    address public immutable seller;
    IInbox public immutable inbox;
    IFees public immutable fees;
    address public immutable settlement;
    bytes32 public immutable program;

    /// @notice The request that is under way; zero if none.
    bytes32 public pending;
    /// @notice Whether winner and price are known.
    bool public closed;
    /// @notice Who won; zero if nobody bid.
    address public winner;
    /// @notice What the winner owes.
    uint256 public price;

    event CloseRequested(bytes32 indexed request);
    event CloseFailed(bytes32 indexed request, uint8 status);
    event Closed(bytes32 indexed request, address indexed winner, uint256 price);

    /// @param inbox_ Where requests go.
    /// @param fees_ Holds this contract's balance for them.
    /// @param settlement_ The only one whose callbacks count.
    /// @param program_ The auction's program.
    constructor(IInbox inbox_, IFees fees_, address settlement_, bytes32 program_) {
        seller = msg.sender;
        inbox = inbox_;
        fees = fees_;
        settlement = settlement_;
        program = program_;
    }

    /// @notice Asks the program to close the auction. The value sent pays for it.
    /// @param fuelLimit Of the program's method.
    /// @param feeLimit In wei.
    /// @param callbackGas What `on_phat_result` may use; 150,000 is plenty.
    /// @return request The request's id.
    function close(uint256 fuelLimit, uint256 feeLimit, uint256 callbackGas)
        external
        payable
        returns (bytes32 request)
    {
        require(msg.sender == seller, "auction: seller");
        require(!closed, "auction: closed");
        require(pending == 0, "auction: pending");
        request = inbox.request{value: msg.value}(program, CLOSE, fuelLimit, feeLimit, callbackGas, "");
        pending = request;
        emit CloseRequested(request);
    }

    /// @inheritdoc IPhatConsumer
    function on_phat_result(bytes32 request, bytes32 program_, uint8 status, bytes calldata result) external {
        require(msg.sender == settlement, "auction: settlement");
        require(program_ == program, "auction: request");
        require(request != 0 && request == pending, "auction: request");
        pending = 0;
        if (status != STATUS_OK || result.length != 64) {
            emit CloseFailed(request, status);
            return;
        }
        (winner, price) = abi.decode(result, (address, uint256));
        closed = true;
        emit Closed(request, winner, price);
    }

    /// @notice Brings back what Fees returned to this contract, and passes it on to the seller.
    /// @param amount In wei.
    function recoverFees(uint256 amount) external {
        require(msg.sender == seller, "auction: seller");
        fees.withdraw(amount);
        (bool paid,) = seller.call{value: amount}("");
        require(paid, "auction: transfer");
    }

    /// @notice Takes withdrawals from Fees.
    receive() external payable {}
}
