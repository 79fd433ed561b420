# SPDX-License-Identifier: Apache-2.0
# pragma version ==0.4.3
# pragma evm-version prague
"""
@title Gatekeeping: the first committee, its key ceremony and its master key
@license Apache-2.0
@notice The deployer names the committee once; from then on nobody has any power over it. Ceremony messages ride in events.
    The master public key is recorded once, when every member has signed it together with all share keys (PROTOCOL 9.1,
    9.3).
@dev Enclaves prove `genesis`, `threshold`, `member_count`, `members` and `master_key_hash` by storage proofs: one slot per
    field, nothing packed.
    Reverts: "gatekeeping: deployer", "gatekeeping: initialized", "gatekeeping: genesis", "gatekeeping: threshold",
    "gatekeeping: member zero", "gatekeeping: member twice", "gatekeeping: not a member", "gatekeeping: completed",
    "gatekeeping: master key", "gatekeeping: share keys", "gatekeeping: signatures", "gatekeeping: signature",
    "gatekeeping: signer", "gatekeeping: order".
"""

from . import IGatekeeping
from ..shared import eip712
from ..shared import signatures as signing

implements: IGatekeeping

MAX_MEMBERS: constant(uint256) = 32
MAX_MESSAGE: constant(uint256) = 65536  # bytes of one ceremony message
KEY_LENGTH: constant(uint256) = 96  # a compressed point of BLS12-381 G2
MAX_KEY_WORDS: constant(uint256) = 96  # three words for each of 32 share keys
MASTER_KEY_TYPE: constant(bytes32) = keccak256("MasterKey(bytes32 genesis,bytes32 masterKeyHash,bytes32 shareKeysHash)")

event Initialized:
    genesis: indexed(bytes32)
    threshold: uint256
    members: DynArray[IGatekeeping.Member, MAX_MEMBERS]

event Transcript:
    session: indexed(bytes32)
    member: indexed(uint256)
    kind: uint8
    data: Bytes[MAX_MESSAGE]

event Completed:
    genesis: indexed(bytes32)
    master_key: Bytes[KEY_LENGTH]
    share_keys: DynArray[Bytes[KEY_LENGTH], MAX_MEMBERS]

DEPLOYER: public(immutable(address))

# @notice The genesis digest that names the network; zero before `initialize`.
genesis: public(bytes32)
# @notice How many members must act together.
threshold: public(uint256)
# @notice How many members there are.
member_count: public(uint256)
# @notice Keccak-256 of the 96 bytes of the master public key; zero before `complete`.
master_key_hash: public(bytes32)
# @notice The members, by index from 0.
members: public(HashMap[uint256, IGatekeeping.Member])
# index + 1 of the member with this signing key
number_of: HashMap[address, uint256]


@deploy
def __init__(deployer: address):
    """
    @param deployer Who may call `initialize`, once.
    """
    DEPLOYER = deployer


@external
def initialize(threshold: uint256, members: DynArray[IGatekeeping.Member, MAX_MEMBERS], genesis_digest: bytes32):
    """
    @notice Names the network and its first committee, for good.
    @param threshold t: members that must act together; 1 <= t and n >= 2t - 1 (PROTOCOL 9.2).
    @param members n members with distinct signing and sealing keys. One operator may run several; that is for the
        network's policy to refuse.
    @param genesis_digest The network's identity (PROTOCOL 1.1).
    """
    assert msg.sender == DEPLOYER, "gatekeeping: deployer"
    assert self.genesis == empty(bytes32), "gatekeeping: initialized"
    assert genesis_digest != empty(bytes32), "gatekeeping: genesis"
    assert threshold >= 1 and threshold <= len(members), "gatekeeping: threshold"
    assert len(members) + 1 >= 2 * threshold, "gatekeeping: threshold"
    for i: uint256 in range(len(members), bound=MAX_MEMBERS):
        member: IGatekeeping.Member = members[i]
        assert member.operator != empty(address), "gatekeeping: member zero"
        assert member.signer != empty(address), "gatekeeping: member zero"
        assert member.sealing_key != empty(bytes32), "gatekeeping: member zero"
        assert member.evidence_digest != empty(bytes32), "gatekeeping: member zero"
        assert self.number_of[member.signer] == 0, "gatekeeping: member twice"
        for earlier: uint256 in range(i, bound=MAX_MEMBERS):
            assert members[earlier].sealing_key != member.sealing_key, "gatekeeping: member twice"
        self.number_of[member.signer] = i + 1
        self.members[i] = member
    self.genesis = genesis_digest
    self.threshold = threshold
    self.member_count = len(members)
    log Initialized(genesis=genesis_digest, threshold=threshold, members=members)


