"""What guests can do and how they fail, byte for byte and fuel for fuel as ``corpus.json`` says (PROTOCOL 5.1, 5.3).

After a change of the guest, the engine or a limit: ``python -m tests.golden.make``, and read the difference.
"""

from __future__ import annotations

import ast

import pytest

from tests.golden import corpus
from tests.golden.catalogue import catalogue
from tests.golden.hosts import LocalHost
from tests.golden.play import play


def test_corpus_belongs_to_this_runtime() -> None:
    committed = corpus.load()
    found = {name: committed[name] for name in corpus.describe_runtime()}
    assert found == corpus.describe_runtime(), "run python -m tests.golden.make, and read the difference"
    assert list(committed["programs"]) == list(catalogue())


def test_file_is_laid_out_as_it_is_made() -> None:
    assert corpus.PATH.read_text() == corpus.render(corpus.load()["programs"])


def test_programs_say_what_they_show_and_are_called() -> None:
    assert len(catalogue()) >= 60
    for golden in catalogue().values():
        if golden.language == "python":
            assert ast.get_docstring(ast.parse(golden.path.read_text(), feature_version=(3, 11))), golden.name
        assert golden.calls or golden.name.startswith("load_"), golden.name


@pytest.fixture(scope="module")
def host() -> LocalHost:
    return LocalHost()


@pytest.mark.parametrize("name", catalogue())
def test_program_plays_as_the_corpus_says(host: LocalHost, name: str) -> None:
    assert play(host, catalogue()[name]) == corpus.load()["programs"][name]
