"""Exits with one sentence when the port to serve on is taken."""

import socket
import sys

if not sys.argv[1].isdecimal() or not 0 < int(sys.argv[1]) < 65536:
    sys.exit(f"error: PORT={sys.argv[1]} is no port: choose a number from 1 to 65535.")
port = int(sys.argv[1])
with socket.socket() as probe:
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        sys.exit(f"error: port {port} is taken: stop what uses it, or choose another with 'make run PORT={port + 1}'.")
