import json
import shlex
import shutil

import numpy as np
import pandas as pd

from dssm_core.cli import main
from dssm_core.notes import write_notes
from dssm_core.runs import open_run
from dssm_core.workspace import Workspace
from tests.pages.conftest import TRAINED
from tests.sealing import reseal


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
    assert len(two.dataframe) == len(one.dataframe) + 4


def test_beside_another_run_tables_have_the_columns_that_a_laptop_has_room_for(open_page, small_workspace):
    at = open_page("pages/users.py", small_workspace, run=TRAINED, beside="popular-first")
    held_out = next(table.value for table in at.dataframe if "reason" in table.value)
    assert list(held_out) == ["hit", "rank", "reason", "title"]


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


def _chosen(at):
    return at.selectbox(key="user").value


def test_a_search_narrows_the_users_by_id_or_attribute(open_page, small_workspace):
    users = pd.read_parquet(next((small_workspace / "datasets").iterdir()) / "users.parquet").set_index("user_id")
    city = users.loc[_per_user(small_workspace)["user_id"], "city"].mode()[0]
    at = open_page("pages/users.py", small_workspace, run=TRAINED, search=city)
    assert not at.exception
    assert users.at[_chosen(at), "city"] == city
    assert any("matching users of" in caption.value for caption in at.caption)
    assert set(users.loc[at.selectbox(key="user").options, "city"]) == {city}


def test_a_search_that_matches_nobody_is_told(open_page, small_workspace):
    at = open_page("pages/users.py", small_workspace, run=TRAINED, search="no such user at all")
    assert not at.exception
    assert any("No user with held-out clicks matches" in info.value for info in at.info)


def test_a_user_who_was_not_evaluated_gets_a_list_from_the_vectors_or_is_told(open_page, small_workspace, tmp_path):
    tested = set(_per_user(small_workspace)["user_id"])
    users = pd.read_parquet(next((small_workspace / "datasets").iterdir()) / "users.parquet")["user_id"]
    stranger = next(user for user in users.iloc[1:] if user not in tested)
    told = open_page("pages/users.py", small_workspace, run=TRAINED, user=stranger)
    assert not told.exception and _chosen(told) == stranger
    assert any("baseline has no vectors" in text.value for text in told.text)
    home = with_vectors(small_workspace, tmp_path)
    shown = open_page("pages/users.py", home, run=TRAINED, search=stranger, k="5")
    assert not shown.exception and _chosen(shown) == stranger
    assert len(shown.dataframe[-1].value) == 5


def test_an_unknown_user_in_the_address_is_told_and_another_shown(open_page, small_workspace):
    at = open_page("pages/users.py", small_workspace, run=TRAINED, user="nobody")
    assert not at.exception
    assert any("User nobody is not in this dataset" in info.value for info in at.info)
    assert _chosen(at) in set(_per_user(small_workspace)["user_id"])


def test_a_cold_user_has_no_history_and_is_told_so(open_page, small_workspace):
    held_out = pd.read_parquet(small_workspace / "runs" / TRAINED / "held_out.parquet")
    cold = held_out.loc[~held_out["warm_user"], "user"]
    assert len(cold), "the tiny demo has a user without train clicks"
    users = pd.read_parquet(next((small_workspace / "datasets").iterdir()) / "users.parquet")["user_id"]
    at = open_page("pages/users.py", small_workspace, run=TRAINED, user=users[cold.iloc[0]])
    assert not at.exception
    assert any("a cold user" in text.value for text in at.text)


def test_a_run_that_is_gone_or_at_work_is_told_by_name(open_page, small_workspace, tmp_path):
    home = shutil.copytree(small_workspace, tmp_path / "home")
    shutil.copytree(home / "runs" / TRAINED, home / "runs" / "stopped")
    (home / "runs" / "stopped" / "manifest.json").unlink()
    at = open_page("pages/users.py", home, run="stopped", beside="never")
    told = " ".join(info.value for info in at.info)
    assert "Run stopped is interrupted" in told and "Run never is not in this workspace" in told
    assert not at.exception and at.selectbox(key="run").value == TRAINED


def test_negatives_of_the_user_among_the_held_out_clicks_are_told(open_page, small_workspace):
    held_out = pd.read_parquet(small_workspace / "runs" / TRAINED / "held_out.parquet")
    user = held_out.loc[held_out["drawn"] > 0, "user"].iloc[0]
    mine = held_out[held_out["user"] == user]
    id = _per_user(small_workspace).set_index("user").at[user, "user_id"]
    at = open_page("pages/users.py", small_workspace, run=TRAINED, user=id)
    assert any(f"{int(mine['drawn'].sum()):,} times in all" in text.value for text in at.text)
    assert sorted(at.dataframe[1].value["as negative"]) == sorted(mine["drawn"])


def test_a_second_run_says_what_both_recall_and_what_moved(open_page, small_workspace):
    at = open_page("pages/users.py", small_workspace, run=TRAINED, beside="popular-first", k="5")
    assert any("5 articles are in both lists, 0 only in that of" in text.value for text in at.text)
    assert any("0 higher and 0 lower" in text.value for text in at.text)


