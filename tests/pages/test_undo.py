"""Deleting on one page, and taking it back on another."""

import shutil

import pytest

from dssm_core.config import Config
from dssm_core.errors import UserError
from dssm_core.runs import describe_run
from dssm_core.workspace import Workspace
from tests.pages.conftest import TRAINED


@pytest.fixture
def own_workspace(small_workspace, tmp_path):
    return shutil.copytree(small_workspace, tmp_path / "home")


def run_ids(home):
    return {folder.name for folder in Workspace(home, bundled=None).run_folders()}


def offered(at) -> list[str]:
    return [text.value for text in at.text if text.value.startswith("Deleted ")]


def test_a_deleted_run_is_offered_back_on_every_page_and_comes_back(open_page, own_workspace):
    at = open_page("pages/train.py", own_workspace, run=TRAINED)
    at.button(key=f"delete {TRAINED}").click().run()
    assert offered(at) == ["Deleted my *run*."]
    assert TRAINED not in run_ids(own_workspace)
    at.switch_page("pages/data.py").run()
    assert offered(at) == ["Deleted my *run*."]
    at.button(key="undo delete").click().run()
    assert not at.exception and not offered(at)
    assert TRAINED in run_ids(own_workspace)


def test_a_run_that_is_taken_back_is_open_again(open_page, own_workspace):
    at = open_page("pages/train.py", own_workspace, run="popular-first")
    at.button(key="delete popular-first").click().run()
    assert at.selectbox(key="run").value == TRAINED
    at.button(key="undo delete").click().run()
    assert at.selectbox(key="run").value == "popular-first" and at.query_params["run"] == "popular-first"


def test_a_run_that_is_taken_back_on_another_page_is_open_again_where_it_was(open_page, own_workspace):
    at = open_page("pages/train.py", own_workspace, run="popular-first")
    at.button(key="delete popular-first").click().run()
    at.query_params.clear()
    at.switch_page("pages/data.py").run()
    at.button(key="undo delete").click().run()
    assert "run" not in at.query_params, "Data has no choice of a run"
    at.switch_page("pages/train.py").run()
    assert at.selectbox(key="run").value == "popular-first"


def test_a_deleted_dataset_is_offered_back_by_name(open_page, own_workspace):
    (dataset,) = (manifest["id"] for manifest in Workspace(own_workspace, bundled=None).datasets())
    at = open_page("pages/data.py", own_workspace)
    at.button(key=f"delete {dataset}").click().run()
    assert offered(at) == ["Deleted tiny demo."]
    at.button(key="undo delete").click().run()
    assert [manifest["id"] for manifest in Workspace(own_workspace, bundled=None).datasets()] == [dataset]


def test_a_damaged_dataset_is_offered_back_too(open_page, own_workspace):
    (dataset,) = (manifest["id"] for manifest in Workspace(own_workspace, bundled=None).datasets())
    (own_workspace / "datasets" / dataset / "manifest.json").unlink()
    at = open_page("pages/data.py", own_workspace)
    at.button(key=f"delete {dataset}").click().run()
    assert offered(at) == [f"Deleted {dataset}."] and not at.exception
    at.button(key="undo delete").click().run()
    assert set(Workspace(own_workspace, bundled=None).damaged_datasets()) == {dataset}


def test_a_dataset_that_cannot_be_looked_for_is_told_on_data(open_page, own_workspace, monkeypatch):
    def refuse(workspace):
        raise UserError("the disk is gone")

    monkeypatch.setattr(Workspace, "damaged_datasets", refuse)
    at = open_page("pages/data.py", own_workspace)
    assert not at.exception and "the disk is gone" in at.error[0].value


def test_the_offer_can_be_dismissed(open_page, own_workspace):
    at = open_page("pages/train.py", own_workspace, run=TRAINED)
    at.button(key=f"delete {TRAINED}").click().run()
    at.button(key="dismiss undo").click().run()
    assert not offered(at) and not at.exception
    assert [one.id for one in Workspace(own_workspace, bundled=None).deleted()] == [TRAINED]


def test_what_is_deleted_for_good_is_not_offered_back(open_page, own_workspace):
    at = open_page("pages/train.py", own_workspace, run=TRAINED)
    at.button(key=f"for good {TRAINED}").click().run()
    assert not offered(at) and not at.exception
    assert not Workspace(own_workspace, bundled=None).deleted()


def test_a_clash_is_told_and_the_offer_stays(open_page, own_workspace):
    at = open_page("pages/train.py", own_workspace, run=TRAINED)
    at.button(key=f"delete {TRAINED}").click().run()
    workspace = Workspace(own_workspace, bundled=None)
    describe_run(workspace.new_run_folder(TRAINED), workspace.datasets()[0]["id"], Config(), "another", "")
    at.button(key="undo delete").click().run()
    assert "there is another of that id" in at.error[0].value.replace("\\", "")
    assert offered(at)
