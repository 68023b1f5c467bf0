"""A file that is made when its button is pressed is still there when the browser asks for it."""

from threading import Timer
from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit import runtime
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from lab import download


class Soon(Timer):
    """A timer whose time is up at once."""

    def start(self) -> None:
        self.function(*self.args, **self.kwargs)


@pytest.fixture
def files(monkeypatch):
    """The files of a server, and how many of them it has in `stored`."""
    storage = MemoryMediaFileStorage("/media")
    manager = MediaFileManager(storage)
    monkeypatch.setattr(runtime, "get_instance", lambda: SimpleNamespace(media_file_mgr=manager))
    manager.stored = storage._files_by_id
    return manager


@pytest.fixture
def press(files, monkeypatch):
    """A function (content) → the name of the file that the browser is told to fetch once the button is pressed."""
    drawn = {}
    monkeypatch.setattr(st, "download_button", lambda label, data, *told, **settings: drawn.update(data=data))

    def pressed(content: bytes) -> str:
        download.button("Bundle", lambda: content, "run.zip", "application/zip")
        made = files.add_deferred(drawn["data"], "application/zip", "its place", "run.zip")
        return files.execute_deferred(made).removeprefix("/media/").removesuffix(".zip")

    return pressed


def test_the_file_outlives_what_ends_before_the_browser_asks_for_it(files, press):
    name = press(b"a run")
    for _ in range(9):  # a fragment that polls
        files.remove_orphaned_files()
    assert files.read_file(name).content == b"a run"


def test_the_file_is_forgotten_after_a_while(files, press, monkeypatch):
    monkeypatch.setattr(download, "Timer", Soon)
    name = press(b"a run")
    for _ in range(2):
        files.remove_orphaned_files()
    assert name not in files.stored
    assert [file.content for file in files.stored.values()] == [b""]
