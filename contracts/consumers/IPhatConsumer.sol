// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title What a contract implements to get results by callback
/// @notice An implementation MUST accept calls only from the network's Settlement, and only for requests that it made.
interface IPhatConsumer {
    /// @notice Hands over the outcome of a request.
    /// @param request The id that `IInbox.request` returned.
    /// @param program The program that was asked.
    /// @param status 0 ok, 1 reverted, 2 exhausted, 3 void, 4 skipped.
    /// @param result The method's result, ABI-encoded, if the status is 0; otherwise a message.
    function on_phat_result(bytes32 request, bytes32 program, uint8 status, bytes calldata result) external;
}

/// @title What a consumer asks of Inbox
interface IInbox {
    /// @notice Asks a program; the answer comes by `on_phat_result` from Settlement.
    /// @param program The program.
    /// @param method First four bytes of keccak256 of the method's name.
    /// @param fuelLimit Of the method, below 2**64.
    /// @param feeLimit In wei, below 2**96; reserved from the caller's balance in Fees, to which the value sent is added.
    /// @param callbackGas What the callback may use, at most 2**23.
    /// @param arguments The arguments, ABI-encoded, at most 4,096 bytes.
    /// @return request The request's id.
    function request(
        bytes32 program,
        bytes4 method,
        uint256 fuelLimit,
        uint256 feeLimit,
        uint256 callbackGas,
        bytes calldata arguments
    ) external payable returns (bytes32 request);
}

/// @title What a consumer asks of Fees
interface IFees {
    /// @notice Pays out of the sender's free balance.
    /// @param amount In wei.
    function withdraw(uint256 amount) external;
}
