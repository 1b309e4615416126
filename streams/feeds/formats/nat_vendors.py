"""Logs of address translation that are recognised by their look and not read: whose they are."""

from __future__ import annotations

import re

_VENDORS = tuple(
    (name, re.compile("|".join(looks)))
    for name, *looks in (
        (
            "Junos",
            "NAT_PORT_BLOCK",
            "RT_SRC_NAT_PBA_",
            "RT_(?:SRC|DST|PST)_NAT",
            r"NAT_RULE_MATCH",
            "RT_FLOW_SESSION",
        ),
        (
            "A10",
            r"\bNAT-(?:TCP|UDP|ICMP|PORT)",
            r"\bCEF:\d\|A10\|",
            r"\bFIXED-NAT",
            r"\bLSN[-_](?:TCP|UDP)\b",
        ),
        ("Cisco", r"%(?:ASA|FTD)-\d-30\d{4}", r"%(?:IP)?NAT-\d-", r"\b(?:User|Session)based[AW]D?\b"),
        ("Cisco", r"- (?:NAT44|NAT64|DSLITE) - \["),
        ("Huawei", r"%%\d{2}(?:CGN|NAT|SECLOG|SEC)/", r"\bNAT444:", r"(?i:\bport-?block)"),
        ("Nokia", r"\btmnxNat\w+", r"\bNAT-\w+-20\d\d\b", r"\bAlc-Nat-"),
        ("F5", r"\bLSN_(?:PB_)?(?:ADD|ALLOCATED|RELEASED|DELETE|INBOUND)"),
        ("Fortinet", r"\btransip=", r"\bpba(?:ipsrc|port)\w*="),
        ("6WIND", r"\bfp-cgnat\b"),
        ("NFWare", r"\b[AD] VRF \d+ .*\bINT \S+ EXT "),
        ("MikroTik", r"\bNAT (?:\(|\d)[0-9a-f.:]+.*->"),
        (
            "nftables or iptables",
            r"\bIN=\S* OUT=\S* .*\bSRC=\S+ DST=",
            r"\[(?:NEW|UPDATE|DESTROY)\]\s+\w+\s+\d+ ",
        ),
    )
)


def vendor(line: str) -> str | None:
    """The maker of the log that such a line looks like, None if like none."""
    return next((name for name, pattern in _VENDORS if pattern.search(line)), None)
