"""The network that a client address counts for in limits per client."""

from __future__ import annotations

import socket


# The first 64 bits of an IPv6 address. One host can use all addresses of a /64.
IPV6_NETWORK_BYTES = 8

# Prefix of an IPv4 address on a socket for both families; ipv6(7).
IPV4_MAPPED = bytes(10) + b"\xff\xff"


def source_network(host: str) -> bytes:
    """Return the packed IPv4 address, or the packed /64 of an IPv6 address."""
    if ":" not in host:
        return socket.inet_pton(socket.AF_INET, host)
    address = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    if address.startswith(IPV4_MAPPED):
        return address.removeprefix(IPV4_MAPPED)
    return address[:IPV6_NETWORK_BYTES]
