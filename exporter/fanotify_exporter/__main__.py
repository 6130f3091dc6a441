"""Run the command line as ``python -m fanotify_exporter``."""

from __future__ import annotations

import sys

from fanotify_exporter.cli import main


sys.exit(main())
