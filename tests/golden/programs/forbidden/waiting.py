"""Waiting: locks, queues and events work until something would have to be waited for; nobody else runs."""

from __future__ import annotations

import queue
import sys
import threading

from phat import Contract, Unavailable, query

# > ask []
# > without_waiting []
# > dead_lock []
# > read_input []


def _taken() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


def _attempts():
    yield "lock", lambda: _taken().acquire()
    yield "lock, timeout", lambda: _taken().acquire(timeout=0.1)
    yield "lock, no wait", lambda: _taken().acquire(blocking=False)
    yield "event", lambda: threading.Event().wait()
    yield "event, timeout", lambda: threading.Event().wait(0.1)
    yield "semaphore", lambda: threading.Semaphore(0).acquire()
    yield "barrier", lambda: threading.Barrier(2).wait()
    yield "timer", lambda: threading.Timer(0.1, print).start()
    yield "queue", lambda: queue.Queue().get()
    yield "queue, timeout", lambda: queue.Queue().get(timeout=0.1)
    yield "queue, no wait", lambda: queue.Queue().get_nowait()
    yield "full queue", lambda: [line := queue.Queue(1), line.put(1), line.put(2)]
    yield "simple queue", lambda: queue.SimpleQueue().get()
    yield "simple queue, no wait", lambda: queue.SimpleQueue().get_nowait()


class Waiting(Contract):
    @query
    def ask(self) -> list[str]:
        said = []
        for name, attempt in _attempts():
            try:
                said.append(f"{name} gave {attempt()}")
            except Unavailable as error:
                said.append(f"{name} refused: {str(error)[:40]}")
            except Exception as error:
                said.append(f"{name} {type(error).__name__}")
        return said

    @query
    def without_waiting(self) -> list[str]:
        line: queue.PriorityQueue[int] = queue.PriorityQueue()
        for number in (3, 1, 2):
            line.put(number)
        lock = threading.RLock()
        with lock, lock:
            event = threading.Event()
            event.set()
            return [str([line.get() for _ in range(3)]), str(event.wait()), str(line.empty())]

    @query
    def dead_lock(self) -> str:
        with (lock := threading.Lock()), lock:
            return "inside twice"

    @query
    def read_input(self) -> str:
        return sys.stdin.readline()
