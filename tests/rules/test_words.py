"""No word in this repository belongs to a real person, to one machine or to one network."""

from __future__ import annotations

import ipaddress
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Put together here, so that this file does not hold what it looks for.
MACHINE = re.compile(r"(?<![\w$.}])/(?:wo" r"rk|root|home/[a-z]+|Users/[A-Za-z]+|t" r"mp)/")
# Of packages. Images of containers have no other name than their registry's.
REGISTRIES = re.compile(
    r"py" r"pi\.org|python" r"hosted\.org|registry\.np" r"mjs|repo1?\.mav" r"en|proxy\.go" r"lang|crates\.i" r"o|"
    r"artif" r"actory|nex" r"us\."
)  # fmt: skip
# What stands behind `//` is a user and a password before a host.
# Behind the @ of structured data in syslog (RFC 5424, 6.3.2) stand numbers alone.
MAIL = re.compile(r"(?<![\w/:])[\w.+-]+@(?!\d+(?:\.\d+)*(?![\w.-]))([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)")
MAIL_HOSTS = re.compile(
    r"(?:[a-z0-9-]+\.)*example(?:\.(?:no|com|org|net))?|localhost|(?:[a-z0-9-]+\.)*(?:invalid|test)"
)
ELEVEN = re.compile(r"(?<![\d.])\d{11}(?![\d.])")
IPV4 = re.compile(r"(?<![\d.\w-])(\d{1,3}(?:\.\d{1,3}){3})(?![\d.\w])")
INVENTED = [
    ipaddress.ip_network(text)
    for text in (
        "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "10.0.0.0/8", "172.16.0.0/12",
        "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "0.0.0.0/8", "224.0.0.0/3",
    )
]  # fmt: skip
FIRST = (3, 7, 6, 1, 8, 9, 4, 5, 2)
SECOND = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)


def texts() -> Iterator[tuple[str, str]]:
    """Name and text of every file that is in the repository or would be at the next commit."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("not run: this is no checkout of the repository")
    for name in sorted(listed.stdout.decode().split("\0")):
        file = ROOT / name
        if not name or not file.is_file():
            continue
        raw = file.read_bytes()
        if b"\0" not in raw:
            yield name, raw.decode("utf-8", "replace")


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    found = dict(texts())
    assert len(found) > 100
    return found


def hits(files: dict[str, str], pattern: re.Pattern[str]) -> Iterator[tuple[str, re.Match[str]]]:
    """(`file:line`, match) of every place."""
    for name, text in files.items():
        for match in pattern.finditer(text):
            yield f"{name}:{text.count(chr(10), 0, match.start()) + 1}", match


def real_number(digits: str) -> bool:
    """Whether the Norwegian population register could have given it out: both check digits, a day, a month 01 to 12.

    Also D-numbers (day + 40). Synthetic ones have month + 80 (Skatteetaten) or + 40 (NAV) and are nobody's.
    """
    values = [int(digit) for digit in digits]
    day, month = int(digits[:2]) % 40, int(digits[2:4])
    if not (1 <= day <= 31 and 1 <= month <= 12):
        return False
    checks = [-sum(w * v for w, v in zip(weights, values, strict=False)) % 11 for weights in (FIRST, SECOND)]
    return checks == values[9:]


def elsewhere(match: re.Match[str]) -> bool:
    """Whether four numbers are a section of a document, such as the one of an RFC, or the version of a package."""
    return re.search(r"(?:(?:RFC \d+,|section|§) |[=>]=)$", match.string[: match.start()]) is not None


def public(text: str) -> bool:
    """Whether it is an IPv4 address that could be somebody's."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not any(address in network for network in INVENTED)


def test_the_rules_see_what_they_look_for() -> None:
    """Each pattern finds an example, put together here, and leaves its innocent neighbour alone."""
    number = next(f"010190{tail:05}" for tail in range(100_000) if real_number(f"010190{tail:05}"))
    assert not real_number(number[:2] + "81" + number[4:])
    assert public("8.8.8" + ".8")
    assert not public("203.0.113.9")
    assert not public("999.1.1" + ".1")
    assert MACHINE.search("in /wo" + "rk/main")
    assert not MACHINE.search("in $HOME/" + "work" + "/main")
    assert REGISTRIES.search("https://py" + "pi.org/simple")
    found = MAIL.search("to kari@gm" + "ail.com")
    assert found is not None
    assert not MAIL_HOSTS.fullmatch(found[1])
    assert MAIL_HOSTS.fullmatch("isp.example")


def test_no_path_of_one_machine(files: dict[str, str]) -> None:
    """No file knows where somebody's checkout or scratch folder lies; temporary folders come from tempfile."""
    assert not [f"{place} {match[0]}" for place, match in hits(files, MACHINE)]


def test_no_host_of_a_package_registry(files: dict[str, str]) -> None:
    """Where packages come from is the affair of whoever installs them."""
    assert not [f"{place} {match[0]}" for place, match in hits(files, REGISTRIES)]


def test_no_national_identity_number_of_a_person(files: dict[str, str]) -> None:
    """A fødselsnummer in this repository is synthetic: month + 80."""
    assert not [place for place, match in hits(files, ELEVEN) if real_number(match[0])]


def test_no_mail_address_of_a_person(files: dict[str, str]) -> None:
    """Mail addresses are at example.no, example.com or another reserved name (RFC 2606)."""
    assert not [place for place, match in hits(files, MAIL) if not MAIL_HOSTS.fullmatch(match[1].lower())]


def test_no_public_address_of_a_machine(files: dict[str, str]) -> None:
    """IPv4 addresses are of the documentation (RFC 5737), benchmark, private, shared or loopback networks."""
    assert not [
        f"{place} {match[0]}"
        for place, match in hits(files, IPV4)
        if public(match[1]) and not elsewhere(match)
    ]
