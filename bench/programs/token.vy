# SPDX-License-Identifier: Apache-2.0
# pragma version ==0.4.3
# pragma evm-version prague
"""
@title The benchmarks' token as a contract: what the same transfers cost on the chain itself, in the open
@license Apache-2.0
"""

event Transferred:
    sender: indexed(address)
    recipient: indexed(address)
    amount: uint256

supply: public(uint256)
balances: public(HashMap[address, uint256])


@deploy
def __init__(supply: uint256):
    self.supply = supply
    self.balances[msg.sender] = supply


@external
def transfer(recipient: address, amount: uint256) -> uint256:
    assert recipient != empty(address), "token: nobody"
    self.balances[msg.sender] -= amount
    self.balances[recipient] += amount
    log Transferred(sender=msg.sender, recipient=recipient, amount=amount)
    return self.balances[msg.sender]
