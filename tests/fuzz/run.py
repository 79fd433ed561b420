"""Coverage-guided fuzzing of the registry's targets: ``make fuzz``, or ``python -m tests.fuzz.run [TARGET ...]``.

Every target gets as many executions as ``--runs`` says, from its seeds and its folder under ``corpus``. What reaches
new code is kept in ``.cache/fuzz``; a few small inputs of it go to ``corpus``, and so does every input that ends in an
undocumented error, which the everyday tests replay from then on.

All code is instrumented once, in the parent; each target runs in a child, since the fuzzer never returns.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import atheris

if TYPE_CHECKING:
    from tests.fuzz.target import Target

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
GROWN = HERE.parents[1] / ".cache" / "fuzz"

KEPT_INPUTS = 12
"""Inputs of a target that are committed beside crashes, the smallest that fuzzing found telling."""

KEPT_BYTES = 1024
MAX_LENGTH = 4096
SECONDS_FOR_ONE = 20
MEGABYTES = 3000


def main() -> int:
    """Fuzzes; exit status 1 where a target failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="names of targets; all where none is given")
    parser.add_argument("--runs", type=int, default=int(os.environ.get("FUZZ_RUNS") or 100_000), help="executions each")
    parser.add_argument("--keep", action="store_true", help="put telling inputs into the committed corpus")
    options = parser.parse_args()
    targets = load_targets()
    unknown = set(options.targets) - set(targets)
    if unknown:
        parser.error(f"no such targets: {', '.join(sorted(unknown))}")
    failed = []
    for name in options.targets or targets:
        before = os.times().children_user
        is_sound = fuzz_in_child(targets[name], options.runs)
        seconds = os.times().children_user - before
        found = keep(name) if options.keep else 0
        outcome = "ok" if is_sound else f"FAILED, see {GROWN / name}.log"
        say(f"{name}: {outcome}; {options.runs} runs, {seconds:.0f} s, {found} inputs kept")
        if not is_sound:
            failed.append(name)
    say(f"{len(failed)} targets failed: {', '.join(failed)}" if failed else "all targets are sound")
    return 1 if failed else 0


def say(text: str) -> None:
    """A line for whoever watches."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def load_targets() -> dict[str, Target]:
    """The registry, with our own code instrumented, for which nothing of it may be imported before."""
    with atheris.instrument_imports(include=["coprocessor"]):
        from tests.fuzz.targets import TARGETS
    return TARGETS


def fuzz_in_child(target: Target, runs: int) -> bool:
    """Whether a target came through."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        fuzz(target, runs)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0


def fuzz(target: Target, runs: int) -> None:
    """Runs the fuzzer in this process, which it ends."""
    from tests.support.byte_mutation import mutate

    grown = GROWN / target.name
    grown.mkdir(parents=True, exist_ok=True)
    crashes = CORPUS / target.name
    crashes.mkdir(parents=True, exist_ok=True)
    seeds = GROWN / f"{target.name}.seeds"
    seeds.mkdir(exist_ok=True)
    for seed in target.seeds():
        (seeds / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
    log = os.open(GROWN / f"{target.name}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 2)
    os.dup2(log, 1)
    arguments = [
        "fuzz",
        f"-runs={runs}",
        f"-max_len={MAX_LENGTH}",
        f"-timeout={SECONDS_FOR_ONE}",
        f"-rss_limit_mb={MEGABYTES}",
        "-seed=1",
        f"-artifact_prefix={crashes}/",
        str(grown),  # where what is new goes
        str(seeds),
        str(crashes),
    ]

    def test(data: bytes) -> None:
        target.attack(data)

    def mutated(data: bytes, maximum: int, seed: int) -> bytes:
        changed: bytes = mutate(data, seed)[:maximum] if seed % 2 else atheris.Mutate(data, maximum)
        return changed

    atheris.Setup(arguments, test, custom_mutator=mutated)
    atheris.Fuzz()


def keep(name: str) -> int:
    """Puts the smallest telling inputs into the committed corpus; how many there are now."""
    kept = CORPUS / name
    present = [path for path in kept.glob("*") if len(path.name) == 40]
    found: Sequence[Path] = sorted((GROWN / name).glob("*"), key=lambda path: path.stat().st_size)
    room = KEPT_INPUTS - len(present)
    for path in [path for path in found if 0 < path.stat().st_size <= KEPT_BYTES][: max(0, room)]:
        (kept / path.name).write_bytes(path.read_bytes())
    return len(list(kept.glob("*")))


if __name__ == "__main__":
    sys.exit(main())
