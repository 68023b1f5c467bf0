from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dssm_core.errors import UserError
from dssm_core.ingest import ingest
from dssm_core.input_files import TextOptions
from dssm_core.stored_files import read_json
from dssm_core.workspace import Workspace, load_dataset

DATA = Path(__file__).parents[1].parent / "shared" / "data"
NOON = 1_624_852_800_000  # 2021-06-28 12:00 in Asia/Shanghai


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "home", bundled=None)


def write(path, rows, separator="\t"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(separator.join(map(str, row)) + "\n" for row in rows), encoding="utf-8", newline="")
    return path


def log_row(user, article, time, click=0, position=3, duration=0):
    return user, article, time, 5, 0, position, click, duration


def set_aside(workspace, report, table="exposures"):
    rows = pd.read_parquet(workspace.dataset_folder(report["dataset"]) / "set_aside.parquet")
    rows = rows[rows["table"] == table].sort_values("line")
    return list(zip(rows["line"], rows["reason"], rows["text"], strict=True))


def ids(dataset):
    """The exposures as (user_id, article_id) pairs."""
    users, articles = dataset.users["user_id"].to_numpy(), dataset.articles["article_id"].to_numpy()
    return list(zip(users[dataset.exposures.user], articles[dataset.exposures.article], strict=True))


def test_a_yidian_dataset_is_read_with_all_its_tables(tmp_path, workspace):
    log = write(
        tmp_path / "log.txt",
        [
            log_row("u2", "a9", NOON + 5, 1, "x", -7),
            log_row("u1", "a1", NOON, 1),
            log_row("u1", "a2", NOON - 9),
        ],
    )
    users = write(
        tmp_path / "users.txt",
        [("u1", "vivo", "Android", "", "上海", "A_0_24:0.2,A_40+:0.8", "oops"), ("u7", "", "", "", "", "", "")],
    )
    articles = write(
        tmp_path / "doc.txt",
        [("a1", '标"题', NOON - 99, 2, "体育", "体育/足球", "^词:1,a:b:2"), ("a2", "", NOON - 99, 2, "", "", "")],
    )
    report = ingest(workspace, "yidian", log, users, articles, name="mine")
    dataset = load_dataset(workspace, report["dataset"])
    assert report == dataset.report == read_json(workspace.dataset_folder(dataset.id) / "report.json")
    assert {key: report[key] for key in ("rows_in", "accepted", "set_aside", "users", "articles", "clicks")} == {
        "rows_in": 3,
        "accepted": 3,
        "set_aside": {},
        "users": 3,
        "articles": 3,
        "clicks": 2,
    }
    assert (report["first_time"], report["last_time"], report["days"]) == (NOON - 9, NOON + 5, 1)
    assert report["time_unit"] == "milliseconds"
    assert [(table, len(files)) for table, files in report["files"].items()] == [
        ("exposures", 1),
        ("users", 1),
        ("articles", 1),
    ]
    assert report["files"]["exposures"][0]["name"] == "log.txt"
    assert report["tables"]["users"] == {"rows_in": 2, "accepted": 2, "set_aside": {}}
    assert (dataset.name, dataset.format, dataset.timezone) == ("mine", "yidian", "Asia/Shanghai")
    assert dataset.users["user_id"].tolist() == ["", "u1", "u7", "u2"]
    assert dataset.users["age"].tolist() == ["unknown", "A_40+", "unknown", "unknown"]
    assert dataset.users["gender"].tolist() == ["unknown"] * 4
    assert dataset.users["city"].tolist() == ["unknown", "上海", "unknown", "unknown"]
    assert dataset.articles["article_id"].tolist() == ["", "a1", "a2", "a9"]
    assert dataset.articles["title"].tolist() == ["", '标"题', "", ""]
    assert dataset.articles["sub_cate"].tolist() == ["unknown", "体育/足球", "unknown", "unknown"]
    assert dataset.ctime.tolist() == [0, NOON - 99, NOON - 99, 0]
    assert ids(dataset) == [("u1", "a2"), ("u1", "a1"), ("u2", "a9")]
    assert dataset.exposures.time.tolist() == [NOON - 9, NOON, NOON + 5]
    assert dataset.exposures.click.tolist() == [False, True, True]
    assert dataset.exposures.extra["expo_position"].tolist() == [3, 3, -1]
    assert dataset.exposures.extra["duration"].tolist() == [0, 0, -7]


