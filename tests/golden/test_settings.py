"""The corpus comes out equal under every setting, fuel included (PROTOCOL 5.1, 5.3).

``make test`` plays representative programs, and raw ones alone where the setting would compile CPython anew;
``make golden`` plays all of them under all settings.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.golden import corpus
from tests.golden.catalogue import Golden, catalogue
from tests.golden.hosts import LocalHost, started_process
from tests.golden.play import Host, play
from tests.golden.settings import DEEP, REPRESENTATIVE, SETTINGS, Setting

IS_WHOLE = os.environ.get("GOLDEN") == "all"


def _programs(setting: Setting) -> list[Golden]:
    chosen = list(catalogue().values())
    if not IS_WHOLE:
        names = REPRESENTATIVE + DEEP * setting.is_deep
        chosen = [golden for golden in chosen if golden.name in names]
        chosen = chosen[:4] if setting.is_fresh else chosen
        if not setting.shares_code:
            chosen = [golden for golden in chosen if golden.language == "wasm"]
    return chosen[::-1] if setting.is_reversed else chosen


def _hosts(setting: Setting, programs: list[Golden]) -> Iterator[tuple[Host, Golden]]:
    if setting.hash_seed is None:
        has_python = any(golden.language == "python" for golden in programs)
        host = LocalHost(setting.options, has_python)
        yield from ((host, golden) for _ in range(setting.rounds) for golden in programs)
    elif setting.is_fresh:
        for golden in programs:
            with started_process(setting.hash_seed) as process:
                yield process, golden
    else:
        with started_process(setting.hash_seed) as process:
            yield from ((process, golden) for golden in programs)


@pytest.mark.parametrize("name", SETTINGS)
def test_corpus_is_equal_under(name: str) -> None:
    setting = SETTINGS[name]
    committed = corpus.load()["programs"]
    different = [
        golden.name
        for host, golden in _hosts(setting, _programs(setting))
        if play(host, golden) != committed[golden.name]
    ]
    assert different == []


def test_representative_programs_are_there() -> None:
    assert {*REPRESENTATIVE, *DEEP} < set(catalogue())
