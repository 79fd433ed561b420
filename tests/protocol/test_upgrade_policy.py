"""Upgrade policies: one form each, one digest each, and keys that are bound to it (PROTOCOL 8.1, 12)."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.client.upgrades import compare_interfaces, parse_policy
from coprocessor.keys.derivation import ClusterKeys
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.protocol.interface import Interface, parse_interface
from coprocessor.protocol.system import compute_program_id
from coprocessor.protocol.upgrade_policy import (
    FROZEN,
    MAX_DELAY,
    MAX_POLICY_KEYS,
    PolicyKind,
    UpgradePolicy,
    decode_policy,
)
from coprocessor.values.errors import CallerMisuse, MalformedInput
from coprocessor.values.identities import ZERO_DIGEST, Address, ClusterId, CodeHash, Digest, NetworkId, ProgramId

keys = st.binary(min_size=20, max_size=20).filter(any).map(Address)
delays = st.integers(1, MAX_DELAY)


@st.composite
def policies(draw: st.DrawFn) -> UpgradePolicy:
    """Every form."""
    kind = draw(st.sampled_from(PolicyKind))
    if kind is PolicyKind.FROZEN:
        return FROZEN
    if kind is PolicyKind.TIMELOCK:
        return UpgradePolicy.timelock(draw(delays))
    voters = draw(st.lists(keys, min_size=1, max_size=MAX_POLICY_KEYS, unique=True))
    return UpgradePolicy.votes(voters, draw(st.integers(1, len(voters))), draw(delays))


@given(policies(), policies())
def test_digests_differ_where_policies_do(one: UpgradePolicy, other: UpgradePolicy) -> None:
    assert (one.digest() == other.digest()) == (one == other)
    assert (one.digest() == ZERO_DIGEST) == (one == FROZEN)


@given(policies())
def test_round_trip(policy: UpgradePolicy) -> None:
    assert decode_policy(*policy.fields) == policy
    assert policy.describe()


@given(
    st.integers(-1, 4),
    st.one_of(delays, st.integers(-1, MAX_DELAY + 1)),
    st.integers(-1, 17),
    st.lists(st.binary(min_size=19, max_size=21), max_size=17),
)
def test_any_fields_are_one_policy_or_refused(kind: int, delay: int, threshold: int, given_keys: list[bytes]) -> None:
    with contextlib.suppress(MalformedInput):
        assert decode_policy(kind, delay, threshold, given_keys).fields == (kind, delay, threshold, given_keys)


def test_another_policy_is_another_program_with_other_keys() -> None:
    """PROTOCOL 12: the policy is part of the id, and the id is part of every key's context."""
    cluster = ClusterKeys(b"\x05" * 32, ClusterIdentity(NetworkId(bytes(32)), ClusterId(b"\x01" * 32), 1, True))

    def program(policy: UpgradePolicy) -> ProgramId:
        owner, code = Address(b"\x02" * 20), CodeHash(Digest(b"\x03" * 32))
        return compute_program_id(1, owner, owner, code, ClusterId(b"\x01" * 32), bytes(32), policy.digest())

    some = [FROZEN, UpgradePolicy.timelock(5), UpgradePolicy.timelock(6)]
    made = [cluster.program(program(policy)) for policy in some]
    assert len({one.state_key for one in made}) == 3
    assert len({one.input_key.public_key for one in made}) == 3
    assert len({one.application_secret for one in made}) == 3
    assert len({one.account_key.address for one in made}) == 3


def test_policies_on_a_command_line(tmp_path: Path) -> None:
    voters = ["0x" + bytes([number] * 20).hex() for number in (3, 1, 2)]
    file = tmp_path / "votes.json"
    file.write_text(json.dumps({"threshold": 2, "delay": 60, "keys": voters}))
    assert parse_policy("frozen") == FROZEN
    assert parse_policy("timelock:86400") == UpgradePolicy.timelock(86_400)
    expected = UpgradePolicy.votes([Address(bytes([number] * 20)) for number in (1, 2, 3)], 2, 60)
    assert parse_policy(f"votes:{file}") == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "timelock", "timelock:", "timelock:0", "timelock:-1", "timelock:1.5", f"timelock:{MAX_DELAY + 1}",
        "timelock:" + "9" * 5000, "frozen:1", "votes", "votes:", "votes:nowhere", "votes:/dev/zero", "owner", "\0",
    ],
)  # fmt: skip
def test_words_that_are_no_policy(text: str) -> None:
    with pytest.raises(CallerMisuse) as caught:
        parse_policy(text)
    assert caught.value.code == "policy.option"


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "{}", '{"threshold": 1, "delay": 5, "keys": []}', '{"threshold": 2, "delay": 5, "keys": ["0x11"]}',
        '{"threshold": true, "delay": 5, "keys": ["0x' + "11" * 20 + '"]}',
        '{"threshold": 1, "delay": "5", "keys": ["0x' + "11" * 20 + '"]}',
        '{"threshold": 1, "delay": 5, "keys": "0x' + "11" * 20 + '"}',
        '{"threshold": 1, "delay": 5, "keys": [5]}', "[" * 10_000, " " * 20_000,
    ],
)  # fmt: skip
def test_files_that_are_no_votes(content: str, tmp_path: Path) -> None:
    (tmp_path / "votes.json").write_text(content)
    with pytest.raises(CallerMisuse) as caught:
        parse_policy(f"votes:{tmp_path / 'votes.json'}")
    assert caught.value.code == "policy.option"


def interface(*methods: tuple[str, str, str]) -> Interface:
    listed = [
        {"name": name, "kind": kind, "parameters": [], "returns": returns} for name, kind, returns in methods
    ]
    return parse_interface(json.dumps({"abi": 1, "language": "python", "name": "X", "methods": listed}).encode())


def test_what_callers_find_changed() -> None:
    kept = ("kept", "query", "int")
    before = interface(("init", "init", "null"), ("add", "command", "int"), ("gone", "query", "int"), kept)
    after = interface(("upgrade", "command", "null"), ("add", "command", "str"), ("new", "query", "int"), kept)
    shown = [(change.sign, change.signature) for change in compare_interfaces(before, after)]
    assert shown == [("-", "query gone() -> int"), ("~", "command add() -> str"), ("+", "query new() -> int")]
    assert compare_interfaces(before, before) == []


def test_nobody_is_offered_the_method_upgrade() -> None:
    described = interface(("upgrade", "command", "null"))
    assert described.upgrade is not None
    with pytest.raises(CallerMisuse) as caught:
        described.method("upgrade", "command")
    assert caught.value.code == "interface.kind"
    assert interface(("upgrade", "query", "null")).upgrade is None