def test_every_kind_of_dirt_is_set_aside_with_its_reason_line_and_text(tmp_path, workspace):
    log = write(
        tmp_path / "log.txt",
        [
            log_row("u1", "a1", NOON),
            ("u1", "a1"),
            log_row("", "a1", NOON),
            log_row("u1", "a1", "Android"),
            log_row("u1", "a1", NOON, "yes"),
            log_row("u1", "a1", NOON - 50, 1),
            log_row("u1", "a1", NOON, 1),
            log_row("u1", "a1", NOON, 1),
            log_row("u1", "shifted", NOON),
        ],
    )
    articles = write(
        tmp_path / "doc.txt",
        [
            ("a1", "t", NOON - 10, 2, "c", "s", "k"),
            ("shifted", "Android", "", "上海", "c", "A_0_24:1", "k"),
            ("a1", "again", NOON - 10, 2, "c", "s", "k"),
            ("", "t", NOON, 2, "c", "s", "k"),
            ("short",),
        ],
    )
    users = write(tmp_path / "users.txt", [("u1",) * 7, ("u1",) * 7, ("", *"abcdef"), ("u1",)])
    report = ingest(workspace, "yidian", log, users, articles)
    assert report["set_aside"] == {
        "ragged row": 1,
        "missing id": 1,
        "bad time": 1,
        "bad click": 1,
        "created after exposure": 1,
        "duplicate": 2,
    }
    assert (report["rows_in"], report["accepted"]) == (9, 2)
    found = set_aside(workspace, report)
    assert [row[:2] for row in found] == [
        (1, "duplicate"),
        (2, "ragged row"),
        (3, "missing id"),
        (4, "bad time"),
        (5, "bad click"),
        (6, "created after exposure"),
        (8, "duplicate"),
    ]
    assert found[0][2] == f"u1\ta1\t{NOON}\t5\t0\t3\t0\t0"
    assert found[1][2] == "u1\ta1"
    assert report["tables"]["articles"]["set_aside"] == {
        "ragged row": 1,
        "missing id": 1,
        "bad time": 1,
        "duplicate": 1,
    }
    assert report["tables"]["users"]["set_aside"] == {"ragged row": 1, "missing id": 1, "duplicate": 1}
    assert [row[0] for row in set_aside(workspace, report, "articles")] == [2, 3, 4, 5]
    dataset = load_dataset(workspace, report["dataset"])
    assert ids(dataset) == [("u1", "a1"), ("u1", "shifted")]
    assert dataset.exposures.click.tolist() == [True, False]
    assert dataset.articles["title"].tolist() == ["", "t", ""]


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_always_add_up(tmp_path, workspace, data):
    field = st.one_of(
        st.sampled_from(["", "u1", "a1", "0", "1", str(NOON), "NA", "A:1", "上海"]),
        st.text(st.characters(codec="utf-8", exclude_characters="\t\r\n"), max_size=4),
    )
    dirty = st.one_of(
        # a log most of whose rows have 9 fields is one with an index column, and then the others are the ragged ones
        st.lists(field, min_size=1, max_size=10).filter(lambda row: len(row) != 9),
        st.tuples(st.sampled_from("uv"), st.sampled_from("ab"), st.sampled_from([NOON, NOON + 1, ""])).map(
            lambda ids: log_row(*ids, 1)
        ),
    )
    rows = [row for row in data.draw(st.lists(dirty, max_size=12)) if len(row) > 1 or row[0]]
    where = data.draw(st.integers(0, len(rows)))
    rows.insert(where, log_row("sure", "thing", NOON, 1))
    log = write(tmp_path / "log.txt", rows)
    articles = write(tmp_path / "doc.txt", [("a", "t", NOON + 1, 1, "c", "s", "k"), *rows])
    # fields of arbitrary characters look like many encodings
    report = ingest(workspace, "yidian", log, articles=articles, text=TextOptions("utf-8"))
    assert report["rows_in"] == len(rows)
    for table in (report, *report["tables"].values()):
        assert table["rows_in"] == table["accepted"] + sum(table["set_aside"].values())
    assert report["tables"]["articles"]["rows_in"] == len(rows) + 1
    found = set_aside(workspace, report)
    assert len(found) == sum(report["set_aside"].values())
    assert all("\t".join(map(str, rows[line - 1])) == text for line, _, text in found)
    dataset = load_dataset(workspace, report["dataset"])
    assert len(dataset.exposures) == report["accepted"]
    order = np.lexsort([dataset.exposures.time, dataset.exposures.user])
    assert order.tolist() == list(range(len(order)))


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1), min_size=1))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ids_survive_byte_for_byte(tmp_path, workspace, names):
    path = tmp_path / "log.parquet"
    pd.DataFrame({"user_id": names, "article_id": names}).to_parquet(path)
    dataset = load_dataset(workspace, ingest(workspace, "generic", path)["dataset"])
    assert dataset.users["user_id"].tolist() == ["", *dict.fromkeys(names)]
    assert dataset.articles["article_id"].tolist() == ["", *dict.fromkeys(names)]