def test_an_article_in_the_address_opens_with_its_readers_lists_and_neighbours(open_page, small_workspace, tmp_path):
    home = with_vectors(small_workspace, tmp_path)
    articles = pd.read_parquet(next((home / "datasets").iterdir()) / "articles.parquet")["article_id"]
    recall = pd.read_parquet(home / "runs" / TRAINED / "recall.parquet")
    article = recall["article"].mode()[0]
    at = open_page("pages/users.py", home, run=TRAINED, article=articles[article])
    assert not at.exception
    headings = [heading.value for heading in at.subheader]
    assert "Nearest articles" in headings and any("in train" in heading for heading in headings)
    near = next(table.value for table in at.dataframe if "cosine" in table.value and "hit" not in table.value)
    assert len(near) == 10 and articles[article] not in set(near["article"])
    assert near["cosine"].is_monotonic_decreasing


def test_an_unknown_article_in_the_address_is_told(open_page, small_workspace):
    at = open_page("pages/users.py", small_workspace, run=TRAINED, article="none such")
    assert not at.exception
    assert any("is not in this dataset" in info.value for info in at.info)


def with_vectors(small_workspace, tmp_path):
    """A copy of the workspace whose trained run has vectors, at random."""
    home = shutil.copytree(small_workspace, tmp_path / "vectors")
    rng = np.random.default_rng(0)
    for side, count in (("users", 81), ("articles", 61)):
        vectors = rng.normal(size=(count, 4)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        rows = np.arange(count, dtype=np.int32)
        kept = slice(1, None) if side == "articles" else slice(None)
        np.savez(home / "runs" / TRAINED / f"{side}.npz", rows=rows[kept], vectors=vectors[kept])
    return reseal(home)


def _press(at, label):
    return next(button for button in at.button if button.label == label).click().run()


def test_next_and_previous_go_one_user_on_and_back_going_round(open_page, small_workspace):
    ids = _per_user(small_workspace)["user_id"].tolist()
    at = open_page("pages/users.py", small_workspace, run=TRAINED, user=ids[-1])
    assert _chosen(_press(at, "Next")) == ids[0]
    assert _chosen(_press(at, "Previous")) == ids[-1]
    assert _chosen(_press(at, "Previous")) == ids[-2]


def test_every_way_to_another_user_has_a_key_of_its_own(open_page, small_workspace):
    at = open_page("pages/users.py", small_workspace, run=TRAINED, beside="popular-first")
    keys = [button.proto.shortcut for button in at.button if button.proto.shortcut]
    assert sorted(keys) == ["h", "m", "n", "p", "s", "x"]


def test_swapping_puts_the_second_run_first_and_keeps_the_user(open_page, small_workspace):
    user = _per_user(small_workspace)["user_id"].iloc[-1]
    at = open_page("pages/users.py", small_workspace, run=TRAINED, beside="popular-first", user=user)
    at.button(key="swap").click().run()
    assert (at.selectbox(key="run").value, at.selectbox(key="beside").value) == ("popular-first", TRAINED)
    assert _chosen(at) == user
    assert at.query_params["run"] == "popular-first" and at.query_params["beside"] == TRAINED


def test_a_search_without_a_match_can_be_cleared(open_page, small_workspace):
    at = open_page("pages/users.py", small_workspace, run=TRAINED, search="nobody at all")
    _press(at, "Clear the search")
    assert at.text_input(key="search").value == ""
    assert at.dataframe


def test_the_address_of_a_turned_page_shows_the_same_in_a_fresh_session(open_page, small_workspace):
    at = open_page("pages/users.py", small_workspace)
    at.selectbox(key="run").set_value("popular-first").run()
    at.selectbox(key="beside").set_value(TRAINED).run()
    at.segmented_control(key="k").set_value(5).run()
    _press(at, "Next with a miss")
    fresh = open_page("pages/users.py", small_workspace, **at.query_params)
    for key in ("run", "beside", "user"):
        assert fresh.selectbox(key=key).value == at.selectbox(key=key).value
    assert fresh.segmented_control(key="k").value == 5
    assert all(one.value.equals(other.value) for one, other in zip(fresh.dataframe, at.dataframe, strict=True))


def test_the_command_line_recalls_the_list_that_is_shown(open_page, small_workspace, tmp_path, capsys):
    home = with_vectors(small_workspace, tmp_path)
    at = open_page("pages/users.py", home, run=TRAINED, k="5")
    assert main([*shlex.split(at.code[0].value)[3:], "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["run"], told["user"], len(told["recall"])) == (TRAINED, _chosen(at), 5)


def test_tags_of_a_run_stand_behind_its_name(open_page, small_workspace, tmp_path):
    home = shutil.copytree(small_workspace, tmp_path / "home")
    write_notes(open_run(Workspace(home, bundled=None), TRAINED), "", ["for the paper"])
    at = open_page("pages/users.py", home, run=TRAINED)
    assert any(option.endswith("#for the paper") for option in at.selectbox(key="run").options)
