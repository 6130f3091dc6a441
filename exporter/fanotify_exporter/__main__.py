"""``python -m fanotify_exporter`` is the console script."""

from __future__ import annotations

import sys

from fanotify_exporter.cli import main


sys.exit(main())