def test_a_generic_log_without_times_or_clicks_is_all_clicks(tmp_path, workspace):
    log = write(tmp_path / "log.csv", [("uid", "article_id"), ("007", "1e5"), ("7", "1e5"), ("007", "1e5")], ",")
    report = ingest(workspace, "generic", log, mapping={"user_id": "uid"})
    dataset = load_dataset(workspace, report["dataset"])
    assert (report["accepted"], report["clicks"], report["set_aside"]) == (2, 2, {"duplicate": 1})
    assert (report["days"], report["time_unit"], report["first_time"], report["last_time"]) == (None,) * 4
    assert dataset.exposures.time is None
    assert (dataset.timezone, dataset.name) == ("UTC", "log.csv")
    assert ids(dataset) == [("007", "1e5"), ("7", "1e5")]
    assert dataset.articles.columns.tolist() == ["article_id", "ctime"]


def test_mapped_columns_a_rule_and_attributes(tmp_path, workspace):
    log = write(
        tmp_path / "log.csv",
        [
            ("user", "movie", "rating", "at", "set"),
            ("u", "m1", 4.5, "2023-11-21 00:41:57", "train"),
            ("u", "m2", 3, "2023-11-21T00:42:00+01:00", "test"),
            ("u", "m3", 5, "2023-11-21 00:43:00", "elsewhere"),
        ],
        ",",
    )
    movies = write(tmp_path / "m.csv", [("movie", "title", "genres"), ("m1", "T", "a|b"), ("m9", "U", "")], ",")
    mapping = {"user_id": "user", "article_id": "movie", "expo_time": "at", "split": "set"}
    report = ingest(
        workspace, "generic", log, articles=movies, mapping=mapping, click="rating>=4", timezone="Europe/Zurich"
    )
    dataset = load_dataset(workspace, report["dataset"])
    assert (report["clicks"], report["set_aside"], report["time_unit"]) == (1, {"bad split": 1}, "date-times")
    assert dataset.exposures.time.tolist() == [1_700_523_717_000, 1_700_523_720_000]
    assert dataset.exposures.extra["split"].tolist() == ["train", "test"]
    assert dataset.article_attributes == ["genres"]
    assert dataset.articles["genres"].tolist() == ["unknown", "a|b", "unknown", "unknown"]
    assert dataset.articles["title"].tolist() == ["", "T", "U", ""]


