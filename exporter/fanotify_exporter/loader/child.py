"""
Start the loader child with the arguments that ``__main__.py`` reads.

Python ignores PYTHONPATH and the working directory with -I. This
file puts the package's own folder first in sys.path, so the package need not be
installed.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path


sys.path.insert(0, str(Path(__file__).parents[2]))
runpy.run_module("fanotify_exporter.loader", run_name="__main__")
