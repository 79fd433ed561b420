"""Small parts of the hosts: ranges and turns of receipts, splitting of proofs, folders, keys, state, retries."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from coprocessor.chain.keyfile import load_key_file, write_key_file
from coprocessor.host.ceremony import CeremonyFile
from coprocessor.host.enclave_process import EnclaveDied
from coprocessor.host.feed import MAX_SLOTS, _split
from coprocessor.host.folder import locked_folder
from coprocessor.host.progress import Progress
from coprocessor.host.settler import RING, choose_range, turn_of
from coprocessor.host.trying import FreshEnclaveNeeded, Trying, until_first_ends
from coprocessor.host.up_state import UpState
from coprocessor.values.errors import CallerMisuse, MalformedInput, PeerUnreachable
from coprocessor.values.identities import WorkerId


@pytest.mark.parametrize(
    ("count", "executed", "total", "boundaries", "expected"),
    [
        (0, 5, 5, [0], (0, 5)),
        (0, 5, 5, [0, 3], (0, 3)),
        (3, 5, 5, [0, 3], (3, 5)),
        (3, 9, 9, [0, 4, 7], (3, 4)),
        (0, 10, 10 + RING - 1, [0], (0, 10)),
        (0, 10, 10 + RING, [0], None),
    ],
)
def test_ranges_of_receipts(
    count: int, executed: int, total: int, boundaries: list[int], expected: tuple[int, int] | None
) -> None:
    assert choose_range(count, executed, total, boundaries) == expected


def test_turns_go_round() -> None:
    members = {WorkerId(bytes([at]) * 32) for at in range(3)}
    for count in range(7):
        assert sorted(turn_of(member, members, count) for member in members) == [0, 1, 2]
    first = [min(members, key=lambda member: turn_of(member, members, count)) for count in range(3)]
    assert len(set(first)) == 3
    assert turn_of(WorkerId(b"x" * 32), members, 0) == 3
    assert turn_of(WorkerId(b"x" * 32), set(), 5) == 0


@pytest.mark.parametrize("sizes", [[1], [MAX_SLOTS], [MAX_SLOTS + 1], [200, 100, 300, 5], [0, 1], [600]])
def test_proofs_are_split_without_loss(sizes: list[int]) -> None:
    wanted = {
        f"c{at}": [bytes([at]) + number.to_bytes(31, "big") for number in range(size)] for at, size in enumerate(sizes)
    }
    parts = _split(wanted)
    assert all(sum(map(len, part.values())) <= MAX_SLOTS for part in parts)
    joined: dict[str, list[bytes]] = {}
    for part in parts:
        for name, slots in part.items():
            joined.setdefault(name, []).extend(slots)
    assert joined == {name: slots for name, slots in wanted.items() if slots}
    for name, slots in wanted.items():  # inbox head and count must not come apart
        if len(slots) <= MAX_SLOTS:
            assert sum(name in part for part in parts) <= 1


def test_a_folder_has_one_owner(tmp_path: Path) -> None:
    with locked_folder(tmp_path / "a" / "b"), pytest.raises(CallerMisuse, match=r"host\.locked"):  # noqa: SIM117
        with locked_folder(tmp_path / "a" / "b"):
            raise AssertionError("it is taken")
    with locked_folder(tmp_path / "a" / "b"):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(CallerMisuse, match=r"host\.folder"), locked_folder(tmp_path / "file"):
        raise AssertionError("that is no folder")


class TestKeyFiles:
    def test_made_once_and_kept(self, tmp_path: Path) -> None:
        path = tmp_path / "keys" / "a.key"
        key = write_key_file(path)
        assert write_key_file(path).address == key.address == load_key_file(path).address
        assert path.stat().st_mode & 0o777 == 0o600
        assert [entry.name for entry in path.parent.iterdir()] == ["a.key"]

    def test_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "a.key"
        with pytest.raises(CallerMisuse, match=r"key\.not_found"):
            load_key_file(path)
        write_key_file(path)
        path.chmod(0o640)
        with pytest.raises(CallerMisuse, match=r"key\.permissions"):
            load_key_file(path)
        for content in ("", "0x12", "zz" * 32, "00" * 32, "11" * 600):
            path.write_text(content)
            path.chmod(0o600)
            with pytest.raises(CallerMisuse, match=r"key\.malformed") as caught:
                load_key_file(path)
            assert content not in str(caught.value) or not content


class TestUpState:
    def test_numbers_last(self, tmp_path: Path) -> None:
        state = UpState(tmp_path / "state.json")
        assert state.get("nonce") is None
        assert state.keep("nonce", 7) == 7
        assert UpState(tmp_path / "state.json").get("nonce") == 7

    def test_ports_are_kept_while_they_are_free(self, tmp_path: Path) -> None:
        port = UpState(tmp_path / "state.json").port("worker")
        assert UpState(tmp_path / "state.json").port("worker") == port
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", port))
            taken.listen()
            other = UpState(tmp_path / "state.json").port("worker")
            assert other != port
            assert UpState(tmp_path / "b.json").port("chain", preferred=port) != port

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "x", "values": {}}', '{"values": {"a": "b"}}'])
    def test_damaged(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "state.json").write_text(content)
        with pytest.raises(MalformedInput, match=r"up\.state"):
            UpState(tmp_path / "state.json")


@pytest.mark.parametrize("content", ["", "{}", '{"format": "coprocessor/v1/gatekeeper", "ceremony": {}}'])
def test_a_damaged_ceremony_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "g.json").write_text(content)
    with pytest.raises(MalformedInput, match=r"gatekeeper\.file"):
        CeremonyFile(tmp_path / "g.json").load()


class TestTrying:
    def test_failures_are_shown_until_they_are_over(self) -> None:
        progress = Progress("worker", "keys")
        states: list[str] = []
        outcomes = [PeerUnreachable("a.b", "no answer"), ValueError("a bug"), PeerUnreachable("a.b", "no answer"), None]

        async def step() -> None:
            states.append(progress.state())
            outcome = outcomes.pop(0)
            if outcome is not None:
                raise outcome

        asyncio.run(Trying(progress, 0.001).until_done("keys", step))
        assert states[0] == "keys"
        assert states[1] == "waiting: a.b no answer"
        assert states[2].startswith("waiting: host.bug")
        assert progress.state() == "keys"
        assert progress.waiting() is None

    @pytest.mark.parametrize(
        ("raised", "expected"),
        [
            (EnclaveDied("gone"), EnclaveDied),
            (PeerUnreachable("release.again", "had it"), FreshEnclaveNeeded),
        ],
    )
    def test_what_ends_a_life(self, raised: Exception, expected: type[Exception]) -> None:
        async def step() -> bool:
            raise raised

        with pytest.raises(expected):
            asyncio.run(Trying(Progress("worker"), 0.001).for_ever("chain", step))

    def test_rounds_follow_at_once_while_there_is_something(self) -> None:
        rounds: list[bool] = [True, True, False]

        async def step() -> bool:
            if not rounds:
                raise EnclaveDied("done")
            return rounds.pop(0)

        with pytest.raises(EnclaveDied):
            asyncio.run(Trying(Progress("worker"), 0.001).for_ever("chain", step, asyncio.Event()))

    def test_the_first_end_ends_all(self) -> None:
        ended: list[str] = []

        async def endless() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("endless")

        async def failing() -> None:
            await asyncio.sleep(0)
            raise EnclaveDied("gone")

        with pytest.raises(EnclaveDied):
            asyncio.run(until_first_ends(endless(), failing()))
        assert ended == ["endless"]