def test_a_second_log_is_the_test(tmp_path, workspace):
    header = ("user_id", "article_id", "expo_time")
    train = write(tmp_path / "train.csv", [header, ("u", "a", 100), ("u", "b", 101)], ",")
    test = write(tmp_path / "test.csv", [header, ("u", "c", 200), ("u", "a", 100), ("", "c", 1)], ",")
    report = ingest(workspace, "generic", train, test_exposures=test)
    dataset = load_dataset(workspace, report["dataset"])
    assert (report["rows_in"], report["set_aside"]) == (5, {"missing id": 1, "duplicate": 1})
    assert [row for row in set_aside(workspace, report) if row[1] == "duplicate"] == [(3, "duplicate", "u\ta\t100")]
    assert dataset.exposures.extra["split"].tolist() == ["train", "train", "test"]


def test_a_log_may_mark_rows_as_history(tmp_path, workspace):
    rows = [
        ("user_id", "article_id", "expo_time", "history"),
        ("u", "a", 100, 1),
        ("u", "b", 101, 0),
        ("u", "c", 1, "?"),
    ]
    report = ingest(workspace, "generic", write(tmp_path / "log.csv", rows, ","))
    assert report["set_aside"] == {"bad history": 1}
    assert load_dataset(workspace, report["dataset"]).exposures.history.tolist() == [True, False]


