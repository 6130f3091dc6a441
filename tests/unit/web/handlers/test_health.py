"""Health and readiness."""

from __future__ import annotations

from tools.harness.web_server import example_service, request, serve


def test_not_ready() -> None:
    """With a detached probe /-/ready is 503, and /-/healthy still 200."""
    ready, healthy = serve(
        example_service(ready=False),
        lambda port: (request(port, "/-/ready"), request(port, "/-/healthy")),
    )
    assert (503, b"Not ready: a probe is not attached; see /.\n") == (
        ready.status,
        ready.body,
    )
    assert 200 == healthy.status
