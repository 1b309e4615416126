"""What a client may say of the limits of its query over SQL."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from sinks.clickhouse.sql_limits import settings_of
from sinks.ports.sql import SqlError, SqlLimits

LIMITS = SqlLimits(seconds=3, rows=10_000, answer_bytes=2_000_000, memory_bytes=200_000_000)
MOST = {
    "max_execution_time": 3.0,
    "max_result_rows": 10_000.0,
    "max_result_bytes": 2_000_000.0,
    "max_memory_usage": 200_000_000.0,
}
NUMBERS = st.one_of(
    st.integers().map(str),
    st.floats().map(repr),
    st.floats(min_value=0, max_value=1).map(repr),
    st.sampled_from(["0.5", "1e-9", "1e-400", "-0", "nan", "inf", "-inf", " 7 ", "1_0", "٣", "0x1"]),
    st.text(max_size=9),
)


@given(st.sampled_from(sorted(MOST)), NUMBERS, st.floats(min_value=-1, max_value=30))
def test_no_word_of_a_client_takes_a_limit_away(name: str, asked: str, left: float) -> None:
    """0 stands for none in ClickHouse, and so does what is rounded to it."""
    try:
        made = settings_of(LIMITS, {name: asked}, left)
    except SqlError:
        return
    for bound, most in MOST.items():
        value = float(made[bound])
        assert math.isfinite(value)
        assert 0 < value <= most
        assert bound == "max_execution_time" or made[bound].isdecimal()
