"""Which column of a web server's log is the client's: nobody is found under the server's own address."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import DecodeError
from streams.feeds.lines.client import Clients
from tests.support.company import model_feed
from tests.support.feeds import outcomes

CASES = Path(__file__).parents[2] / "fixtures" / "cases"
COMBINED = model_feed("combined")
SERVER, NAME = "198.51.100.80", "www.isp.example"
REST = '[12/Mar/2026:10:00:00 +0000] "GET /a HTTP/1.1" 200 12 "-" "Mozilla/5.0"'


def clients(*names: str, column: int | None = None) -> list[str]:
    """For each line that begins like this, the client it is a visit of, or why it is refused."""
    feed = model_feed("combined", client_column=column)
    lines = [f"{name} {REST}" for name in names]
    return [
        found if isinstance(found, str) else found[0]["client_address"] for _, found in outcomes(feed, *lines)
    ]


def visitors(count: int) -> list[str]:
    return [f"203.0.113.{number}" for number in range(1, count + 1)]


def test_the_virtual_host_is_not_the_client() -> None:
    """By name, by name and port, and by address."""
    lines = (CASES / "12-vhost-first.log").read_text().splitlines()
    found: list[Any] = [outcome for _, outcome in outcomes(COMBINED, *lines)]
    assert [event[0]["client_address"] for event in found] == [f"203.0.113.{n}" for n in (121, 122, 123, 124)]


@pytest.mark.parametrize(
    "first", [NAME, f"{NAME}:443", f"{SERVER}:443", SERVER, "[2001:db8::80]:443", "intranet"]
)
def test_a_server_in_front_is_told_by_its_port_or_by_being_always_the_same(first: str) -> None:
    """The visitors change, it does not."""
    assert clients(*(f"{first} {name} - -" for name in visitors(20))) == visitors(20)
    assert clients(*(f"{first} {name} - kari" for name in visitors(20))) == visitors(20)


@pytest.mark.parametrize("second", [NAME, f"{NAME}:443", SERVER, f"{SERVER}:8080"])
def test_a_server_behind_the_client_is_told_too(second: str) -> None:
    """The same the other way round."""
    assert clients(*(f"{name} {second} - -" for name in visitors(20))) == visitors(20)


@pytest.mark.parametrize(
    "names",
    [
        [f"{SERVER} 203.0.113.1 - -"],
        [f"{SERVER} 203.0.113.1 - -", f"{SERVER} 203.0.113.2 - -"],
        [f"198.51.100.{n} 203.0.113.{n} - -" for n in range(20)],
        [f"{SERVER} 203.0.113.1 - -"] * 20,
        [f"{SERVER}:443 203.0.113.1:80 - -"] * 20,
        [f"{SERVER} 203.0.113.1 -", f"{SERVER} - 203.0.113.2"],
    ],
)
def test_two_addresses_that_do_not_tell_are_refused(names: list[str]) -> None:
    """One of them is the server's."""
    assert set(clients(*names)) == {"which_client"}


@pytest.mark.parametrize("column", [1, 2])
def test_the_operator_can_say_which_column_it_is(column: int) -> None:
    """Then nothing is guessed."""
    expected = [SERVER, "203.0.113.1"][column - 1]
    assert clients(f"{SERVER} 203.0.113.1 - -", column=column) == [expected]
    assert clients("203.0.113.7 - -", column=column) == ["203.0.113.7"]


def test_clients_that_are_named_are_refused_wherever_they_stand() -> None:
    """A name is no address, and the server's address is not theirs."""
    hosts = [f"host{number}.access.example" for number in range(20)]
    assert set(clients(*(f"{name} - -" for name in hosts))) == {"bad_address"}
    assert set(clients(*(f"{name} {SERVER} - -" for name in hosts))) == {"bad_address"}
    assert set(clients(*(f"{NAME}:443 {name} - -" for name in hosts))) == {"bad_address"}
    assert set(clients(*(f"{SERVER} {name} - -" for name in hosts))) <= {"bad_address", "which_client"}


