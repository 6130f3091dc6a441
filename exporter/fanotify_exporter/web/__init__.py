"""HTTP server: sockets, connections, TLS, users, and the handlers of all paths."""

from __future__ import annotations

import sys


# tornado.log imports curses to colour its lines on a terminal, which needs half a
# megabyte. The exporter formats its own lines. A None in sys.modules makes the import
# raise ModuleNotFoundError (Python reference, 5.3.1), which tornado.log handles.
sys.modules.setdefault("curses", None)  # type: ignore[arg-type]
