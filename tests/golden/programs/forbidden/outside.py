"""Network, processes, threads, native code, signals: a call runs alone. Errors say so, and nothing traps."""

from __future__ import annotations

import importlib
import os
import sys
import threading

from phat import Contract, query

# > modules []
# > unknown_module ["requests"]
# > unknown_module ["no.such.module"]
# > unknown_module ["math.pi"]
# > processes []
# > threads []
# > locks []
# > exit_now []
# > abort []
# > breakpoint []

MODULES = """asyncio concurrent.futures ctypes curses dbm email fcntl ftplib getpass http.client http.server imaplib
mmap multiprocessing posix pty resource select selectors shutil signal smtplib socket socketserver sqlite3 ssl
subprocess syslog tempfile termios tkinter urllib.request venv wasmtime webbrowser xmlrpc.client _ctypes _socket
_thread numpy lzma bz2 site ensurepip pip sysconfig platform""".split()


class Outside(Contract):
    @query
    def modules(self) -> list[str]:
        said = []
        for name in MODULES:
            try:
                importlib.import_module(name)
                said.append(f"{name} is there")
            except Exception as error:
                said.append(f"{name} {type(error).__name__}: {str(error)[:90]}")
        return said

    @query
    def unknown_module(self, name: str) -> str:
        return importlib.import_module(name).__name__

    @query
    def processes(self) -> list[str]:
        said = []
        for name in (
            "system",
            "fork",
            "execv",
            "popen",
            "kill",
            "getpid",
            "getuid",
            "spawnv",
            "posix_spawn",
            "cpu_count",
            "umask",
            "times",
            "uname",
            "get_terminal_size",
            "sched_yield",
        ):
            try:
                said.append(f"{name} gave {getattr(os, name)()}")
            except Exception as error:
                said.append(f"{name} {type(error).__name__}")
        return said

    @query
    def threads(self) -> str:
        worker = threading.Thread(target=print)
        worker.start()
        return "started"

    @query
    def locks(self) -> list[str]:
        lock, again = threading.Lock(), threading.RLock()
        with lock, again, again:
            said = [str(lock.locked()), threading.current_thread().name, str(threading.active_count())]
        local = threading.local()
        local.x = 1
        return [*said, str(local.x), str(lock.acquire(blocking=False)), str(lock.acquire(blocking=False))]

    @query
    def exit_now(self) -> None:
        os._exit(0)

    @query
    def abort(self) -> str:
        sys.exit({"code": 3})

    @query
    def breakpoint(self) -> None:
        breakpoint()