def test_logs_with_one_column_are_read_as_before() -> None:
    """User names with spaces, identities by RFC 1413 and dots in names do not make a second one."""
    names = [
        "203.0.113.1 - kari nordmann",
        "203.0.113.1 ident kari",
        "203.0.113.1 - kari.nordmann",
        "203.0.113.1 k.n -",
    ]
    assert clients(*names) == ["203.0.113.1"] * 4


def test_the_clients_port_is_kept_where_it_is_logged() -> None:
    """RFC 6302 wants it; with a server's port it is a server."""
    (found,) = outcomes(COMBINED, f"203.0.113.5:51234 - - {REST}")
    assert not isinstance(found[1], str)
    assert (found[1][0]["client_address"], found[1][0]["client_port"]) == ("203.0.113.5", 51234)
    assert clients("[2001:db8::5]:51234 - -") == ["2001:db8::5"]
    assert clients(f"{SERVER}:443 - -", "203.0.113.5:99999 - -") == ["bad_address", "bad_address"]


def test_a_list_of_addresses_is_refused() -> None:
    """X-Forwarded-For: its first is what the client says of itself (RFC 7239, 8.1)."""
    names = [
        "203.0.113.5, 198.51.100.7 - -",
        f"203.0.113.5, 198.51.100.7 {SERVER} - -",
        "203.0.113.5,198.51.100.7 - -",
    ]
    assert clients(*names) == ["client_list"] * 3
    assert clients(f"{NAME} 203.0.113.5 198.51.100.7 - -") == ["which_client"]


@pytest.mark.parametrize(
    "request_line",
    [r"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "-", "", r"GET /\xff\xfe HTTP/1.1", "\x00\x01"],
)
def test_requests_that_are_none_are_their_clients(request_line: str) -> None:
    """A scanner's TLS, broken letters, silence: one visit each."""
    line = f'203.0.113.127 - - [12/Mar/2026:10:00:00 +0000] "{request_line}" 400 0 "-" "-"'
    (found,) = outcomes(COMBINED, line)
    assert not isinstance(found[1], str)
    assert found[1][0]["client_address"] == "203.0.113.127"


@pytest.mark.parametrize(
    ("written", "page"),
    [
        (r"/bj\xc3\xb8rn", "/bjørn"),
        (r"/bj\xf8rn18@example.com", "/bj%F8rn18@example.com"),
        (r"/a\x00b", "/a%00b"),
        (r"/a\x3fepost=kari@example.com", "/a"),
        (r"/\"a\"", r"/\"a\""),
    ],
)
def test_bytes_of_a_page_are_letters_or_as_a_url_writes_them(written: str, page: str) -> None:
    """Never the server's own notation, in which half a name looks like a whole one."""
    line = f'203.0.113.1 - - [12/Mar/2026:10:00:00 +0000] "GET {written} HTTP/1.1" 200 0 "{written}" "-"'
    (found,) = outcomes(COMBINED, line)
    assert not isinstance(found[1], str)
    assert (found[1][0]["page"], found[1][0]["referrer"]) == (page, page)


HOSTS = st.sampled_from(
    [NAME, f"{NAME}:443", SERVER, f"{SERVER}:80", "-", *visitors(3), "2001:db8::1", "kari", "a,"]
)


@given(st.lists(st.tuples(HOSTS, HOSTS), max_size=12))
def test_with_a_server_on_each_line_nobody_is_found_under_its_address(pairs: list[tuple[str, str]]) -> None:
    """If each line names the server's address with its port, no visit is its own."""
    lines = [f"{SERVER}:443 {second} - -" for _, second in pairs if second not in (SERVER, "-", "kari")]
    assert SERVER not in clients(*lines)


@given(st.lists(st.text(max_size=30).map(lambda text: f"a{text} b "), max_size=5))
def test_whatever_the_columns_there_is_a_client_or_a_reason(names: list[str]) -> None:
    """No other error, and never a piece of two columns."""
    known = Clients(None)
    known.look(names)
    for text in names:
        with suppress(DecodeError):
            client, _ = known.of(text)
            assert client in text.split(" ")
