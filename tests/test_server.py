"""The running server: what it listens on, what it turns away, what it tells browsers to refuse."""

import asyncio
import http.client
import ipaddress
import os
import socket
import subprocess
import tomllib
from email.utils import formatdate
from urllib.parse import urlsplit

import psutil
import pytest
from starlette.responses import HTMLResponse
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from lab.access import PROXY
from lab.first_frame import INDEX, FirstFrame
from tests.serving import ROOT, RUN, served

STREAM = "/_stcore/stream"
OTHERS = (
    "http://evil.example",
    "http://localhost:9",
    "http://127.0.0.1:9",
    "https://127.0.0.1.evil.example",
    "null",
    "http://[",
)
OUTSIDE = (
    "../" * 9 + "etc/passwd",
    "..%2f" * 9 + "etc/passwd",
    "%2e%2e/" * 9 + "etc/passwd",
    "..%5capp.py",
    "../app.py",
    "/etc/passwd",
    "%00",
    "C:%5cWindows%5cwin.ini",
    "....//....//app.py",
)
ROOTS = ("/", "/media/", "/component/", "/static/", "/_stcore/bidi-components/", "/app/static/")


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    """Where a fresh server listens, on its own settings alone."""
    with served(tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("server") / "log.txt") as url:
        yield url


