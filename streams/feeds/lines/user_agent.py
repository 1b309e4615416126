"""Browser and operating system families from a User-Agent header (RFC 9110, 10.1.5).

A family with its major version is all that is kept: the full header helps to single out one person's device.
What no rule knows is null, not a guess.
"""

from __future__ import annotations

import re
from functools import lru_cache

# The first that matches wins: most browsers also claim to be those they descend from, and robots claim all.
_BROWSERS: tuple[tuple[str | None, re.Pattern[str]], ...] = tuple(
    (family, re.compile(pattern))
    for family, pattern in (
        (None, r"(?:^|[ (;])([A-Za-z]{0,24}[Bb]ot)\b(?:[/ -](\d{1,4}))?"),
        ("Edge", r"\bEdg(?:e|A|iOS)?/(\d{1,4})"),
        ("Opera", r"\bOPR/(\d{1,4})"),
        ("Opera", r"^Opera/.*\bVersion/(\d{1,4})"),
        ("Opera", r"\bOpera[/ ](\d{1,4})"),
        ("Samsung Internet", r"\bSamsungBrowser/(\d{1,4})"),
        ("Firefox", r"\b(?:Firefox|FxiOS)/(\d{1,4})"),
        ("Chrome", r"\b(?:Chrome|CriOS|Chromium)/(\d{1,4})"),
        ("Internet Explorer", r"\bMSIE (\d{1,4})"),
        ("Internet Explorer", r"\bTrident/.*\brv:(\d{1,4})"),
        ("Safari", r"\bVersion/(\d{1,4}).*\bSafari/"),
        ("curl", r"^curl/(\d{1,4})"),
        ("Wget", r"^Wget/(\d{1,4})"),
    )
)
_SYSTEMS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (family, re.compile(pattern))
    for family, pattern in (
        ("Windows Phone", r"\bWindows Phone\b"),
        ("iOS", r"\b(?:iPhone|iPad|iPod)\b"),
        ("Android", r"\bAndroid\b"),
        ("Windows", r"\bWindows\b"),
        ("ChromeOS", r"\bCrOS\b"),
        ("macOS", r"\b(?:Macintosh|Mac OS X|Mac_PowerPC)\b"),
        ("Linux", r"\bLinux\b"),
        ("BSD", r"\b(?:Free|Open|Net)BSD\b"),
    )
)


@lru_cache(maxsize=10_000)
def families(header: str) -> tuple[str | None, str | None]:
    """(browser with major version, operating system), each None if unknown. Robots count as browsers."""
    return _browser(header), next((name for name, rule in _SYSTEMS if rule.search(header)), None)


def _browser(header: str) -> str | None:
    for family, rule in _BROWSERS:
        if found := rule.search(header):
            name, version = (family, found[1]) if family else (found[1], found[2])
            return f"{name} {version}" if version else name
    return None