def test_rows_of_another_unit_are_set_aside_and_the_report_says_how_times_were_read(tmp_path, workspace):
    header = ("user_id", "article_id", "expo_time")
    rows = [("u", "a", NOON), ("u", "b", NOON // 1000), ("u", "c", NOON + 1), ("u", "d", "2021-06-28T12:00:00Z")]
    log = write(tmp_path / "log.csv", [header, ("u", "z", 0), ("u", "z", ""), *rows], ",")
    created = [("article_id", "ctime"), ("a", "2021-06-28 11:00:00"), ("b", "2021-06-28T03:00:00Z"), ("c", "")]
    articles = write(tmp_path / "a.csv", created, ",")
    report = ingest(workspace, "generic", log, articles=articles, timezone="Asia/Shanghai")
    assert (report["accepted"], report["set_aside"]) == (2, {"bad time": 4})
    assert report["times"] == {
        "expo_time": "milliseconds",
        "ctime": "date-times, 1 of 2 without a zone: those in Asia/Shanghai",
    }
    dataset = load_dataset(workspace, report["dataset"])
    assert dataset.exposures.time.tolist() == [NOON, NOON + 1]
    assert dataset.ctime[:3].tolist() == [0, NOON - 3_600_000, NOON - 3_600_000]


def test_a_parquet_timestamp_is_its_instant_though_its_zone_is_not_whole_minutes_from_utc(tmp_path, workspace):
    instant = 60_629_835_375  # in 1971, when Monrovia was 44 minutes and 30 seconds behind
    times = pa.array([instant], pa.timestamp("ms", "Africa/Monrovia"))
    pq.write_table(pa.table({"user_id": ["u"], "article_id": ["a"], "expo_time": times}), tmp_path / "log.parquet")
    report = ingest(workspace, "generic", tmp_path / "log.parquet")
    assert report["first_time"] == instant


def test_two_logs_must_both_have_times(tmp_path, workspace):
    train = write(tmp_path / "train.csv", [("user_id", "article_id", "expo_time"), ("u", "a", 100)], ",")
    test = write(tmp_path / "test.csv", [("user_id", "article_id"), ("u", "c")], ",")
    with pytest.raises(UserError, match="has expo_time: both or none"):
        ingest(workspace, "generic", train, test_exposures=test)


def test_progress_goes_through_reading_sorting_and_the_second_look_to_the_end(tmp_path, workspace):
    log = write(tmp_path / "log.txt", [log_row("u", "a", NOON, 1), log_row("u", "a", NOON, 1)])
    users = write(tmp_path / "users.txt", [("u",) * 7])
    seen = []
    ingest(workspace, "yidian", log, users, progress=lambda done, total: seen.append((done, total)))
    totals = {total for _, total in seen}
    done = [done for done, _ in seen]
    assert done == sorted(done) and len(totals) == 1
    assert done[-1] == totals.pop() > done[-2]
    read = log.stat().st_size + users.stat().st_size
    assert read in done and len([work for work in set(done) if work > read]) >= 3


GOOD = [("user_id", "article_id", "click"), ("u", "a", 1)]


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (GOOD, {"timezone": "Mars/Olympus"}, "unknown timezone 'Mars/Olympus'"),
        (GOOD, {"timezone": "../etc"}, "unknown timezone"),
        (GOOD, {"format": "csv"}, "unknown format 'csv': one of"),
        (GOOD, {"format": "yidian", "click": "a==1"}, "fixed columns"),
        (GOOD, {"format": "yidian", "text": TextOptions(separator=";")}, "fixed separator"),
        (GOOD, {"mapping": {"usr": "u"}}, "unknown canonical column 'usr': one of"),
        (GOOD, {"mapping": {"users.title": "t"}}, "unknown canonical column 'users.title': one of"),
        (GOOD, {"mapping": {"users.user_id": "usr"}}, "no table has a column 'usr' to take as users.user_id"),
        (GOOD, {"mapping": {"user_id": "usr"}}, "no table has a column 'usr' to take as user_id"),
        (GOOD, {"mapping": {"title": "t"}}, "no table has a column 't' to take as title"),
        (GOOD, {"mapping": {"expo_time": "t"}}, "no column 't'"),
        (GOOD, {"click": "rating>=4"}, "no column 'rating'"),
        (GOOD, {"click": "click>1"}, "the click rule holds of no row"),
        (GOOD, {"click": "click==1", "mapping": {"click": "click"}}, "both mapped to a column and given by a rule"),
        (GOOD, {"users": "gone.csv"}, "no such file"),
        ([GOOD[0], ("u", "a", 0)], {}, "no row is a click"),
        ([GOOD[0], ("u", "a", "x")], {}, r"every row of .* was set aside \(bad click: 1\)"),
        (GOOD[:1], {}, "holds no rows"),
        ([], {}, "is empty"),
    ],
)
def test_what_makes_no_dataset_is_refused_and_leaves_nothing_behind(tmp_path, workspace, rows, options, message):
    log = write(tmp_path / "log.csv", rows, ",")
    with pytest.raises(UserError, match=message):
        ingest(workspace, **{"format": "generic", "exposures": log, **options})
    assert not list(workspace.home.glob("datasets/*"))


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("share", [0, 0.5, 0.8, 0.95, 1])
def test_an_ingest_stopped_in_any_phase_leaves_nothing_behind(tmp_path, workspace, error, share):
    log = write(tmp_path / "log.txt", [log_row("u", "a", NOON, 1)] * 3)

    def interrupt(done, total):
        if done >= share * total:
            raise error

    with pytest.raises(error):
        ingest(workspace, "yidian", log, progress=interrupt)
    assert not [path for path in workspace.home.rglob("*") if path != workspace.home / "datasets"]


def shared(name):
    if not (DATA / name).exists():
        pytest.skip(f"the real data {name} is not here")
    return DATA / name


def test_each_table_s_files_may_be_read_in_their_own_way(tmp_path, workspace):
    log = write(tmp_path / "log.txt", [("user_id", "article_id"), ("u", "a")], ";")
    users = write(tmp_path / "users.txt", [("user_id", "city, canton"), ("u", "Chur, GR")], "|")
    texts = {"exposures": TextOptions(separator=";"), "users": TextOptions(separator="|")}
    report = ingest(workspace, "generic", log, users=users, texts=texts)
    assert load_dataset(workspace, report["dataset"]).users["city, canton"].tolist() == ["unknown", "Chur, GR"]
    assert [report["files"][table][0]["separator"] for table in texts] == [";", "|"]


