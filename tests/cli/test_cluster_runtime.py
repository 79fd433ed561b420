"""The words of ``phat cluster runtime``, and which runtime they choose."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coprocessor.cli.cluster_runtime import check_words
from coprocessor.cli.commands import doctor
from coprocessor.client.runtimes import ClusterRuntime, choose_next
from coprocessor.values.errors import CallerMisuse, CoprocessorError, MalformedInput
from coprocessor.values.identities import ClusterId, RuntimeId

ONE, TWO, OTHER = (RuntimeId(bytes((at,)) * 32) for at in (1, 2, 3))
RUNS = ClusterRuntime(ClusterId(bytes(32)), 1, ONE, None, 0, 100, (ONE, TWO))
ID = "0x" + "02" * 32


def test_words() -> None:
    assert check_words("list", []) == ("", None)
    assert check_words("runtime", []) == ("show", None)
    assert check_words("runtime", ["announce"]) == ("announce", None)
    assert check_words("runtime", ["announce", ID]) == ("announce", TWO)
    assert check_words("runtime", ["withdraw"]) == ("withdraw", None)


@pytest.mark.parametrize(
    ("action", "values", "refusal"),
    [
        ("list", ["show"], CallerMisuse),
        ("create", [ID], CallerMisuse),
        ("runtime", ["switch"], CallerMisuse),
        ("runtime", ["show", ID], CallerMisuse),
        ("runtime", ["withdraw", ID], CallerMisuse),
        ("runtime", ["announce", ID, ID], CallerMisuse),
        ("runtime", [""], CallerMisuse),
        ("runtime", ["announce", "0x02"], MalformedInput),
        ("runtime", ["announce", "next"], MalformedInput),
    ],
)
def test_bad_words(action: str, values: list[str], refusal: type[CoprocessorError]) -> None:
    with pytest.raises(refusal):
        check_words(action, values)


def test_the_releases_other_runtime_is_the_next_one() -> None:
    assert choose_next(RUNS, None) == TWO
    assert choose_next(replace(RUNS, runtime=TWO), None) == ONE
    assert choose_next(RUNS, TWO) == TWO


@pytest.mark.parametrize("found", [replace(RUNS, carried=(ONE,)), replace(RUNS, runtime=OTHER)])
def test_without_one_other_it_must_be_named(found: ClusterRuntime) -> None:
    with pytest.raises(CallerMisuse) as caught:
        choose_next(found, None)
    assert caught.value.code == "runtime.none"


def test_one_that_the_release_lacks_needs_insistence() -> None:
    with pytest.raises(CallerMisuse) as caught:
        choose_next(RUNS, OTHER)
    assert caught.value.code == "runtime.unknown"
    assert "stops the cluster" in caught.value.why
    assert choose_next(RUNS, OTHER, is_forced=True) == OTHER
    assert replace(RUNS, announced=OTHER).is_lacking
    assert not replace(RUNS, announced=TWO).is_lacking
    assert not RUNS.is_lacking


@pytest.mark.parametrize(
    ("found", "ok", "named"),
    [
        (RUNS, True, ONE),
        (replace(RUNS, announced=TWO), True, ONE),
        (replace(RUNS, announced=OTHER), False, OTHER),
        (replace(RUNS, runtime=OTHER), False, OTHER),
    ],
)
def test_the_doctor_says_what_this_release_lacks(found: ClusterRuntime, ok: bool, named: RuntimeId) -> None:
    check = doctor._runtime(found.cluster, found)
    assert (check.ok, named.hex() in check.detail) == (ok, True)
    assert ok or "install a release" in check.next
