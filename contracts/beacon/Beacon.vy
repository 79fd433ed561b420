# SPDX-License-Identifier: Apache-2.0
# pragma version ==0.4.3
# pragma evm-version prague
"""
@title Beacon: one value of public randomness for each window of blocks
@license Apache-2.0
@notice A committee of gatekeepers makes a key of its own for the beacon, in a ceremony apart from the master key's
    (PROTOCOL 8.1). The value of a window is the hash of that key's only signature over (network, height), which this
    contract verifies: nobody can choose it, and fewer than the threshold of members cannot know it before the others
    (PROTOCOL 10). Where no signature came in time, the randomness of one later block, fixed beforehand, stands in and is
    marked.
@dev Enclaves and clients prove every variable up to `newest` by storage proofs: one slot per field, nothing packed.
    Transcript: head' = keccak256(abi.encode(session, head, member, kind, block number, keccak256(data))), from zero.
    Session: keccak256(abi.encode(keccak256("Beacon"), genesis, committee, block in which it was opened)).
    Which key serves a height is decided before its window begins: the newest that was recorded before that block.
    Reverts: "beacon: phase", "beacon: window", "beacon: no committee", "beacon: completed", "beacon: open",
    "beacon: committee", "beacon: session", "beacon: not a member", "beacon: kind", "beacon: spoken", "beacon: key",
    "beacon: share keys", "beacon: no share", "beacon: signatures", "beacon: height", "beacon: early", "beacon: late",
    "beacon: known", "beacon: no key", "beacon: signature", "beacon: header", "beacon: none", "header: form", and those of
    `Gatekeeping.check_signatures`.
"""

from . import IBeacon
from ..gatekeeping import IGatekeeping
from ..shared import bls
from ..shared import eip712
from ..shared import header as headers

implements: IBeacon

MAX_MEMBERS: constant(uint256) = 32
MAX_MESSAGE: constant(uint256) = 65536  # bytes of one ceremony message
MAX_HEADER: constant(uint256) = 1024  # bytes of a block's header
KEY_LENGTH: constant(uint256) = 96  # a compressed point of BLS12-381 G2
MAX_KEY_WORDS: constant(uint256) = 96  # three words for each of 32 share keys
MAX_KINDS: constant(uint8) = 8  # kinds of messages; a member says each once in a session
PHASES: constant(uint256) = 5  # announce, reveal, complain, outcome, and time for its signatures
OPEN_WINDOWS: constant(uint256) = 2  # a window's value may be posted until so many windows after its height
SESSION_TAG: constant(bytes32) = keccak256("Beacon")
FALLBACK_TAG: constant(bytes32) = keccak256("BeaconFallback")
BEACON_KEY_TYPE: constant(bytes32) = keccak256(
    "BeaconKey(bytes32 session,bytes32 beaconKeyHash,bytes32 shareKeysHash)"
)
# Domain separation tag of beacon signatures, and the label of what they sign.
TAG: constant(Bytes[64]) = b"COPROCESSOR-V1-BEACON_BLS12381G1_XMD:SHA-256_SSWU_RO_"
LABEL: constant(Bytes[32]) = b"coprocessor/v1/beacon"
INSECURE_LABEL: constant(Bytes[32]) = b"coprocessor/v1/beacon-insecure"

event Opened:
    session: indexed(bytes32)
    committee: indexed(uint256)

event Transcript:
    session: indexed(bytes32)
    member: indexed(uint256)
    kind: uint8
    data: Bytes[MAX_MESSAGE]

event Completed:
    committee: indexed(uint256)
    beacon_key: Bytes[KEY_LENGTH]
    share_keys: DynArray[Bytes[KEY_LENGTH], MAX_MEMBERS]

event Posted:
    height: indexed(uint256)
    committee: indexed(uint256)
    signature: Bytes[48]

event FellBack:
    height: indexed(uint256)
    prevrandao: bytes32

# @notice The key of a committee.
struct Key:
    key_hash: bytes32
    share_keys_hash: bytes32
    threshold: uint256
    recorded: uint256

GATEKEEPING: public(immutable(address))
PHASE_BLOCKS: public(immutable(uint256))  # so that the code hash pins it; `phase_blocks` is its provable copy
WINDOW: public(immutable(uint256))  # so that the code hash pins it; `window` is its provable copy
ALLOW_SIMULATED: public(immutable(bool))

