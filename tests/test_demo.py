import json

import numpy as np
import pandas as pd
import pytest

from dssm_core import demo_words as words
from dssm_core.demo import START, write_demo
from dssm_core.demo_world import DAY, TOPICS, Feed, plant
from dssm_core.errors import UserError

FILES = ("train_data.txt", "user_info.txt", "doc_info.txt", "truth.json")
COLUMNS = ["user_id", "article_id", "expo_time", "net_status", "flush_nums", "expo_position", "click", "duration"]
SMALL = [(20, 20, 1, None), (20, 20, 2, None), (20, 300, 3, 150), (50, 200, 40, 2_000), (200, 2_000, 2, 9_000)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    truth = write_demo(folder, users=1_500, articles=3_000, days=4, seed=5)
    return folder, truth


@pytest.fixture(scope="module")
def log(demo):
    accepted, _ = recount_log(demo[0])
    return accepted


def split_lines(path) -> list[list[str]]:
    text = path.read_text(encoding="utf-8")
    assert text.endswith("\n") and "\r" not in text
    return [line.split("\t") for line in text[:-1].split("\n")]


def recount_log(folder) -> tuple[pd.DataFrame, dict]:
    """Clean the log the slow and plain way: the accepted rows with their articles, and the count of each reason."""
    ctimes = {row[0]: int(row[2]) for row in recount_articles(folder)[0]}
    accepted, known, counts = [], set(), dict.fromkeys(("ragged row", "missing id", "bad time", "bad click"), 0)
    counts |= {"duplicate": 0, "created after exposure": 0}
    for row in split_lines(folder / "train_data.txt"):
        reason = log_reason(row, known, ctimes)
        if reason:
            counts[reason] += 1
        else:
            known.add((row[0], row[1], row[2]))
            accepted.append(row)
    frame = pd.DataFrame(accepted, columns=COLUMNS)
    numbers = frame.columns[2:]
    frame[numbers] = frame[numbers].astype("int64")
    frame["ctime"] = frame["article_id"].map(ctimes)
    return frame, counts


def log_reason(row, known, ctimes) -> str:
    if len(row) != 8:
        return "ragged row"
    if not row[0] or not row[1]:
        return "missing id"
    if not row[2].isdigit():
        return "bad time"
    if row[6] not in ("0", "1"):
        return "bad click"
    if (row[0], row[1], row[2]) in known:
        return "duplicate"
    return "created after exposure" if ctimes.get(row[1], 0) > int(row[2]) else ""


def recount_articles(folder) -> tuple[list[list[str]], dict]:
    rows = split_lines(folder / "doc_info.txt")
    whole = [row for row in rows if len(row) == 7]
    named = [row for row in whole if row[0]]
    timed = [row for row in named if row[2].isdigit()]
    first = list({row[0]: row for row in timed}.values())
    counts = {
        "ragged row": len(rows) - len(whole),
        "missing id": len(whole) - len(named),
        "bad time": len(named) - len(timed),
        "duplicate": len(timed) - len(first),
    }
    return first, counts


def recount_users(folder) -> tuple[list[list[str]], dict]:
    rows = split_lines(folder / "user_info.txt")
    whole = [row for row in rows if len(row) == 7]
    named = [row for row in whole if row[0]]
    first = list({row[0]: row for row in named}.values())
    counts = {"ragged row": len(rows) - len(whole), "missing id": len(whole) - len(named)}
    return first, {**counts, "duplicate": len(named) - len(first)}


def check_counts(folder, truth):
    for table, file, recount in (
        ("exposures", "train_data.txt", recount_log),
        ("users", "user_info.txt", recount_users),
        ("articles", "doc_info.txt", recount_articles),
    ):
        accepted, set_aside = recount(folder)
        told = truth[table]
        assert told["set_aside"] == set_aside
        assert told["accepted"] == len(accepted)
        assert told["rows_in"] == len(split_lines(folder / file)) == len(accepted) + sum(set_aside.values())


def test_the_truth_counts_what_is_in_the_files(demo):
    folder, truth = demo
    check_counts(folder, truth)
    assert truth == json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    assert all(
        count > 0 for table in ("exposures", "users", "articles") for count in truth[table]["set_aside"].values()
    )


@pytest.mark.parametrize(("users", "articles", "days", "exposures"), SMALL)
def test_any_size_counts_exactly(tmp_path, users, articles, days, exposures):
    truth = write_demo(tmp_path, users, articles, days, seed=1, exposures=exposures)
    check_counts(tmp_path, truth)
    assert 0 < truth["exposures"]["accepted"] <= truth["sizes"]["exposures"]


def test_as_many_exposures_are_accepted_as_were_asked_for(tmp_path, demo):
    assert demo[1]["exposures"]["accepted"] == 1_500 * 4 * 17
    assert write_demo(tmp_path, 100, 1_000, 2, seed=0, exposures=777)["exposures"]["accepted"] == 777


def test_the_same_seed_writes_the_same_bytes_and_another_seed_does_not(tmp_path):
    for name, seed in (("one", 3), ("again", 3), ("other", 4)):
        write_demo(tmp_path / name, 40, 60, 2, seed)
    for file in FILES:
        one, again, other = ((tmp_path / name / file).read_bytes() for name in ("one", "again", "other"))
        assert one == again
        assert one != other


def test_writing_again_overwrites_and_leaves_nothing_beside(tmp_path):
    write_demo(tmp_path, 40, 60, 2, seed=1)
    truth = write_demo(tmp_path, 30, 50, 1, seed=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    check_counts(tmp_path, truth)


def test_the_told_oddities_are_in_the_files(demo, log):
    folder, truth = demo
    assert truth["exposures"]["clicks"] == log["click"].sum()
    assert truth["exposures"]["negative durations"] == (log["duration"] < 0).sum() > 0
    users, _ = recount_users(folder)
    assert truth["users"]["empty attributes"] == sum(not any(row[1:]) for row in users) > 0
    lost = (
        truth["users"]["missing"]
        + truth["users"]["set_aside"]["ragged row"]
        + truth["users"]["set_aside"]["missing id"]
    )
    assert len(users) == 1_500 - lost
    articles, _ = recount_articles(folder)
    assert truth["articles"]["quote in title"] == sum(row[1].startswith('"') for row in articles) > 0


def test_log_times_lie_in_the_days_told(log):
    assert log["expo_time"].between(START, START + 4 * DAY - 1).all()
    assert log.groupby((log["expo_time"] - START) // DAY).size().tolist() == [1_500 * 17] * 4


def test_ids_look_like_the_real_ones(log):
    assert log["user_id"].str.fullmatch(r"1\d{9}").all()
    assert log["article_id"].str.fullmatch(r"4\d{8}").all()


def test_duration_is_for_clicks_only(log):
    assert (log["duration"][log["click"] == 0] == 0).all()
    assert (log["duration"][log["click"] == 1] != 0).all()


def test_about_a_tenth_is_clicked_every_day(log):
    rates = log.groupby((log["expo_time"] - START) // DAY)["click"].mean()
    assert rates.between(0.08, 0.12).all()


def test_higher_positions_are_clicked_more(log):
    rates = log.groupby(pd.cut(log["expo_position"], [-1, 0, 3, 8, 20]), observed=True)["click"].mean()
    assert rates.is_monotonic_decreasing
    assert rates.iloc[0] > 1.5 * rates.iloc[-1]


def test_popularity_and_activity_have_long_tails(log):
    exposures = log["article_id"].value_counts()
    assert exposures.iloc[: len(exposures) // 10].sum() > 0.35 * len(log)
    assert log["user_id"].value_counts().max() > 8 * 17 * 4


def test_exposures_go_to_fresh_articles(log):
    age = ((log["expo_time"] - log["ctime"]) / DAY).dropna()
    assert (age >= 0).all()
    assert 0.3 < age.median() < 1
    assert (age < 2).mean() > 0.85


def test_some_exposures_are_of_articles_without_a_good_row(log):
    assert 0 < log["ctime"].isna().mean() < 0.1


def test_titles_speak_of_their_category_and_sub_cate(demo):
    for _, title, _, _, cate, sub_cates, _ in recount_articles(demo[0])[0]:
        own, *others = sub_cates.split("/")
        subjects, aspects = (text.split() for text in words.TOPICS[cate][own])
        assert any(word in title for word in subjects)
        assert any(word in title for word in aspects)
        assert set(others) <= set(words.TOPICS[cate]) - {own}


def test_titles_vary(demo):
    titles = [row[1] for row in recount_articles(demo[0])[0]]
    assert len(set(titles)) > 0.9 * len(titles)


def test_key_words_hold_separators_inside_words_here_and_there(demo):
    key_words = pd.Series([row[6] for row in recount_articles(demo[0])[0]])
    assert key_words.str.fullmatch(r"\^.+:\d\.\d\d").all()
    assert key_words.str.contains("|".join(words.ODD_KEY_WORDS).replace("+", r"\+")).any()


def test_shifted_rows_look_like_user_rows(demo):
    shifted = [row for row in split_lines(demo[0] / "doc_info.txt") if len(row) == 7 and row[2] in ("", "Android")]
    assert {row[2] for row in shifted} == {"", "Android"}
    assert all(row[3] in words.CITIES and row[5].startswith("A_0_24:") for row in shifted if row[0])


def test_users_live_in_cities_of_their_province(demo):
    for _, device, os, province, city, age, gender in recount_users(demo[0])[0]:
        if os:
            assert device in words.DEVICES[os].split()
            assert city in words.CITIES[province].split()
            assert sum(float(pair.split(":")[1]) for pair in age.split(",")) == pytest.approx(1, abs=1e-5)
            assert [pair.split(":")[0] for pair in gender.split(",")] == list(words.GENDERS)


def test_every_pattern_has_a_subject_and_an_aspect():
    assert set(words.TEMPLATES) == set(words.TOPICS) == set(words.CATEGORIES)
    assert all("{a}" in pattern and "{b}" in pattern for patterns in words.TEMPLATES.values() for pattern in patterns)
    assert sum(share for share, _, _ in words.CATEGORIES.values()) == pytest.approx(1)


def test_users_click_what_suits_their_tastes(rng):
    world = plant(rng, 500, 2_000, START, 2)
    rows = Feed(world).day(rng, 0, 8_000)
    match = world.taste_match(rows["user"], rows["article"])
    assert rows["click"][match > 0.5].mean() > 3 * rows["click"][match == 0].mean()


def test_an_unclicked_exposure_suits_its_user_better_than_a_random_article(rng):
    world = plant(rng, 500, 2_000, START, 2)
    rows = Feed(world).day(rng, 0, 8_000)
    user, article = (rows[name][rows["click"] == 0] for name in ("user", "article"))
    assert world.taste_match(user, article).mean() > 2 * world.taste_match(user, rng.permutation(2_000)[article]).mean()


def test_tastes_follow_age_and_gender(rng):
    users = plant(rng, 4_000, 100, START, 1).users
    cate = np.array([cate for cate, _ in TOPICS])[users.tastes[:, 0]]
    assert (cate[users.female] == "美食").mean() > 2 * (cate[~users.female] == "美食").mean()
    assert (cate[users.age == 3] == "健康").mean() > 2 * (cate[users.age == 0] == "健康").mean()


@pytest.mark.parametrize(
    ("sizes", "named"),
    [
        ((1, 100, 2, 0), "users=1"),
        ((100, 3, 2, 0), "articles=3"),
        ((100, 100, 30, 0), "articles=100"),
        ((100, 100, 0, 0), "days=0"),
        ((100, 100, 2, -1), "seed=-1"),
        ((100, 100, 2, 0, 5), "exposures=5"),
    ],
)
def test_silly_sizes_are_refused_by_name(tmp_path, sizes, named):
    with pytest.raises(UserError, match=named):
        write_demo(tmp_path / "demo", *sizes)
    assert not (tmp_path / "demo").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match="cannot write the demo into"):
            write_demo(folder, 20, 20, 1, seed=0)
