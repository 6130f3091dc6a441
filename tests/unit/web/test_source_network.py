"""Source networks of client addresses."""

from __future__ import annotations

import pytest

from fanotify_exporter.web.source_network import source_network


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:f:f:f:f", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%lo", "fe80::2%lo", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
    ],
)
def test_source_network(one: str, other: str, *, same: bool) -> None:
    """Each IPv4 address is a network of its own; IPv6 addresses share their /64."""
    assert same == (source_network(one) == source_network(other))
