"""Facts about the machine's architecture."""

from __future__ import annotations

import os
from typing import Final


IS_ARM64: Final = os.uname().machine == "aarch64"
