"""The dispatcher with handlers of our own: failures, notifications, limits, deferred effects."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from coprocessor.devnode import dispatch, rpc_blocks
from coprocessor.devnode.database import LogFilter
from coprocessor.devnode.dispatch import Dispatcher
from coprocessor.devnode.errors import RpcError
from coprocessor.devnode.rpc_blocks import BlockMethods


def boom() -> None:
    raise ZeroDivisionError("a bug")


def ask(dispatcher: Dispatcher, body: Any) -> Any:
    reply = asyncio.run(dispatcher.handle(json.dumps(body).encode()))
    return json.loads(reply) if reply else None


def call(method: str, *parameters: Any, request_id: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": list(parameters)}


def test_a_bug_is_an_internal_error_and_no_crash() -> None:
    reply = ask(Dispatcher({"boom": boom}), call("boom"))
    assert reply["error"]["code"] == -32603
    assert "ZeroDivisionError" in reply["error"]["message"]


def test_identifiers_come_back_as_they_were() -> None:
    dispatcher = Dispatcher({"same": lambda value: value})
    for request_id in (1, "one", None, 1.5):
        assert ask(dispatcher, call("same", 7, request_id=request_id)) == {
            "jsonrpc": "2.0",
            "id": request_id,
            "result": 7,
        }


def test_notifications_are_run_and_not_answered() -> None:
    seen: list[int] = []
    dispatcher = Dispatcher({"see": seen.append})
    assert ask(dispatcher, {"method": "see", "params": [1]}) is None
    assert ask(dispatcher, [{"method": "see", "params": [2]}]) is None
    replies = ask(dispatcher, [{"method": "see", "params": [3]}, call("see", 4, request_id=9)])
    assert [reply["id"] for reply in replies] == [9]
    assert seen == [1, 2, 3, 4]


def test_a_batch_stops_when_its_reply_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "MAX_REPLY_BYTES", 1_000)
    ran: list[int] = []

    def large(number: int) -> str:
        ran.append(number)
        return "x" * 600

    replies = ask(Dispatcher({"large": large}), [call("large", i, request_id=i) for i in range(4)])
    assert ["result" in reply for reply in replies] == [True, True, False, False]
    assert replies[3]["error"]["code"] == -32005
    assert ran == [0, 1]


class Journal:
    """Records in which order things happen."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.waiting = False
        self.fails = False
        self.failures = 0
        self.dispatcher = Dispatcher(
            {"send": self.send, "read": self.read},
            deferred=frozenset({"send"}),
            flusher=self,
        )

    def send(self) -> str:
        self.waiting = True
        self.events.append("send")
        return "sent"

    def read(self) -> None:
        self.events.append("read")

    def flush(self) -> None:
        if self.waiting:
            self.waiting = False
            if self.fails:
                self.failures += 1
                raise OSError("disk full")
            self.events.append("flush")

    async def flush_together(self) -> None:
        self.flush()


def test_effects_are_flushed_once_and_before_they_can_be_missed() -> None:
    journal = Journal()
    ask(journal.dispatcher, [call(name) for name in ("send", "send", "read", "send")])
    assert journal.events == ["send", "send", "flush", "read", "send", "flush"]


def test_nothing_is_acknowledged_that_could_not_be_kept() -> None:
    journal = Journal()
    journal.fails = True
    assert ask(journal.dispatcher, call("send"))["error"]["code"] == -32603
    reply = ask(journal.dispatcher, [call("send"), call("send")])
    assert reply["error"]["code"] == -32603
    assert "result" not in json.dumps(reply)


class EndlessLogs:
    """A database with more logs than anybody may ask for."""

    def __init__(self, size: int) -> None:
        self._json = b'"' + b"x" * (size - 2) + b'"'
        self.served = 0

    def iterate_logs(self, wanted: LogFilter, limit: int) -> Any:
        for _ in range(limit):
            self.served += 1
            yield self._json


class NoFilter(BlockMethods):
    """Asks for everything."""

    def _parse_filter(self, wanted: object) -> LogFilter:
        return LogFilter(0, 1)


@pytest.mark.parametrize(("size", "most"), [(10, 10_001), (1_000_000, 40)])
def test_logs_are_limited_by_number_and_by_bytes(size: int, most: int) -> None:
    endless = EndlessLogs(size)
    methods = NoFilter(None, endless)  # type: ignore[arg-type]
    with pytest.raises(RpcError, match=f"more than {rpc_blocks.MAX_LOGS} results") as failure:
        methods.get_logs({})
    assert failure.value.number == -32005
    assert endless.served <= most