def test_a_mapping_may_differ_by_table_and_leave_columns_out(tmp_path, workspace):
    log = write(tmp_path / "log.csv", [("uid", "item", "click", "split"), ("u", "a", "often", "left")], ",")
    users = write(tmp_path / "users.csv", [("reader", "city", "age"), ("u", "Chur", "30")], ",")
    mapping = {"exposures.user_id": "uid", "users.user_id": "reader", "article_id": "item", "users.age": ""}
    report = ingest(workspace, "generic", log, users=users, mapping=mapping | {"click": "", "split": ""})
    assert (report["accepted"], report["clicks"]) == (1, 1)
    dataset = load_dataset(workspace, report["dataset"])
    assert dataset.users.to_dict("list") == {"user_id": ["", "u"], "city": ["unknown", "Chur"]}
    assert "split" not in dataset.exposures.extra


def test_the_yidian_sample_is_read_by_a_mapping(workspace):
    mapping = {
        "user_id": "userId",
        "article_id": "itemId",
        "expo_time": "showTime",
        "net_status": "network",
        "flush_nums": "refresh",
        "expo_position": "showPos",
    }
    log = shared("yidian_sample/yidian_news_sampled.csv")
    report = ingest(workspace, "generic", log, users=log, mapping=mapping, timezone="Asia/Shanghai")
    assert (report["rows_in"], report["users"], report["articles"]) == (1000, 2, 979)
    assert report["tables"]["users"]["set_aside"] == {"duplicate": 998}
    dataset = load_dataset(workspace, report["dataset"])
    raw = pd.read_csv(log, dtype=str).drop_duplicates(["userId", "itemId", "showTime"])
    assert sorted(ids(dataset)) == sorted(zip(raw["userId"], raw["itemId"], strict=True))
    assert set(dataset.exposures.time) == set(raw["showTime"].astype("int64"))


def test_idea_answers_are_clicks_unless_retracted(workspace):
    mapping = {"user_id": "informfully_id", "article_id": "articleId", "expo_time": "createdAt"}
    report = ingest(
        workspace,
        "generic",
        shared("idea/ratings.csv"),
        users=shared("idea/users.csv"),
        mapping=mapping,
        click="articleAnswer==1 & removedAt==NA",
        timezone="Europe/Zurich",
    )
    assert report["rows_in"] == 28382 == report["accepted"] + sum(report["set_aside"].values())
    assert set(report["set_aside"]) == {"duplicate"}
    assert report["time_unit"] == "date-times"
    raw = pd.read_csv(DATA / "idea/ratings.csv", dtype=str, keep_default_na=False)
    raw["click"] = (raw["articleAnswer"] == "1") & (raw["removedAt"] == "NA")
    same = raw.groupby(["informfully_id", "articleId", "createdAt"])["click"]
    assert (report["accepted"], report["clicks"]) == (same.ngroups, int(same.any().sum()))


def test_movielens_ratings_are_read_with_their_genres(workspace):
    report = ingest(
        workspace,
        "generic",
        shared("ml_latest_small/ratings.csv"),
        articles=shared("ml_latest_small/movies.csv"),
        mapping={"user_id": "userId", "article_id": "movieId", "expo_time": "timestamp"},
        click="rating>=4",
    )
    assert (report["accepted"], report["users"], report["articles"]) == (100_004, 671, 9125)
    assert report["time_unit"] == "seconds"
    dataset = load_dataset(workspace, report["dataset"])
    movie = dataset.articles.set_index("article_id").loc["11"]
    assert (movie["title"], movie["genres"]) == ("American President, The (1995)", "Comedy|Drama|Romance")


def test_a_rule_over_a_column_that_is_not_there_names_those_that_are_in_a_file_worked_out_of_another(
    tmp_path, workspace
):
    log = tmp_path / "ratings.dat"
    log.write_text("1::2::5::978300760\n")
    with pytest.raises(UserError, match=r"no column 'stars' in .*ratings.dat: it has 'userId', 'movieId', 'rating'"):
        ingest(workspace, "movielens", log, click="stars>=4")
