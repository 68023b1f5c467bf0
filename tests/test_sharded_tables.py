"""The step with its tables on two parameter servers, in processes of its own: TensorFlow connects but once."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import psutil

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "sharded_tables.py"


def servers():
    """Command lines of the parameter servers that are at work."""
    lines = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [line for line in lines if str(SCRIPT) in line and "serve" in line]


def test_two_servers_train_as_one_process_does_and_end_with_it():
    sizes = ("--articles", "3000", "--steps", "12", "--batch", "64")
    done = subprocess.run([sys.executable, SCRIPT, *sizes], stdout=subprocess.PIPE, check=True, timeout=120)
    told = json.loads(done.stdout)
    assert told["losses_apart"] < 1e-5
    assert told["rows_apart"] < 1e-5
    assert told["last_loss"] < told["first_loss"]
    assert told["rows_moved"] > 1000
    assert told["loopback_bytes_a_step"] > told["bytes_a_step"] > 0
    assert servers() == []


def test_a_server_ends_when_whoever_started_it_is_gone():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, SCRIPT, "serve", json.dumps({"ps": [address]}), "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout.readline().strip() == "ready"
            server.stdin.close()  # as the death of the other process does
            assert server.wait(30) == 0
        finally:
            server.kill()
