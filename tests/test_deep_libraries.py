import subprocess
import sys
from pathlib import Path

SCRIPT = """
import socket, threading
asked = []
socket.getaddrinfo = lambda *address, **_: asked.append(address) or []
import tensorflow
before = set(threading.enumerate())
started = []
threading.Thread.start, start = (lambda thread: started.append(thread) or start(thread)), threading.Thread.start
import dssm_core.deep_libraries
print(asked, started)
"""


def test_importing_deepctr_and_deepmatch_calls_nobody():
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"
