"""Days that can be meant, and days that stand for "no end" in registers. Pure.

Every day and moment that comes from outside is held against these bounds before anything is counted from it.
"""

from __future__ import annotations

from datetime import date, datetime

FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2199, 12, 31)
"""Days outside are no days that anybody means, and later ones cannot be added to."""
OPEN = date.max
"""What every open end is turned into: it has not ended, and nobody knows when it will."""
_OPEN_ENDS = frozenset(
    date.fromisoformat(day)
    for day in (
        "2079-06-06",  # the last smalldatetime of SQL Server
        "2099-12-31",  # written by hand, and by many a register of customers
        "2154-12-31",  # "never" of Dynamics AX and Dynamics 365
        "2262-04-11",  # the last moment in nanoseconds of 64 bits, as data tools export it
        "2299-12-31",  # the last DateTime64 of ClickHouse
        "2999-12-31",
        "3000-01-01",
        "3000-12-31",
        "4712-12-31",  # "end of time" of Oracle's applications
        "9999-01-01",
        "9999-12-30",  # of rows that are valid in a temporal table of Db2
        "9999-12-31",  # SAP, SQL Server, and the largest date of the SQL standard
    )
)
_OPEN_ORDINALS = frozenset(day.toordinal() for day in _OPEN_ENDS)


def is_open_end(day: date) -> bool:
    """Whether a day stands for "no end" where an end is asked.

    Only days that registers are known to write and that no contract, case or assignment ends on. 2038-01-19 (the last
    moment in seconds of 32 bits) is not among them: it is near enough to be meant.
    """
    return day in _OPEN_ENDS


def is_open_moment(moment: datetime) -> bool:
    """The same of a moment: of one at midnight or at the end of such a day, in whatever zone it is told now."""
    day = moment.date().toordinal()
    # No zone is farther off than 14 hours.
    near = {day, day + (moment.hour >= 10), day - (moment.hour < 14)}
    return not near.isdisjoint(_OPEN_ORDINALS)
