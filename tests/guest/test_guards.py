"""What a program cannot have ends in a Python error that says what to use instead, never in a trap."""

from __future__ import annotations

import pytest

from tests.guest.worlds import OK, REVERTED, GuestProgram, GuestWorld, command

RUNNER = """
from phat import Contract, command

class Runner(Contract):
    @command
    def run(self, code: str) -> str:
        names = {}
        exec(code, names)
        return str(names.get("R"))
"""

TIME = "replicas share no clock: use self.env.timestamp"
ENTROPY = "replicas must draw alike: use self.env.random()"
FILES = "a program has no files"
SYSTEM = "a program has no operating system"
WAITS = "a call runs alone, so nobody would ever end this wait"

REFUSED = {
    "import time; time.time()": ("time.time", TIME),
    "import time; time.time_ns()": ("time.time_ns", TIME),
    "import time; time.monotonic()": ("time.monotonic", TIME),
    "import time; time.perf_counter()": ("time.perf_counter", TIME),
    "import time; time.process_time()": ("time.process_time", TIME),
    "import time; time.sleep(1)": ("time.sleep", TIME),
    "import time; time.localtime()": ("time.localtime without a time", TIME),
    "import time; time.gmtime()": ("time.gmtime without a time", TIME),
    "import time; time.gmtime(None)": ("time.gmtime without a time", TIME),
    "import time; time.ctime()": ("time.ctime without a time", TIME),
    "import time; time.asctime()": ("time.asctime without a time", TIME),
    "import time; time.strftime('%Y')": ("time.strftime without a time", TIME),
    "from time import time; time()": ("time.time", TIME),
    "import datetime; datetime.datetime.now()": ("datetime.now", TIME),
    "import datetime as d; d.datetime.now(d.timezone.utc)": ("datetime.now", TIME),
    "import datetime; datetime.datetime.utcnow()": ("datetime.utcnow", TIME),
    "import datetime; datetime.datetime.today()": ("datetime.today", TIME),
    "import datetime; datetime.date.today()": ("date.today", TIME),
    "import time; time.get_clock_info('time')": ("time.get_clock_info", TIME),
    "import queue; queue.Queue().get(timeout=1)": ("time.monotonic", TIME),
    "import os; os.urandom(4)": ("os.urandom", ENTROPY),
    "import secrets; secrets.token_hex(4)": ("secrets.token_hex", ENTROPY),
    "import secrets; secrets.randbelow(4)": ("secrets.randbelow", ENTROPY),
    "import secrets; secrets.choice([1])": ("secrets.choice", ENTROPY),
    "import uuid; uuid.uuid4()": ("uuid.uuid4", ENTROPY),
    "import uuid; uuid.uuid1()": ("uuid.uuid1", ENTROPY),
    "import random; random.random()": ("random.random", ENTROPY),
    "import random; random.randint(1, 6)": ("random.randint", ENTROPY),
    "import random; random.shuffle([1, 2])": ("random.shuffle", ENTROPY),
    "import random; random.seed(3)": ("random.seed", ENTROPY),
    "from random import choice; choice([1])": ("random.choice", ENTROPY),
    "import random; random.Random()": ("random.Random() without a seed", ENTROPY),
    "import _random; _random.Random()": ("random.Random() without a seed", ENTROPY),
    "import posix; posix.urandom(4)": ("os.urandom", ENTROPY),
    "import random; random._urandom(4)": ("os.urandom", ENTROPY),
    "import random; random.SystemRandom().random()": ("random.SystemRandom", ENTROPY),
    "import random; random.SystemRandom().randrange(5)": ("random.SystemRandom", ENTROPY),
    "open('/etc/passwd')": ("open", FILES),
    "import io; io.open('x')": ("open", FILES),
    "import pathlib; pathlib.Path('x').read_text()": ("open", FILES),
    "import pathlib; pathlib.Path('x').write_text('y')": ("open", FILES),
    "import io; io.FileIO('x')": ("io.FileIO", FILES),
    "import os; os.listdir('/')": ("os.listdir", SYSTEM),
    "import os; os.open('/x', 0)": ("os.open", SYSTEM),
    "import os; os.stat('/')": ("os.stat", SYSTEM),
    "import os; os.getpid()": ("os.getpid", SYSTEM),
    "import os; os.getcwd()": ("os.getcwd", SYSTEM),
    "import os; os._exit(3)": ("os._exit", SYSTEM),
    "import os; os.abort()": ("os.abort", SYSTEM),
    "import os; os.environ['X'] = '1'": ("os.putenv", SYSTEM),
    "import os; list(os.walk('/'))": ("os.", SYSTEM),
    "import os; os.makedirs('/x')": ("os.", SYSTEM),
    "input()": ("input", SYSTEM),
    "breakpoint()": ("breakpoint", SYSTEM),
    "import threading; threading.Thread(target=print).start()": ("threading.Thread.start", "a call runs alone"),
    "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()": ("waiting for a lock", WAITS),
    "import threading; lock = threading.Lock(); lock.acquire()\nwith lock: pass": ("waiting for a lock", WAITS),
    "import threading; threading.Event().wait()": ("waiting for a lock", WAITS),
    "import queue; queue.Queue().get()": ("waiting for a lock", WAITS),
    "import queue; queue.SimpleQueue().get()": ("waiting for a queue", WAITS),
    "import sys; sys.stdin.read()": ("reading from the standard input", "pass arguments"),
    "import sys; sys.__stdin__.readline()": ("reading from the standard input", "pass arguments"),
    "import _thread; _thread.start_new_thread(print, ())": ("start_new_thread", "a call runs alone"),
}  # fmt: skip

