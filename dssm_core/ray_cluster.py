"""Ray, the engine for more than one machine: connected to where it runs, or started on this machine for a while."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from dssm_core.errors import UserError

ENGINES = ("local", "ray")
"""Who carries out a job: this machine alone, or a Ray cluster."""

_ROOT = Path(__file__).parent.parent
_HOW = "pip install -r requirements-ray.txt, or leave --engine out"
_ANSWER_SECONDS = 5.0
_OURS = {
    # heard on the loopback device alone, as Ray does by default where it is no server's engine
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # it tells its makers even that it may not, and asks whose the machine is: a shut door on this machine answers
    "http_proxy": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "no_proxy": "localhost,127.0.0.1",
}
"""What the processes of a cluster of our own find in their environment; workers have what the caller has."""


def is_installed() -> bool:
    """Whether Ray can be imported; it is not imported for that."""
    return find_spec("ray") is not None


def imported() -> ModuleType:
    """The module `ray`, which connects when it is told to and not by itself.

    Left alone, whatever of it asks something late, such as what is collected as garbage after the end of a job, would
    connect this process to any cluster it finds, or start one.
    """
    with _environment({"RAY_ENABLE_AUTO_CONNECT": "0"}):
        import ray
    return ray


def check_engine(engine: str, address: str | None) -> None:
    """Raise a UserError for an engine that is unknown or missing, and for an address where none answers."""
    if engine not in ENGINES:
        raise UserError(f"unknown engine {engine!r}: one of {', '.join(ENGINES)}")
    if engine != "ray":
        if address:
            raise UserError(f"an address ({address}) is for the engine ray alone: add --engine ray, or leave it out")
        return
    if not is_installed():
        raise UserError(f"the engine ray needs Ray, which is not installed: {_HOW}")
    if address is not None and address != "auto":
        _check_answers(address)


@contextmanager
def connected(address: str | None = None) -> Iterator[ModuleType]:
    """Yield the module `ray`, connected to the cluster at `address` ("auto": the one of this machine).

    Without an address a cluster of this machine alone is started, and stopped behind the body. Workers import this
    project from the folder where it is here. A UserError where there is no such cluster.
    """
    check_engine("ray", address)
    workers = {"PYTHONPATH": _python_path()} | {name: os.environ.get(name, "") for name in _OURS if "proxy" in name}
    with _signals_kept(), _environment({} if address else _OURS):
        ray = imported()  # it reads some of its environment but once
        where = {"address": address} if address else {"address": "local", "include_dashboard": False}
        try:
            ray.init(**where, log_to_driver=False, logging_level="ERROR", runtime_env={"env_vars": workers})
        except Exception as error:  # a plain one of Ray's, where a node does not start in time
            told = cause_of(error).rstrip(".")
            raise UserError(
                f"no Ray cluster can be used at {address or 'this machine'}: {told}; start one with `ray start --head` "
                f"or leave the address out; one that asks for a token takes RAY_AUTH_MODE=token (`ray get-auth-token`)"
            ) from None
    try:
        # what Ray prints of its own, such as that a node was lost, is no answer of ours
        with redirect_stdout(sys.stderr):
            yield ray
    finally:
        ray.shutdown()


@contextmanager
def told_of_loss(ray: ModuleType) -> Iterator[None]:
    """What breaks in Ray while the body runs, such as a worker that is killed, becomes a UserError."""
    try:
        yield
    except ray.exceptions.RayError as error:
        raise UserError(
            f"the Ray cluster broke off: {cause_of(error)}; if a node was short of memory, ask for less, then try again"
        ) from None


def cause_of(error: Exception) -> str:
    """What a task broke off with, or why it was lost, in one line."""
    cause = getattr(error, "cause", None) or error
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]


def _python_path() -> str:
    """The project first; what the caller had stays behind it."""
    before = os.environ.get("PYTHONPATH", "")
    return os.pathsep.join([str(_ROOT), *filter(None, before.split(os.pathsep))])


def _check_answers(address: str) -> None:
    """Ray itself asks an address for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise UserError(f"bad address {address!r} of a Ray cluster: expected auto, HOST:PORT or ray://HOST:PORT")
    try:
        socket.create_connection((host, int(port)), _ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UserError(
            f"no Ray cluster answers at {address}: {getattr(error, 'strerror', None) or error}; "
            "start one with `ray start --head`, or leave the address out"
        ) from None


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself where it starts; afterwards it is as it was."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _environment(added: dict[str, str]) -> Iterator[None]:
    """This process's environment with some more, while the body runs."""
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
