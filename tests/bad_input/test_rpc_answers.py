"""A node that lies or is broken: every field of every answer that we read, and what is no answer at all.

The methods come from ``Node`` itself and the fields from their valid answers, so a new method needs an example here.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Iterator
from typing import Any

import pytest

from coprocessor.chain.code import MAX_CHUNKS, fetch_code
from coprocessor.chain.errors import ChainUnreachable, ResponseMalformed, RpcError, TransactionReverted
from coprocessor.chain.node import Node
from coprocessor.chain.rpc import RpcClient, RpcOptions
from coprocessor.values.errors import CoprocessorError
from tests.chain.fake_server import serve
from tests.support.json_mutation import mutations
from tests.support.rpc_answers import ANSWERS, BATCHES, ask, body_of

DOCUMENTED = (ResponseMalformed, RpcError, TransactionReverted)
METHODS = [name for name, value in inspect.getmembers(Node, inspect.iscoroutinefunction) if not name.startswith("_")]
each_method = pytest.mark.parametrize("method", ANSWERS)

WRONG_TEXTS = (
    "",
    "0x",
    "0xg",
    "0x 1",
    "0x1 ",
    "0x_1",
    "0x1_0",
    "-0x1",
    "0x-1",
    "1",
    "0X1",
    "0x" + "f" * 65,
    "0x" + "f" * 100_000,
    "\0",
    "0x" + "11" * 31,
    "0x" + "11" * 33,
    "0x" + "zz" * 32,
    "é",
    "0x\u0661",
    " 0x1",
    "0x1\n",
    "latest",
)
BODIES = (
    b"",
    b"null",
    b"5",
    b'""',
    b"[]",
    b"{}",
    b"{",
    b"\xff\xfe",
    b'{"\xff": 1}',
    b"[" * 100_000,
    b'{"result":' * 20_000,
    b'{"id": 0}',
    b'{"id": 1, "result": null}',
    b'[{"id": 0, "result": null}, {"id": 0, "result": null}]',
    b'{"id": "0", "result": "0x1"}',
    b'{"id": 0, "error": null}',
    b'{"id": 0, "error": 5}',
    b'{"id": 0, "error": {"code": "x"}}',
    b'{"id": 0, "error": {}}',
    b'{"id": 0, "error": {"code": -32000, "message": null}}',
    b'{"id": 0, "error": {"code": 3, "message": "", "data": "0xzz"}}',
    b'{"id": 0, "error": {"code": 1e99, "message": "x"}}',
    b'{"id": 0, "error": {"code": 3, "message": "x", "data": [[]]}}',
    b'{"id": 0, "result": "0x1", "result": "0x2"}',
    b'{"id": 0, "result": 1e999}',
    b'{"id": 0, "result": "\\ud800"}',
)


def test_every_method_of_a_node_has_an_example() -> None:
    assert set(METHODS) == set(ANSWERS)


@each_method
def test_valid_answers_are_understood(method: str) -> None:
    ask(method, body_of(method, ANSWERS[method][1]))


@each_method
def test_every_field_of_every_answer(method: str) -> None:
    refused = 0
    for what, answer in wrong_answers(ANSWERS[method][1]):
        try:
            ask(method, body_of(method, answer))
        except DOCUMENTED:
            refused += 1
        except Exception as error:
            pytest.fail(f"{what}: {type(error).__name__}: {error}")
    assert refused > 5


def wrong_answers(answer: Any) -> Iterator[tuple[str, Any]]:
    """Each node of an answer changed, and each text replaced by others."""
    yield from mutations({"answer": answer})
    yield from ((f"{answer!r:.20} -> {other!r:.30}", other) for other in (None, 5, [], {}, True, *WRONG_TEXTS))
    for path in texts_in(answer):
        for text in WRONG_TEXTS:
            yield f"{path}: {text!r:.30}", replaced(answer, path, text)


def texts_in(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths to all texts."""
    if isinstance(node, str) and path:
        yield path
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, child in items:
        yield from texts_in(child, (*path, step))


def replaced(node: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with another value at ``path``."""
    if not path:
        return value
    copied = dict(node) if isinstance(node, dict) else list(node)
    copied[path[0]] = replaced(node[path[0]], path[1:], value)
    return copied


@each_method
def test_what_is_no_answer(method: str) -> None:
    for body in BODIES:
        try:
            ask(method, body)
        except DOCUMENTED:
            continue
        except Exception as error:
            pytest.fail(f"{body[:60]!r}: {type(error).__name__}: {error}")


@pytest.mark.parametrize("method", sorted(BATCHES))
def test_batches_answer_each_call_once(method: str) -> None:
    good = json.loads(body_of(method, ANSWERS[method][1]))[0]
    for answers in (
        [],
        [good, good],
        [{**good, "id": 1}],
        [{**good, "id": None}],
        [{**good, "id": -1}],
        [good, {**good, "id": 1}],
    ):
        with pytest.raises(ResponseMalformed):
            ask(method, json.dumps(answers).encode())


def test_numbers_stay_within_what_is_computed_with() -> None:
    block = ANSWERS["block"][1]
    for field in ("number", "timestamp"):
        with pytest.raises(ResponseMalformed, match="more than 63 bits"):
            ask("block", body_of("block", {**block, field: "0x8000000000000000"}))


def over_http(answer: Any, **options: Any) -> CoprocessorError:
    """The error of one call to a server that answers so."""

    async def go() -> CoprocessorError:
        async with serve(lambda body: answer) as url, RpcClient(url, RpcOptions(attempts=1, **options)) as rpc:
            with pytest.raises(CoprocessorError) as caught:
                await Node(rpc).chain_id()
            return caught.value

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (301, ResponseMalformed),
        (404, ResponseMalformed),
        (418, ResponseMalformed),
        (500, ChainUnreachable),
        (b"<html>", ResponseMalformed),
    ],
)
def test_other_statuses_and_pages(answer: Any, kind: type) -> None:
    assert isinstance(over_http(answer), kind)


def test_an_answer_without_end_is_cut() -> None:
    assert over_http(b'{"result": "' + b"0" * 300_000, max_response=100_000).code == "chain.response_malformed"


class Chunks:
    """A Programs whose node shows a package in ever more chunks."""

    address = bytes(20)

    def __init__(self, index: int, size: int) -> None:
        self._chunk = {"upload_key": bytes(32), "index": index, "data": bytes(size)}
        self.interface = self
        self.topic = bytes(32)

    def event(self, name: str) -> Chunks:
        return self

    def decode(self, log: Any) -> dict[str, Any]:
        return self._chunk

    async def logs(self, *_: Any) -> list[Any]:
        return [object()]


@pytest.mark.parametrize(("index", "size"), [(MAX_CHUNKS, 1), (0, 98_305)])
def test_code_has_an_end(index: int, size: int) -> None:
    lying: Any = Chunks(index, size)
    with pytest.raises(ResponseMalformed, match="longer or later"):
        asyncio.run(fetch_code(lying, lying, bytes(32), 100))  # type: ignore[arg-type]
