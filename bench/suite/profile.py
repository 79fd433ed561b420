"""One command step by step, in microseconds: host, enclave core and executor in this process, one thing at a time.

A real chain and gatekeeper run beside it in processes of their own. Links as full as they can be are submitted, then
followed, executed and settled while every step counts its own time (``points``). What a step costs a link is divided
by the link's commands. Times of the chain are the round trips that the client and the host wait for.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench import load
from bench.figures import Figure, time_each
from bench.local_worker import LocalWorker, local_worker
from bench.network import START_SECONDS, TOKENS, Token, authors
from bench.points import CORE_STEPS, EXECUTOR_STEPS, POINTS
from bench.processes import PHAT, running, wait_until
from bench.scene import Scene
from bench.spans import Spans
from coprocessor.chain.code import publish_code
from coprocessor.chain.development import development_keys
from coprocessor.client.calls import submit_together
from coprocessor.client.deployment import encode_init, open_package
from coprocessor.client.network import AsyncNetwork, AsyncProgram, aconnect
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol.interface import parse_interface
from coprocessor.protocol.outputs import Status
from coprocessor.sandbox.executor_messages import UnloadProgram
from coprocessor.sandbox.package import encode_package
from coprocessor.sandbox.supervisor import ExecutorHandle
from coprocessor.values.identities import ProgramId

__all__ = ["run"]

REPETITIONS = 7
_FUNDS = 10**20
_INIT_FUEL = 50_000_000_000


@dataclass(frozen=True, slots=True)
class _Stage:
    """A network whose only worker is in this process."""

    net: AsyncNetwork
    worker: LocalWorker
    spans: Spans


def run(scene: Scene) -> list[Figure]:
    """Both tokens, and the round trip to an executor's process."""
    scene.rest()
    folder = scene.new_folder("profile")
    log = folder.with_name(folder.name + ".log")
    with running((*PHAT, "up", "--data", str(folder), "--workers", "0"), log) as process:
        wait_until(lambda: process.poll() is not None or b"ready:" in log.read_bytes(), START_SECONDS, "the network")
        figures = asyncio.run(_measure(scene, str(folder)))
    return [*figures, _round_trip(scene)]


async def _measure(scene: Scene, folder: str) -> list[Figure]:
    figures: list[Figure] = []
    async with _open_stage(scene, folder) as stage:
        for language, token in TOKENS.items():
            program = await _deploy(stage, token)
            await _fund(stage, program)
            figures += await _profile(scene, stage, program, language)
            sums = {figure.name.rpartition(".sum.")[2]: figure.median for figure in figures}
            scene.say(f"  {language}: core {sums['core']:.0f} us, executor {sums['executor']:.0f} us a command")
    return figures


@asynccontextmanager
async def _open_stage(scene: Scene, folder: str) -> AsyncIterator[_Stage]:
    spans = Spans()
    async with await aconnect(folder) as net:
        operator = PrivateKey(secrets.token_bytes(31).rjust(32, b"\1"))
        await net.session.sender(development_keys()[1]).send(operator.address, b"", value=_FUNDS)
        target = net.session.target
        assert target.folder is not None
        text = (target.folder / "network.json").read_text("utf-8")
        async with local_worker(text, operator, scene.new_folder("local-worker"), spans) as worker:
            await worker.enrol()
            await worker.follow()
            await worker.settle()
            yield _Stage(net, worker, spans)


async def _deploy(stage: _Stage, token: Token) -> AsyncProgram:
    """As ``client.deployment`` does, with the worker driven from here and not asked over HTTP."""
    session, net = stage.net.session, stage.net
    package = await asyncio.to_thread(open_package, token.path)
    arguments = encode_init(parse_interface(package.interface), token.init)
    programs, sender = session.contracts["Programs"], session.sender(net.author)
    code_hash = await publish_code(sender, programs, encode_package(package))
    cluster = bytes.fromhex(str(session.target.hints["cluster"])[2:])
    salt, policy = secrets.token_bytes(32), bytes(32)
    call = programs.encode("instantiate", code_hash, cluster, salt, policy, [], arguments, _INIT_FUEL)
    sent = await sender.send(programs.address, call)
    identifier = ProgramId(programs.events(sent.logs, "Instantiated")[0]["program"])
    await stage.worker.follow()
    await stage.worker.settle()
    return await net.program(identifier)