# @notice The key ceremony that is under way, or was the last.
session: public(bytes32)
# @notice The block in which that ceremony began.
opened: public(uint256)
# @notice The committee whose ceremony it is, as `Gatekeeping.committee` numbers them.
in_ceremony: public(uint256)
# @notice Blocks after which a phase of a ceremony ends, whoever has not spoken by then.
phase_blocks: public(uint256)
# @notice The hash chain over a ceremony's messages.
transcript_heads: public(HashMap[bytes32, bytes32])
# @notice How many messages a ceremony has.
transcript_counts: public(HashMap[bytes32, uint256])
# @notice The committee whose key was recorded last; zero before the first.
committee: public(uint256)
# @notice The committee whose key was recorded before that; zero before the second.
former_committee: public(uint256)
# @notice By committee: hash of the 96 bytes of its key, of its members' share keys, its threshold, and since when.
keys: public(HashMap[uint256, Key])
# @notice Blocks of a window.
window: public(uint256)
# @notice By height, the number of a window's first block: its value, and where that comes from.
values: public(HashMap[uint256, IBeacon.Value])
# @notice The greatest height that has a value.
newest: public(uint256)
# committee -> its key as a point of G2, as the precompiles take it
points: HashMap[uint256, Bytes[256]]
# session -> member -> kind -> whether the member has said that
spoken: HashMap[bytes32, HashMap[uint256, HashMap[uint8, bool]]]


@deploy
def __init__(gatekeeping: address, phase_blocks: uint256, window: uint256, allow_simulated: bool):
    """
    @param gatekeeping Whose members make the key.
    @param phase_blocks Blocks after which a phase of a ceremony ends.
    @param window Blocks of a window, 1 to 128: the hash of the block that a fallback needs must still be known then.
    @param allow_simulated Whether the network takes simulated hardware, which has a label of its own.
    """
    assert phase_blocks > 0, "beacon: phase"
    assert window > 0 and window <= 128, "beacon: window"
    GATEKEEPING = gatekeeping
    PHASE_BLOCKS = phase_blocks
    WINDOW = window
    ALLOW_SIMULATED = allow_simulated
    self.phase_blocks = phase_blocks
    self.window = window


@external
def begin():
    """
    @notice Opens the key ceremony of the present committee, where it has no beacon key: the first, or another after one
        that found no outcome in the time of all its phases. Anybody may.
    """
    present: uint256 = staticcall IGatekeeping(GATEKEEPING).committee()
    assert present > 0, "beacon: no committee"
    assert present != self.committee, "beacon: completed"
    if self.in_ceremony == present:
        assert block.number > self.opened + PHASES * PHASE_BLOCKS, "beacon: open"
    genesis: bytes32 = staticcall IGatekeeping(GATEKEEPING).genesis()
    self.session = keccak256(abi_encode(SESSION_TAG, genesis, present, block.number))
    self.opened = block.number
    self.in_ceremony = present
    log Opened(session=self.session, committee=present)


@external
def post_message(session: bytes32, member: uint256, kind: uint8, data: Bytes[MAX_MESSAGE]):
    """
    @notice Publishes a message of the key ceremony that is under way. Whether it is one, whether it comes in time, and
        whether the member's enclave made it, the other enclaves judge.
    @param session The ceremony's.
    @param member Index of the member that speaks; the sender must be its signing key or its operator.
    @param kind What the message is, 0 to 7; the ceremony gives it meaning. A member says each once.
    @param data The message, at most 65,536 bytes.
    """
    speaker: IGatekeeping.Member = staticcall IGatekeeping(GATEKEEPING).members(member)
    assert msg.sender == speaker.signer or msg.sender == speaker.operator, "beacon: not a member"
    self._check_ceremony(session)
    assert kind < MAX_KINDS, "beacon: kind"
    assert not self.spoken[session][member][kind], "beacon: spoken"
    self.spoken[session][member][kind] = True
    self.transcript_heads[session] = keccak256(
        abi_encode(session, self.transcript_heads[session], member, kind, block.number, keccak256(data))
    )
    self.transcript_counts[session] += 1
    log Transcript(session=session, member=member, kind=kind, data=data)


@external
def complete(
    session: bytes32,
    beacon_key: Bytes[256],
    share_keys: DynArray[Bytes[KEY_LENGTH], MAX_MEMBERS],
    signatures: DynArray[Bytes[65], MAX_MEMBERS],
):
    """
    @notice Records the key of the present committee. Anybody may send it. The key before serves heights up to this block.
    @param session Of the ceremony that is under way.
    @param beacon_key The public key as a point of G2, 256 bytes.
    @param share_keys The members' share public keys, 96 bytes each, in member order; zero for a member that the
        ceremony left without a share.
    @param signatures Of at least the threshold of members with shares, in member order, over the EIP-712 struct
        `BeaconKey`.
    """
    self._check_ceremony(session)
    assert len(beacon_key) == 256, "beacon: key"
    assert len(share_keys) == staticcall IGatekeeping(GATEKEEPING).member_count(), "beacon: share keys"
    threshold: uint256 = staticcall IGatekeeping(GATEKEEPING).threshold()
    compressed: Bytes[KEY_LENGTH] = bls.compress_g2(beacon_key)
    share_keys_hash: bytes32 = self._hash_keys(share_keys)
    struct_hash: bytes32 = keccak256(abi_encode(BEACON_KEY_TYPE, session, keccak256(compressed), share_keys_hash))
    signers: DynArray[uint256, MAX_MEMBERS] = staticcall IGatekeeping(GATEKEEPING).check_signatures(
        eip712.digest_of(struct_hash), signatures
    )
    assert len(signers) >= threshold, "beacon: signatures"
    for index: uint256 in signers:
        assert extract32(share_keys[index], 0) != empty(bytes32), "beacon: no share"
    self.former_committee = self.committee
    self.committee = self.in_ceremony
    self.keys[self.committee] = Key(
        key_hash=keccak256(compressed),
        share_keys_hash=share_keys_hash,
        threshold=threshold,
        recorded=block.number,
    )
    self.points[self.committee] = beacon_key
    log Completed(committee=self.committee, beacon_key=compressed, share_keys=share_keys)


