"""Start the loader child: ``python -I child.py``. -I ignores PYTHONPATH and the cwd."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path


sys.path.insert(0, str(Path(__file__).parents[2]))
runpy.run_module("fanotify_exporter.loader", run_name="__main__")