@external
def post(session: bytes32, member: uint256, kind: uint8, data: Bytes[MAX_MESSAGE]):
    """
    @notice Publishes a message of a key ceremony.
    @param session Identifies the ceremony; the first one's is derived from the genesis digest.
    @param member Index of the member that speaks; the sender must be its signing key or its operator.
    @param kind What the message is; the ceremony gives it meaning.
    @param data The message, at most 65,536 bytes.
    """
    assert member < self.member_count, "gatekeeping: not a member"
    speaker: IGatekeeping.Member = self.members[member]
    assert msg.sender == speaker.signer or msg.sender == speaker.operator, "gatekeeping: not a member"
    log Transcript(session=session, member=member, kind=kind, data=data)


@external
def complete(
    master_key: Bytes[KEY_LENGTH],
    share_keys: DynArray[Bytes[KEY_LENGTH], MAX_MEMBERS],
    signatures: DynArray[Bytes[65], MAX_MEMBERS],
):
    """
    @notice Records the outcome of the first ceremony. Anybody may send it; every member must have signed it.
    @param master_key The master public key, 96 bytes.
    @param share_keys The members' share public keys, 96 bytes each, in member order.
    @param signatures One of each member, in member order, over the EIP-712 struct `MasterKey`.
    """
    assert self.genesis != empty(bytes32), "gatekeeping: genesis"
    assert self.master_key_hash == empty(bytes32), "gatekeeping: completed"
    assert len(master_key) == KEY_LENGTH, "gatekeeping: master key"
    assert len(share_keys) == self.member_count, "gatekeeping: share keys"
    assert len(signatures) == self.member_count, "gatekeeping: signatures"
    master_key_hash: bytes32 = keccak256(master_key)
    struct_hash: bytes32 = keccak256(
        abi_encode(MASTER_KEY_TYPE, self.genesis, master_key_hash, self._hash_keys(share_keys))
    )
    self._check_signatures(eip712.digest_of(struct_hash), signatures)
    self.master_key_hash = master_key_hash
    log Completed(genesis=self.genesis, master_key=master_key, share_keys=share_keys)


@external
@view
def check_signatures(digest: bytes32, signatures: DynArray[Bytes[65], MAX_MEMBERS]) -> DynArray[uint256, MAX_MEMBERS]:
    """
    @notice Which members signed; the caller compares their number with `threshold`.
    @param digest What was signed.
    @param signatures In strictly ascending order of the members' indices, so that none counts twice.
    @return The indices of the members that signed, as many as there are signatures.
    """
    return self._check_signatures(digest, signatures)


@external
@view
def is_gatekeeper(account: address) -> bool:
    """
    @notice Whether an account is the signing key of a member.
    @param account Any address.
    @return True for a member's signing key.
    """
    return self.number_of[account] != 0


@internal
@view
def _check_signatures(digest: bytes32, signatures: DynArray[Bytes[65], MAX_MEMBERS]) -> DynArray[uint256, MAX_MEMBERS]:
    indices: DynArray[uint256, MAX_MEMBERS] = []
    last: uint256 = 0
    for signature: Bytes[65] in signatures:
        signer: address = signing.recover(digest, signature)
        assert signer != empty(address), "gatekeeping: signature"
        number: uint256 = self.number_of[signer]
        assert number != 0, "gatekeeping: signer"
        assert number > last, "gatekeeping: order"
        indices.append(number - 1)
        last = number
    return indices


@internal
@pure
def _hash_keys(keys: DynArray[Bytes[KEY_LENGTH], MAX_MEMBERS]) -> bytes32:
    # Keccak-256 of all keys one after the other: the encoding of a dynamic array is offset, length, then its words.
    words: DynArray[bytes32, MAX_KEY_WORDS] = []
    for key: Bytes[KEY_LENGTH] in keys:
        assert len(key) == KEY_LENGTH, "gatekeeping: share keys"
        words.append(extract32(key, 0))
        words.append(extract32(key, 32))
        words.append(extract32(key, 64))
    return keccak256(slice(abi_encode(words), 64, 32 * len(words)))
