"""
Programs for developers, and the helpers of tests.

Each folder has one subject, and is started as `python -m tools.NAME` or, for a folder
of several programs, `python -m tools.NAME.PROGRAM`:

- bcc: tests the loader with other versions of bcc;
- bench: benchmarks;
- docs: writes the generated pages of docs/;
- harness: helpers of tests and of the other tools, no programs;
- manifests: writes the generated manifests of deploy/kubernetes;
- packages: lists of Debian packages, and the script that installs them;
- pictures: writes the pictures of docs/;
- release: checks and builds a release;
- vm: tests other kernels, and the systemd units, in QEMU.
"""

from __future__ import annotations

from pathlib import Path


# The root folder of the checkout.
CHECKOUT = Path(__file__).resolve().parents[1]