@external
def post(height: uint256, signature: Bytes[128]):
    """
    @notice Publishes the value of a window. Anybody may send it.
    @param height The number of the window's first block.
    @param signature Of the key that serves this height, over (label, network, height), as a point of G1, 128 bytes.
    """
    self._check_height(height)
    assert block.number > height, "beacon: early"
    assert block.number < height + OPEN_WINDOWS * WINDOW, "beacon: late"
    serving: uint256 = self._serving(height)
    assert serving > 0, "beacon: no key"
    assert bls.is_valid(self.points[serving], self._message(height), TAG, signature), "beacon: signature"
    compressed: Bytes[48] = bls.compress_g1(signature)
    self._record(height, IBeacon.Value(value=keccak256(compressed), committee=serving, is_fallback=False))
    log Posted(height=height, committee=serving, signature=compressed)


@external
def fall_back(height: uint256, header: Bytes[MAX_HEADER]):
    """
    @notice Fills a window for which no signature came in time from the randomness of block height + 2 windows, which nobody
        can choose by waiting. Anybody may, for 256 blocks; after that the window stays without a value.
    @param height The number of the window's first block.
    @param header RLP of the header of that later block.
    """
    self._check_height(height)
    source: uint256 = height + OPEN_WINDOWS * WINDOW
    assert block.number > source, "beacon: early"
    assert block.number <= source + 256, "beacon: late"
    assert keccak256(header) == blockhash(source), "beacon: header"
    randomness: bytes32 = headers.prevrandao(header)
    genesis: bytes32 = staticcall IGatekeeping(GATEKEEPING).genesis()
    mixed: bytes32 = keccak256(abi_encode(FALLBACK_TAG, genesis, height, randomness))
    self._record(height, IBeacon.Value(value=mixed, committee=0, is_fallback=True))
    log FellBack(height=height, prevrandao=randomness)


@external
@view
def value_at(height: uint256) -> IBeacon.Value:
    """
    @notice The value of a window; reverts where there is none.
    @param height The number of the window's first block.
    @return The value, the committee whose key made it, and whether it is the fallback.
    """
    found: IBeacon.Value = self.values[height]
    assert found.value != empty(bytes32), "beacon: none"
    return found


@external
@view
def serving(height: uint256) -> uint256:
    """
    @notice The committee whose key serves a height; zero where none does.
    @param height The number of a window's first block.
    @return Its number.
    """
    return self._serving(height)


@internal
@view
def _check_ceremony(session: bytes32):
    assert session == self.session and session != empty(bytes32), "beacon: session"
    assert self.in_ceremony != self.committee, "beacon: completed"
    assert self.in_ceremony == staticcall IGatekeeping(GATEKEEPING).committee(), "beacon: committee"


@internal
@view
def _check_height(height: uint256):
    assert height % WINDOW == 0, "beacon: height"
    assert self.values[height].value == empty(bytes32), "beacon: known"


@internal
@view
def _serving(height: uint256) -> uint256:
    for number: uint256 in [self.committee, self.former_committee]:
        if number > 0 and self.keys[number].recorded < height:
            return number
    return 0


@internal
@view
def _message(height: uint256) -> Bytes[256]:
    # The label's fields, each behind its length in four bytes.
    genesis: bytes32 = staticcall IGatekeeping(GATEKEEPING).genesis()
    number: Bytes[8] = slice(convert(height, bytes32), 24, 8)
    if ALLOW_SIMULATED:
        return concat(x"0000001e", INSECURE_LABEL, x"00000020", genesis, x"00000008", number)
    return concat(x"00000015", LABEL, x"00000020", genesis, x"00000008", number)


@internal
def _record(height: uint256, found: IBeacon.Value):
    self.values[height] = found
    if height > self.newest:
        self.newest = height


@internal
@pure
def _hash_keys(keys: DynArray[Bytes[KEY_LENGTH], MAX_MEMBERS]) -> bytes32:
    # Keccak-256 of all keys one after the other: the encoding of a dynamic array is offset, length, then its words.
    words: DynArray[bytes32, MAX_KEY_WORDS] = []
    for key: Bytes[KEY_LENGTH] in keys:
        assert len(key) == KEY_LENGTH, "beacon: share keys"
        words.append(extract32(key, 0))
        words.append(extract32(key, 32))
        words.append(extract32(key, 64))
    return keccak256(slice(abi_encode(words), 64, 32 * len(words)))
