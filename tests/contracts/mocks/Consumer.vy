# SPDX-License-Identifier: Apache-2.0
# pragma version ==0.4.3
# pragma evm-version prague
"""
@title A consumer that does as it is told: takes the result, refuses it, burns its gas or comes back
@license Apache-2.0
"""

interface Inbox:
    def request(
        program: bytes32, method: bytes4, fuel_limit: uint256, fee_limit: uint256, callback_gas: uint256, args: Bytes[4096]
    ) -> bytes32: payable

TAKE: constant(uint256) = 0
REFUSE: constant(uint256) = 1
BURN: constant(uint256) = 2
REENTER: constant(uint256) = 3
LEAST_GAS: constant(uint256) = 1000  # modes from here on: takes the result if so much gas arrives

event Received:
    request: indexed(bytes32)
    program: indexed(bytes32)
    status: uint8
    result: Bytes[4096]
    gas_left: uint256

INBOX: immutable(address)
mode: public(uint256)
# what it sends back to its caller in mode REENTER, and how that ended
message: Bytes[8192]
came_back: public(bool)


@deploy
def __init__(inbox: address):
    INBOX = inbox


@external
def ask(program: bytes32, callback_gas: uint256, mode: uint256) -> bytes32:
    self.mode = mode
    return extcall Inbox(INBOX).request(program, 0x01020304, 1, 0, callback_gas, b"")


@external
def set_message(message: Bytes[8192]):
    self.message = message


@external
def on_phat_result(request: bytes32, program: bytes32, status: uint8, result: Bytes[4096]):
    gas_left: uint256 = msg.gas
    if self.mode >= LEAST_GAS:
        assert gas_left >= self.mode, "consumer: starved"
    if self.mode == REFUSE:
        raise "consumer: no"
    if self.mode == BURN:
        for i: uint256 in range(2**64):
            self.mode = BURN
    if self.mode == REENTER:
        self.came_back = raw_call(msg.sender, self.message, revert_on_failure=False)
    log Received(request=request, program=program, status=status, result=result, gas_left=gas_left)
