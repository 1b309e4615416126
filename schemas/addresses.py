"""Addresses that are no host's: what stands where an address is missing, and what no server ever assigns."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

# 255.255.255.254 and .255 in Framed-IP-Address are instructions (RFC 2865, 5.8); they lie in the last IPv4 network.
# Private, shared (RFC 6598) and documentation networks are assigned, and stay.
_NOBODYS = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",  # this network (RFC 1122, 3.2.1.3)
            "127.0.0.0/8",  # loopback (RFC 1122, 3.2.1.3)
            "169.254.0.0/16",  # link-local: a host takes one by itself (RFC 3927)
            "224.0.0.0/4",  # multicast (RFC 5771)
            "240.0.0.0/4",  # reserved, and limited broadcast (RFC 1112, 4; RFC 919)
            "::/8",  # unspecified, loopback and reserved (RFC 4291, 2.4 and 4)
            "fe80::/10",  # link-local (RFC 4291, 2.5.6)
            "ff00::/8",  # multicast (RFC 4291, 2.7)
        ),
    )
)


@lru_cache(maxsize=100_000)
def is_placeholder(text: str) -> bool:
    """Whether an address, or a network in CIDR form, is no subscriber's. False for what is neither."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    if isinstance(network, ipaddress.IPv6Network):
        mapped = network.network_address.ipv4_mapped
        if mapped is not None and network.prefixlen == 128:
            return is_placeholder(str(mapped))
    # The whole of all addresses too: `::/0` is a prefix that was never set.
    return network.prefixlen == 0 or any(
        network.network_address in other and network.prefixlen >= other.prefixlen for other in _NOBODYS
    )
