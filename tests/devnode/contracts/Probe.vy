# pragma version 0.4.3
"""
@title Exercises what the node must execute, index and prove like any other.
@license Apache-2.0
"""

event Noted:
    who: indexed(address)
    key: indexed(uint256)
    tag: indexed(bytes32)
    payload: Bytes[1024]

event Plain:
    value: uint256

interface Self:
    def burn(rounds: uint256) -> uint256: nonpayable
    def nest(depth: uint256): nonpayable

values: public(HashMap[uint256, uint256])
total: public(uint256)
scratch: transient(uint256)


@deploy
@payable
def __init__(start: uint256):
    self.total = start


@external
@payable
def __default__():
    log Plain(value=msg.value)


@external
def put(key: uint256, amount: uint256):
    self.values[key] = amount
    self.total += amount


@external
def clear(first: uint256, count: uint256):
    for i: uint256 in range(count, bound=64):
        self.values[first + i] = 0


@external
def note(key: uint256, tag: bytes32, payload: Bytes[1024], times: uint256):
    for i: uint256 in range(times, bound=16):
        log Noted(who=msg.sender, key=key + i, tag=tag, payload=payload)
    log Plain(value=times)


@external
def fail(reason: String[64]):
    self.total += 1
    log Plain(value=1)
    raise reason


@external
def fail_bare():
    self.total += 1
    raise


@external
def burn(rounds: uint256) -> uint256:
    accumulator: bytes32 = keccak256("burn")
    for i: uint256 in range(rounds, bound=1000000):
        accumulator = keccak256(accumulator)
    self.total += 1
    return convert(accumulator, uint256)


@external
def try_burn(rounds: uint256, gas_limit: uint256) -> bool:
    """Calls itself with little gas and survives the failure."""
    success: bool = raw_call(
        self, abi_encode(rounds, method_id=method_id("burn(uint256)")), gas=gas_limit, revert_on_failure=False
    )
    log Plain(value=convert(success, uint256))
    return success


@external
def nest(depth: uint256):
    """A chain of calls, each of which keeps back a 64th of its gas."""
    self.values[depth] = msg.gas // 1000000000
    if depth > 0:
        extcall Self(self).nest(depth - 1)


@external
def clone() -> address:
    made: address = create_minimal_proxy_to(self, salt=keccak256(abi_encode(self.total)))
    self.total += 1
    return made


@external
def pay(target: address, amount: uint256):
    send(target, amount)


@external
def swirl(amount: uint256) -> uint256:
    self.scratch = amount
    return self.scratch + convert(block.prevrandao, uint256) % 2


@external
@view
def precompiles(data: Bytes[256]) -> (bytes32, bytes32, address):
    signer: address = ecrecover(keccak256(data), 27, 1, 2)
    return sha256(data), keccak256(data), signer


@external
@view
def verify_p256(data: Bytes[160]) -> Bytes[32]:
    return raw_call(0x0000000000000000000000000000000000000100, data, max_outsize=32, is_static_call=True)


@external
@view
def ancestor(number: uint256) -> bytes32:
    return blockhash(number)
