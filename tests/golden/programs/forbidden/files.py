"""Files: there are none. Each way to open, list, delete or ask is a Python error, never a trap."""

from __future__ import annotations

import gzip
import io
import linecache
import os
import pathlib
import sys
import tokenize
import zoneinfo

from phat import Contract, query, read_data

# > ask []
# > environment []
# > in_memory []
# > standard_streams []
# > read_input []


def _attempts():
    yield "open", lambda: open("/etc/passwd")
    yield "open to write", lambda: open("x", "w")
    yield "open descriptor", lambda: open(0)
    yield "io.open", lambda: io.open("x")
    yield "io.FileIO", lambda: io.FileIO("x")
    yield "io.open_code", lambda: io.open_code("x")
    yield "pathlib", lambda: pathlib.Path("/").read_text()
    yield "pathlib.exists", lambda: pathlib.Path("/").exists()
    yield "pathlib.glob", lambda: list(pathlib.Path("/").glob("*"))
    yield "os.open", lambda: os.open("x", 0)
    yield "os.listdir", lambda: os.listdir("/")
    yield "os.stat", lambda: os.stat("/")
    yield "os.remove", lambda: os.remove("x")
    yield "os.getcwd", lambda: os.getcwd()
    yield "os.pipe", lambda: os.pipe()
    yield "os.path.exists", lambda: os.path.exists("/")
    yield "os.path.abspath", lambda: os.path.abspath("x")
    yield "os.walk", lambda: list(os.walk("/"))
    yield "gzip.open", lambda: gzip.open("x")
    yield "linecache", lambda: linecache.getlines("/etc/passwd")
    yield "tokenize.open", lambda: tokenize.open("x")
    yield "zoneinfo", lambda: zoneinfo.ZoneInfo("Europe/Paris")
    yield "read_data", lambda: read_data("weights.bin")
    yield "expanduser", lambda: os.path.expanduser("~/x")
    yield "os.write", lambda: os.write(1, b"x")
    yield "os.fdopen", lambda: os.fdopen(1)


class Files(Contract):
    @query
    def ask(self) -> list[str]:
        said = []
        for name, attempt in _attempts():
            try:
                said.append(f"{name} gave {attempt()!r}")
            except Exception as error:
                said.append(f"{name} {type(error).__name__}")
        return said

    @query
    def environment(self) -> list[str]:
        return [
            str(dict(os.environ)),
            str(os.environ.get("HOME")),
            str(sys.argv),
            sys.platform,
            os.name,
            str(sys.flags.hash_randomization),
            str(sys.path),
        ]

    @query
    def in_memory(self) -> list[str]:
        packed = gzip.compress(b"text " * 50, mtime=0)
        text = io.StringIO("one\ntwo\n")
        return [
            str(len(packed)),
            gzip.decompress(packed)[:9].decode(),
            str(text.readlines()),
            str(pathlib.PurePosixPath("/a/../b").parts),
        ]

    @query
    def standard_streams(self) -> list[str]:
        said = []
        for stream in (sys.stdout, sys.stderr, sys.stdin, sys.__stdout__, sys.__stderr__):
            try:
                said.append(f"{type(stream).__name__} {stream.write('written')}")
            except Exception as error:
                said.append(f"{type(error).__name__}: {error}")
        return said

    @query
    def read_input(self) -> str:
        return input("who? ")