def asked(address: str, path: str, method: str = "GET", **headers: str) -> tuple[int, str, dict]:
    """Status, text and headers of an answer; the path goes out as it is, which no browser would let through."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.read().decode("utf-8", "replace"), dict(answer.headers)


def test_the_settings_are_those_of_one_trusted_person():
    config = tomllib.loads((ROOT / ".streamlit/config.toml").read_text(encoding="utf-8"))
    wanted = {
        "server": {
            "address": "127.0.0.1",
            "allowedHosts": ["localhost", "127.0.0.1"],
            "enableCORS": True,
            "enableXsrfProtection": True,
            "xsrfCookieSameSite": "strict",
            "enableStaticServing": False,
            "enableAgentApi": False,
            "fileWatcherType": "none",
            "maxUploadSize": 2048,
            "showEmailPrompt": False,
        },
        "browser": {"gatherUsageStats": False, "serverAddress": "127.0.0.1"},
        "client": {"showErrorDetails": "none", "disableDataExport": True},
        "runner": {"magicEnabled": False},
    }
    assert {part: {key: config[part].get(key) for key in keys} for part, keys in wanted.items()} == wanted


def test_it_listens_on_the_loopback_alone(address):
    found = [one.address for all in psutil.net_if_addrs().values() for one in all if one.family == socket.AF_INET]
    for elsewhere in [one for one in found if not ipaddress.ip_address(one).is_loopback]:
        with pytest.raises(OSError):
            socket.create_connection((elsewhere, urlsplit(address).port), timeout=5)


@pytest.mark.parametrize("path", ["/", "/data", "/_stcore/health", "/_stcore/host-config", "/media/a.csv"])
def test_another_host_name_is_turned_away_everywhere(address, path):
    assert asked(address, path, Host="evil.example")[0] == 400


@pytest.mark.parametrize("origin", OTHERS)
def test_a_page_of_another_origin_is_turned_away(address, origin):
    assert asked(address, "/_stcore/health", Origin=origin)[0] == 403
    with pytest.raises(InvalidStatus, match="403"):
        opened(address, origin)


def test_a_socket_under_another_host_name_is_turned_away(address):
    there = socket.create_connection(("127.0.0.1", urlsplit(address).port))
    with pytest.raises(InvalidStatus, match="400"), connect(f"ws://evil.example{STREAM}", sock=there):
        pass


def test_the_lab_itself_may_open_its_socket(address):
    opened(address, address)


def opened(address: str, origin: str) -> None:
    with connect(f"ws://{urlsplit(address).netloc}{STREAM}", origin=origin, subprotocols=["streamlit"]):
        pass


@pytest.mark.parametrize("token", [{}, {"X-Xsrftoken": "guessed"}, {"X-Xsrftoken": "a", "Cookie": "_streamlit_xsrf=b"}])
def test_an_upload_without_the_token_of_the_page_is_refused(address, token):
    status, _, _ = asked(address, "/_stcore/upload_file/session/file", "PUT", **token, **{"Content-Length": "0"})
    assert status == 403


@pytest.mark.parametrize("path", ["/app/static/../app.py", "/workspace/datasets", "/.streamlit/config.toml"])
def test_no_file_of_the_project_is_served(address, path):
    _, text, _ = asked(address, path)
    assert "allowedHosts" not in text
    assert "import streamlit" not in text
    assert "<title>Streamlit</title>" in text or text in ("Not Found", "Bad Request")


@pytest.mark.parametrize(
    "root", ["/", "/media/", "/component/", "/static/", "/_stcore/bidi-components/", "/app/static/"]
)
def test_no_address_leads_out_of_what_is_served(address, root):
    for outside in OUTSIDE:
        status, text, _ = asked(address, root + outside)
        assert "root:" not in text and "import streamlit" not in text, root + outside
        assert status in (400, 403, 404) or "<title>Streamlit</title>" in text, (root + outside, status)


def test_the_agent_api_is_off(address):
    assert asked(address, "/_stcore/agent/interact", "POST", **{"Content-Length": "0"})[0] >= 400


def test_browsers_are_told_to_run_and_ask_for_nothing_from_elsewhere(address):
    _, _, headers = asked(address, "/")
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'self'"
    assert "unsafe-inline" not in policy["script-src"]
    assert not any("*" in sources or "http" in sources for sources in policy.values())
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_a_page_names_the_script_that_draws_charts_and_only_a_page_does(address):
    link = asked(address, "/")[2]["link"]
    script, _, how = link.partition("; ")
    assert how == "rel=modulepreload"
    status, text, headers = asked(address, script.strip("<>"))
    assert status == 200 and len(text) > 1_000_000
    assert "link" not in headers


@pytest.mark.parametrize("path", ["/", "/compare"])
def test_a_page_has_its_outline_and_look_from_the_first_frame_and_is_never_answered_from_before(address, path):
    index = INDEX.stat()
    before = {
        "If-None-Match": "*",
        "If-Modified-Since": formatdate(index.st_mtime + 1, usegmt=True),
        "Range": "bytes=0-9",
    }
    status, text, headers = asked(address, path, **{"Accept-Encoding": "gzip"}, **before)
    assert status == 200
    outline, look = ((ROOT / "assets" / f"{name}.css").read_text(encoding="utf-8") for name in ("first_frame", "look"))
    assert f"<style>{outline}{look}</style></head>" in text
    assert text.endswith("</html>\n") and not {"etag", "last-modified"} & headers.keys()


@pytest.mark.parametrize(("path", "is_page"), [("/", True), ("/lab/users", True), ("/media/0.html", False)])
def test_every_page_has_its_look_and_html_that_is_downloaded_stays_as_it_is(path, is_page):
    sent = []

    async def send(message):
        sent.append(message.get("body", b"").decode())

    scope = {"type": "http", "method": "GET", "path": path, "headers": []}
    asyncio.run(FirstFrame(HTMLResponse("<html></html>"))(scope, None, send))
    text = "".join(sent)
    assert ("<style>" in text) == is_page and (is_page or text == "<html></html>")


@pytest.mark.parametrize(
    ("flags", "environment"),
    [(["--server.address=0.0.0.0"], {}), (["--server.address="], {}), ([], {"STREAMLIT_SERVER_ADDRESS": "::"})],
    ids=["everywhere", "no address", "environment"],
)
def test_serving_others_without_a_login_ends_at_once_with_the_reason(flags, environment):
    ended = subprocess.run(
        [*RUN, "--server.port=0", *flags],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: the lab would be open to everybody who reaches")
    assert ended.stderr.count("\n") == 1
    assert PROXY in ended.stderr and "[auth]" in ended.stderr


def test_an_operator_whose_proxy_authenticates_may_serve_others(tmp_path):
    with served(tmp_path, tmp_path / "log.txt", "--server.address=0.0.0.0", **{PROXY: "1"}) as address:
        assert asked(address, "/")[0] == 200
    assert "error" not in (tmp_path / "log.txt").read_text()
