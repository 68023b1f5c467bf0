"""No request leaves the machine: the main job and the pages, with outbound connections refused and counted."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.serving import PAGES, ROOT, served

WATCH = Path(__file__).parent / "no_network"
LOOK = """
import sys
from streamlit.testing.v1 import AppTest
for page in sys.argv[1:]:
    at = AppTest.from_file("app.py", default_timeout=60)
    at.switch_page(page)
    assert not at.run().exception, page
"""


@pytest.fixture
def watched(tmp_path) -> dict[str, str]:
    """The environment of processes that may not reach out; `attempts` of it are the tries."""
    return {
        "PYTHONPATH": str(WATCH),
        "DSSM_ATTEMPTS": str(tmp_path / "attempts.txt"),
        "DSSM_HOME": str(tmp_path / "home"),
        "HOME": str(tmp_path),
    }


def attempts(environment: dict[str, str]) -> str:
    path = Path(environment["DSSM_ATTEMPTS"])
    return path.read_text() if path.exists() else ""


def python(environment: dict[str, str], *arguments: str) -> str:
    environment = os.environ | environment
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def command(environment: dict[str, str], *arguments: str) -> dict:
    return json.loads(python(environment, "-m", "dssm_core", *arguments, "--json"))


def test_the_main_job_and_the_pages_ask_nobody(watched, tmp_path):
    log = tmp_path / "log"
    command(watched, "demo", "--users", "60", "--articles", "50", "--days", "3", "--out", str(log))
    files = ("--exposures", str(log / "train_data.txt"), "--users", str(log / "user_info.txt"))
    files += ("--articles", str(log / "doc_info.txt"))
    dataset = command(watched, "ingest", "--format", "yidian", *files)["dataset"]
    settings = (
        "train.epochs=1",
        "split.train_days=2",
        "eval.k=5",
        "eval.bootstrap=100",
        "tower.kind=deepmatch",
        "train.batch_size=64",
    )
    run = command(watched, "train", "--dataset", dataset, "--preset", "deepmatch", "--set", *settings)["run"]
    command(watched, "evaluate", run, "--index", "annoy")
    user = (log / "user_info.txt").read_text(encoding="utf-8").split("\t")[0]
    command(watched, "recall", run, "--user", user)
    assert command(watched, "export", run, "--to", str(tmp_path / "out"))["files"]
    python(watched, "-c", LOOK, "app.py", *(f"pages/{name}.py" for name in PAGES if name))
    assert attempts(watched) == ""


def test_a_server_asks_nobody_whatever_it_is_asked(watched, tmp_path):
    """Streamlit would ask for this machine's public address before it turned another origin away."""
    environment = {key: value for key, value in watched.items() if key != "DSSM_HOME"}
    with served(tmp_path / "home", tmp_path / "log.txt", **environment) as address:
        for path in ("/", "/_stcore/health", "/_stcore/host-config", "/media/none"):
            asked = urllib.request.Request(address + path, headers={"Origin": "http://evil.example"})
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(asked, timeout=10)
        with pytest.raises(InvalidStatus), connect(f"ws{address[4:]}/_stcore/stream", origin="http://evil.example"):
            pass
    assert attempts(watched) == ""


def test_an_attempt_would_be_counted(watched):
    try_it = "import socket\ntry: socket.create_connection(('192.0.2.1', 80))\nexcept OSError: pass"
    python(watched, "-c", try_it)
    python(watched, "-c", try_it.replace("192.0.2.1", "news.example"))
    python(watched, "-c", try_it.replace("192.0.2.1", "127.0.0.1"))
    assert attempts(watched).count("\n") == 2