async def _fund(stage: _Stage, program: AsyncProgram) -> None:
    gifts = [(stage.net.author, author.address, 10**9) for author in authors(load.AUTHORS)]
    for batch in (await load.seal(program, gifts)).batches:
        await submit_together(stage.net.session, batch, load.RELAYER)
    await _drain(stage)


async def _drain(stage: _Stage) -> None:
    """Executes and settles all there is; what was executed must have succeeded."""
    done = len(stage.worker.executed)
    await stage.worker.follow()
    await stage.worker.settle()
    for link in stage.worker.executed[done:]:
        bad = [output for output in link.outputs if output.status != Status.OK]
        if bad:
            raise RuntimeError(f"{len(bad)} commands of link {link.index} ended with status {bad[0].status}")


async def _profile(scene: Scene, stage: _Stage, program: AsyncProgram, language: str) -> list[Figure]:
    repetitions, size = (1, 10) if scene.quick else (REPETITIONS, 500)
    people = authors(load.AUTHORS)
    rows: list[dict[str, float]] = []
    plain: list[float] = []
    for repetition in range(2 * repetitions + 1):
        calls = [(people[at % len(people)], people[(at + 1) % len(people)].address, 1) for at in range(size)]
        (batch,) = (await load.seal(program, calls)).batches
        is_instrumented = repetition % 2 == 1
        if not is_instrumented:
            await submit_together(stage.net.session, batch, load.RELAYER)
            began = time.perf_counter()
            await _drain(stage)
            if repetition:  # the first one warms up
                plain.append((time.perf_counter() - began) / size * 1e6)
            continue
        with stage.spans.installed(POINTS):
            stage.spans.take()
            await submit_together(stage.net.session, batch, load.RELAYER)
            submit = stage.spans.take()
            await _drain(stage)
        row = {f"submit {step}": spent / size / 1e3 for step, spent in submit.items()}
        row |= {step: spent / size / 1e3 for step, spent in stage.spans.take().items()}
        rows.append(row)
    stage.spans.take()
    return _figures(language, rows, tuple(plain))


def _figures(language: str, rows: list[dict[str, float]], plain: tuple[float, ...]) -> list[Figure]:
    """A figure for each step and for the sums of each part; ``plain`` is enclave and host without the clocks."""
    name = f"profile.{language}"
    steps = sorted({step for row in rows for step in row}, key=lambda step: -max(row.get(step, 0.0) for row in rows))
    figures = [Figure(f"{name}.{step}", "us", tuple(row.get(step, 0.0) for row in rows)) for step in steps]
    parts = {
        "core": [step for step in steps if step in CORE_STEPS],
        "executor": [step for step in steps if step in EXECUTOR_STEPS],
        "host": [step for step in steps if step.startswith("host: ")],
        "chain": [step for step in steps if step.startswith("chain: ")],
        "submission": [step for step in steps if step.startswith("submit ")],
    }
    for part, members in parts.items():
        values = tuple(sum(row.get(step, 0.0) for step in members) for row in rows)
        figures.append(Figure(f"{name}.sum.{part}", "us", values, note="sum of the steps above"))
    note = "enclave, host and chain after submission, without the clocks inside"
    return [*figures, Figure(f"{name}.sum.uninstrumented", "us", plain, note=note)]


def _round_trip(scene: Scene) -> Figure:
    """One message to an executor's process and back: paid once a link."""
    with ExecutorHandle() as handle:
        request = UnloadProgram(ProgramId(bytes(32)))
        repetitions, calls = (1, 5) if scene.quick else (REPETITIONS, 200)
        values = time_each(lambda: handle.ask(request), repetitions=repetitions, calls=calls)
    return Figure("profile.executor round trip", "us", values, note="a link")
