"""HTTP: listening sockets, connections, access control, and the handlers of paths."""
