"""Time: replicas share no clock. Every way to ask for one is an error that names ``self.env.timestamp``."""

from __future__ import annotations

import datetime
import logging
import time

from phat import Contract, Unavailable, query

# > ask []
# > allowed []
# > waits []
# > logged []


def _attempts():
    yield "time.time", lambda: time.time()
    yield "time.time_ns", lambda: time.time_ns()
    yield "time.monotonic", lambda: time.monotonic()
    yield "time.perf_counter", lambda: time.perf_counter()
    yield "time.process_time", lambda: time.process_time()
    yield "time.localtime", lambda: time.localtime()
    yield "time.gmtime", lambda: time.gmtime()
    yield "time.ctime", lambda: time.ctime()
    yield "time.strftime", lambda: time.strftime("%Y")
    yield "datetime.now", lambda: datetime.datetime.now()
    yield "datetime.now(utc)", lambda: datetime.datetime.now(datetime.UTC)
    yield "datetime.utcnow", lambda: datetime.datetime.utcnow()
    yield "date.today", lambda: datetime.date.today()
    yield "subclass", lambda: type("D", (datetime.datetime,), {}).now()
    yield "time.get_clock_info", lambda: time.get_clock_info("monotonic").resolution
    yield "import again", lambda: __import__("time").time()
    yield "vars", lambda: vars(time)["time"]()


class Clock(Contract):
    @query
    def ask(self) -> list[str]:
        said = []
        for name, attempt in _attempts():
            try:
                said.append(f"{name} gave {attempt()}")
            except Unavailable:
                said.append(f"{name} refused")
            except Exception as error:
                said.append(f"{name} {type(error).__name__}: {error}")
        return said

    @query
    def allowed(self) -> list[str]:
        moment = datetime.datetime.fromtimestamp(self.env.timestamp, datetime.UTC)
        return [
            moment.isoformat(),
            time.strftime("%a %d %b %Y", time.gmtime(self.env.timestamp)),
            str(time.tzname),
            str(time.timezone),
        ]

    @query
    def waits(self) -> None:
        time.sleep(0.001)

    @query
    def logged(self) -> str:
        logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
        logging.warning("this line has no real time")
        return "see the log"
