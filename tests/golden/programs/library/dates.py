"""Calendar arithmetic: dates, durations, zones by offset, ISO text, leap years, calendars, recurring events."""

from __future__ import annotations

import calendar
import datetime
from datetime import UTC, date, timedelta, timezone

from phat import Contract, Map, command, query

# > plan ["launch", "2024-02-28T23:30:00+05:30"]
# > plan ["party", "2024-02-30"]
# > agenda []
# > ages ["1992-02-29"]
# > calendar_page [2024, 2]
# > durations []
# > parse ["Thu, 05 Sep 2024 14:03:01", "%a, %d %b %Y %H:%M:%S"]
# > parse ["tomorrow", "%d"]
# > limits []
# > weeks []


class Agenda(Contract):
    events: Map[int, str]

    @command
    def plan(self, what: str, when: str) -> int:
        moment = datetime.datetime.fromisoformat(when).astimezone(UTC)
        seconds = int(moment.timestamp())
        self.events[seconds] = what
        return seconds - self.env.timestamp

    @query
    def agenda(self) -> list[str]:
        india = timezone(timedelta(hours=5, minutes=30), "IST")
        return [
            datetime.datetime.fromtimestamp(when, india).strftime(f"%A %d %B %Y %H:%M %Z {what} %j %U")
            for when, what in self.events.items()
        ]

    @query
    def ages(self, born: str) -> list[str]:
        birth, today = date.fromisoformat(born), date.fromtimestamp(self.env.timestamp)
        days = [birth.replace(year=year, day=28).toordinal() - birth.toordinal() for year in range(1993, 1997)]
        return [str(today - birth), birth.strftime("%A"), str(birth.isocalendar()), *map(str, days)]

    @query
    def calendar_page(self, year: int, month: int) -> list[str]:
        return [
            *calendar.month(year, month).splitlines(),
            str(calendar.isleap(year)),
            str(calendar.monthrange(year, month)),
        ]

    @query
    def durations(self) -> list[str]:
        span = timedelta(days=-1, hours=3, microseconds=7)
        return [
            str(span),
            repr(span * 3.5),
            str(span // timedelta(minutes=7)),
            repr(span % timedelta(minutes=7)),
            repr(span.total_seconds()),
            str(abs(span) > timedelta(hours=20)),
        ]

    @query
    def parse(self, text: str, form: str) -> str:
        return datetime.datetime.strptime(text, form).isoformat(timespec="milliseconds")

    @query
    def limits(self) -> list[str]:
        said = [str(datetime.datetime.max), str(date.min.toordinal()), str(datetime.datetime.fromtimestamp(-1, UTC))]
        for action in (
            lambda: date.max + timedelta(1),
            lambda: date(2023, 2, 29),
            lambda: datetime.time(25),
            lambda: timedelta(days=10**9),
        ):
            try:
                said.append(str(action()))
            except (OverflowError, ValueError) as error:
                said.append(f"{type(error).__name__}: {error}")
        return said

    @query
    def weeks(self) -> list[str]:
        start = date(2020, 12, 28)
        return [
            f"{day} {day.isoweekday()} {day.isocalendar().week}"
            for day in (start + timedelta(days=3 * step) for step in range(4))
        ]
