"""Another process that writes to a request: `python -m tests.support.ledger_writer URL USER REQUEST NAME EVENTS`.

The password comes over standard input. Each event is written at the next free number, read anew after every loss; how
many were lost on the way is printed.
"""

import sys
from datetime import UTC, datetime

from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.requests import ClickHouseRequests


def write(ledger: ClickHouseRequests, request_id: str, name: str, events: int) -> int:
    """How often another writer was faster."""
    lost = 0
    for number in range(events):
        content = {"by": name, "number": number}
        while not ledger.append(
            request_id, len(ledger.events(request_id)), "written", datetime.now(UTC), content
        ):
            lost += 1
    return lost


if __name__ == "__main__":
    url, user, request_id, name, events = sys.argv[1:]
    index = ClickHouse(url, user=user, password=sys.stdin.readline().strip())
    sys.stdout.write(f"{write(ClickHouseRequests(index), request_id, name, int(events))}\n")
    index.close()