WORKING = {
    "import random; R = random.Random(42).randrange(1000)": "654",
    "import random; R = random.Random('text').random()": str(__import__("random").Random("text").random()),
    "import time; R = time.gmtime(0).tm_year": "1970",
    "import time; R = time.strftime('%Y', time.gmtime(0))": "1970",
    "import datetime as d; R = d.datetime.fromtimestamp(0, d.timezone.utc).isoformat()": "1970-01-01T00:00:00+00:00",
    "import datetime as d; R = isinstance(d.datetime(2024, 2, 28), d.date)": "True",
    "import datetime as d; R = d.datetime(2024, 2, 28) + d.timedelta(days=2)": "2024-03-01 00:00:00",
    "import datetime as d; R = d.datetime.strptime('2024', '%Y').year": "2024",
    "import os; R = os.path.join('a', 'b'), os.environ.get('HOME'), dict(os.environ)": "('a/b', None, {})",
    "import pathlib; R = pathlib.PurePosixPath('a/b').name": "b",
    "import secrets; R = secrets.compare_digest(b'a', b'a')": "True",
    "import uuid; R = uuid.uuid5(uuid.NAMESPACE_DNS, 'x').version": "5",
    "import warnings; warnings.warn('w'); R = 1": "1",
    "import gc; R = gc.isenabled()": "False",
    "import threading; lock = threading.Lock()\nwith lock: R = lock.locked(), lock.acquire(False)": "(True, False)",
    "import threading; lock = threading.RLock()\nwith lock, lock: R = threading.active_count()": "1",
    "import queue; q = queue.Queue(); q.put(1); R = q.get(), q.empty()": "(1, True)",
    "import queue; q = queue.SimpleQueue(); q.put(1); R = q.get(), q.empty()": "(1, True)",
    "import sys; R = sys.__stdout__.write('to the log')": "10",
    "import ast; R = ast.unparse(ast.parse('a+1'))": "a + 1",
    "import sys; sys.set_int_max_str_digits(0); R = len(str(10**20000)), int('9' * 20000) % 7": "(20001, 1)",
    "R = eval('1+1')": "2",
}  # fmt: skip


@pytest.fixture(scope="module")
def runner(guest_world: GuestWorld) -> GuestProgram:
    return guest_world.load(RUNNER)


