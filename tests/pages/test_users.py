import shutil

import pandas as pd

from tests.pages.conftest import TRAINED


def _per_user(home):
    return pd.read_parquet(home / "runs" / TRAINED / "per_user.parquet")


def test_the_address_chooses_run_user_and_length(open_page, small_workspace):
    user = _per_user(small_workspace)["user_id"].iloc[-1]
    at = open_page("pages/users.py", small_workspace, run=TRAINED, user=user, k="5")
    assert not at.exception
    assert (at.selectbox(key="run").value, at.selectbox(key="user").value) == (TRAINED, user)
    assert at.segmented_control(key="k").value == 5


def test_an_unknown_run_in_the_address_shows_the_newest_trained_one(open_page, small_workspace):
    at = open_page("pages/users.py", small_workspace, run="gone")
    assert not at.exception
    assert at.selectbox(key="run").value == TRAINED


def test_the_next_user_with_a_hit_has_one(open_page, small_workspace):
    at = open_page("pages/users.py", small_workspace, run=TRAINED, k="5")
    next(button for button in at.button if button.label == "Next with a hit").click().run()
    per_user = _per_user(small_workspace).set_index("user_id")
    assert per_user.at[at.selectbox(key="user").value, "hit@5"] == 1
    assert at.query_params["user"] == at.selectbox(key="user").value


def test_a_second_run_is_shown_beside_the_first(open_page, small_workspace):
    one = open_page("pages/users.py", small_workspace, run=TRAINED)
    two = open_page("pages/users.py", small_workspace, run=TRAINED, beside="popular-first")
    assert not two.exception
    assert len(two.dataframe) == len(one.dataframe) + 2


def test_ranks_are_whole_numbers_and_ages_are_in_the_lists(open_page, small_workspace):
    at = open_page("pages/users.py", small_workspace, run=TRAINED, k="50")
    assert any("at rank " in text.value and ".0" not in text.value for text in at.text)
    assert {"rank", "title", "category", "age (h)", "cosine", "article"} <= set(at.dataframe[-1].value)


def test_a_run_whose_dataset_was_deleted_is_told_in_a_sentence(open_page, small_workspace, tmp_path):
    home = shutil.copytree(small_workspace, tmp_path / "home")
    shutil.rmtree(home / "datasets")
    at = open_page("pages/users.py", home, run=TRAINED)
    assert not at.exception
    assert "dataset" in at.error[0].value


def test_hits_in_the_list_are_the_held_out_clicks_that_the_run_found(open_page, small_workspace):
    at = open_page("pages/users.py", small_workspace, run=TRAINED, k="50")
    held_out = pd.read_parquet(small_workspace / "runs" / TRAINED / "held_out.parquet")
    user = _per_user(small_workspace).set_index("user_id").at[at.selectbox(key="user").value, "user"]
    shown = at.dataframe[-1].value
    assert (shown["hit"] == "✓").sum() == (held_out[held_out["user"] == user]["list_rank"] > 0).sum()
