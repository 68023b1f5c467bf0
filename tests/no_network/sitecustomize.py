"""Python runs this at its start where the folder is on PYTHONPATH: what would leave the machine is refused and noted.

Each attempt is a line in the file that $DSSM_ATTEMPTS names. Child processes inherit both.
"""

import ipaddress
import os
import sys
from pathlib import Path

_LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo")


def _watch(event: str, arguments: tuple) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event in _LOOKUPS:
        host = arguments[0]
    else:
        return
    if host is not None and not _here(host):
        with Path(os.environ["DSSM_ATTEMPTS"]).open("a") as file:
            file.write(f"{event} {host!r} {sys.argv}\n")
        raise OSError(f"no request may leave the machine: {event} {host!r}")


def _here(host: str | bytes | tuple) -> bool:
    name = host[0] if isinstance(host, tuple) else host
    name = name.decode() if isinstance(name, bytes) else name
    try:
        return name == "localhost" or ipaddress.ip_address(name.split("%")[0]).is_loopback
    except ValueError:
        return False


sys.addaudithook(_watch)