@pytest.mark.parametrize("code", REFUSED)
def test_refused(runner: GuestProgram, code: str) -> None:
    name, reason = REFUSED[code]
    reply = command(runner, "run", code)
    assert reply.status == REVERTED
    assert "trap" not in reply.text
    assert name in reply.text
    assert "not available: " + reason in reply.text


@pytest.mark.parametrize("code", WORKING)
def test_working(runner: GuestProgram, code: str) -> None:
    assert command(runner, "run", code).value == WORKING[code]


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("socket", "a program has no network"),
        ("ssl", "a program has no network"),
        ("select", "a program has no network"),
        ("http.client", "a program has no network"),
        ("urllib.request", "a program has no network"),
        ("sqlite3", "state lives in fields and Map"),
        ("subprocess", "a program starts no processes"),
        ("asyncio", "a call runs alone"),
        ("numpy", "native packages cannot be loaded"),
        ("nonsense", "it is neither in this project nor in the guest's standard library"),
        ("_socket", "it is neither in this project"),
        ("email.message", "it is neither in this project"),
    ],
)
def test_modules_that_are_not_there(runner: GuestProgram, module: str, reason: str) -> None:
    reply = command(runner, "run", f"import {module}")
    assert reply.status == REVERTED
    assert reply.text.startswith("ModuleNotFoundError: No module named '" + module.partition(".")[0])
    assert reason in reply.text


def test_what_a_caller_can_catch(runner: GuestProgram) -> None:
    code = "try: open('x')\nexcept OSError as e: R = 'caught'"
    assert command(runner, "run", code).value == "caught"
    code = "try: import requests\nexcept ImportError: R = 'caught'"
    assert command(runner, "run", code).value == "caught"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("def f(): return f()\nf()", "RecursionError"),
        ("class A:\n  def __getattr__(self, n): return getattr(self, n + 'x')\nA().b", "RecursionError"),
        ("def f(n): return max([n], key=lambda _: f(n + 1))\nf(0)", "RecursionError"),
        ("compile('(' * 100000, 'a', 'exec')", "MemoryError"),
        ("compile('-' * 100000 + '1', 'a', 'exec')", "MemoryError"),
        ("import re\nre.compile('(' * 5000 + ')' * 5000)", "RecursionError"),
        ("import copy\nx = []\nfor i in range(5000): x = [x]\ncopy.deepcopy(x)", "RecursionError"),
    ],
)
def test_recursion_is_an_error_of_python(runner: GuestProgram, code: str, name: str) -> None:
    reply = command(runner, "run", code)
    assert reply.status == REVERTED
    assert reply.text.startswith(name)


@pytest.mark.parametrize(
    "code", ["x = []\nfor i in range(50000): x = [x]\nrepr(x)", "import json\njson.loads('[' * 100000)"]
)
def test_recursion_in_c_ends_at_the_deterministic_depth(runner: GuestProgram, code: str) -> None:
    replies = {command(runner, "run", code).text for _ in range(2)}
    assert replies == {"the limit of depth was exhausted"}


def test_a_call_leaves_nothing_for_the_next(runner: GuestProgram) -> None:
    code = "import json\nR = getattr(json, 'seen', 'no')\njson.seen = 'yes'"
    assert command(runner, "run", code).value == "no"
    assert command(runner, "run", code).value == "no"


def test_logging_goes_to_the_log(runner: GuestProgram) -> None:
    code = "import logging\nlogging.getLogger('x').warning('careful')\n"
    code += "logging.basicConfig(format='%(asctime)s %(message)s')\nlogging.error('worse')"
    assert command(runner, "run", code).status == OK
    assert runner.host.logs == [(1, "careful"), (1, "1970-01-01 00:00:00,000 worse")]


def test_tracebacks_need_no_files(runner: GuestProgram) -> None:
    code = "import traceback\ntry: 1 / 0\nexcept ZeroDivisionError: R = traceback.format_exc()[-17:]"
    reply = command(runner, "run", code)
    assert reply.status == OK
    assert "division by zero" in reply.value or "ZeroDivisionError" in reply.value
