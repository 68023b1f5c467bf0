import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dssm_core import derived_file
from dssm_core.errors import UserError
from dssm_core.format_ebnerd import open_ebnerd, users_told_by
from dssm_core.ingest import ingest
from dssm_core.workspace import Workspace, load_dataset
from tests.format_samples import impressions, write_ebnerd
from tests.reading import read_table

AT = datetime.datetime(2023, 5, 21, 21, 6, 50)


def behaviors(path, rows, **more):
    """rows of (user, in view, clicked)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    users, shown, clicked = zip(*rows, strict=True) if rows else ((), (), ())
    columns = {
        "impression_id": pa.array(range(len(rows)), pa.uint32()),
        "impression_time": pa.array([AT] * len(rows), pa.timestamp("us")),
        "article_ids_inview": pa.array(shown, pa.list_(pa.int32())),
        "article_ids_clicked": pa.array(clicked, pa.list_(pa.int32())),
        "user_id": pa.array(users, pa.uint32()),
        **more,
    }
    pq.write_table(pa.table({name: column for name, column in columns.items() if column is not None}), path)
    return path


def history(path, users, articles, times):
    columns = {
        "user_id": pa.array(users, pa.uint32()),
        "article_id_fixed": pa.array(articles, pa.list_(pa.int32())),
        "impression_time_fixed": pa.array(times, pa.list_(pa.timestamp("us"))),
    }
    pq.write_table(pa.table(columns), path)
    return path


def exposures(tmp_path, rows, **more):
    return open_ebnerd(behaviors(tmp_path / "behaviors.parquet", rows, **more), "exposures", {})


def test_an_impression_unfolds_into_an_exposure_for_each_article_in_view(tmp_path):
    rows, lines, unread, texts = read_table(exposures(tmp_path, [(7, [1, 2, 3], [2]), (None, [4], [])]))
    assert [(row["user_id"], row["article_id"], row["click"], row["expo_position"]) for row in rows] == [
        ("7", "1", "0", "1"),
        ("7", "2", "1", "2"),
        ("7", "3", "0", "3"),
        ("", "4", "0", "1"),
    ]
    assert rows[0]["expo_time"].startswith("2023-05-21 21:06:50")
    assert (lines, unread) == ([1, 2, 3, 4], [])
    assert texts[1].startswith("0\t7\t2023-05-21 21:06:50") and texts[1].endswith("\t2\t1")


def test_an_article_clicked_out_of_view_is_an_exposure_without_a_place(tmp_path):
    rows, *_ = read_table(exposures(tmp_path, [(7, [1], [9, 1]), (8, [9], [])]))
    assert [(row["user_id"], row["article_id"], row["click"], row["expo_position"]) for row in rows] == [
        ("7", "1", "1", "1"),
        ("7", "9", "1", ""),
        ("8", "9", "0", "1"),
    ]


def test_an_impression_of_nothing_is_set_aside_whole(tmp_path):
    rows, _, unread, _ = read_table(exposures(tmp_path, [(7, [], []), (7, None, None), (7, [], [5])]))
    assert [row["article_id"] for row in rows] == ["5"]
    assert [(one.line, one.reason) for one in unread] == [(1, "empty list"), (2, "empty list")]
    assert unread[0].text.startswith("0\t")


def test_a_missing_article_in_a_list_is_an_exposure_without_an_id(tmp_path):
    rows, _, unread, _ = read_table(exposures(tmp_path, [(7, [1, None], [1, None]), (7, [2], [None, 2])]))
    assert [(row["article_id"], row["click"]) for row in rows] == [("1", "1"), ("", "1"), ("2", "1"), ("", "1")]
    assert not unread


def test_the_history_has_its_own_times(tmp_path):
    earlier = AT - datetime.timedelta(days=20)
    path = history(tmp_path / "history.parquet", [7, 8], [[3, 1], []], [[earlier, AT], []])
    rows, _, unread, _ = read_table(open_ebnerd(path, "history", {}))
    assert [(row["user_id"], row["article_id"], row["expo_time"][:19]) for row in rows] == [
        ("7", "3", "2023-05-01 21:06:50"),
        ("7", "1", "2023-05-21 21:06:50"),
    ]
    assert [(one.line, one.reason) for one in unread] == [(2, "empty list")]


def test_a_history_with_other_times_than_clicks_is_set_aside_whole(tmp_path):
    path = history(tmp_path / "history.parquet", [7, 8], [[3, 1], [4]], [[AT], [AT]])
    rows, _, unread, _ = read_table(open_ebnerd(path, "history", {}))
    assert [row["user_id"] for row in rows] == ["8"]
    assert [(one.line, one.reason) for one in unread] == [(1, "ragged row")]


def test_users_are_told_by_their_first_row_of_any_log(tmp_path):
    columns = {"device_type": pa.array([1, 2, 3], pa.int8()), "age": pa.array([None, 50, 30], pa.int8())}
    train = exposures(tmp_path / "train", [(7, [1], []), (7, [1], []), (8, [1], [])], **columns)
    test = exposures(tmp_path / "test", [(8, [1], []), (9, [1], []), (None, [1], [])], **columns)
    rows, _, unread, _ = read_table(users_told_by([train, test])["users"])
    assert rows == [
        {"user_id": "7", "device": "1", "age": ""},
        {"user_id": "8", "device": "3", "age": "30"},
        {"user_id": "9", "device": "2", "age": "50"},
    ]
    assert not unread


def test_a_whole_bundle_is_found_from_the_folder_of_a_part(tmp_path):
    log = impressions(users=3, days=2)
    workspace = Workspace(tmp_path / "home", bundled=None)
    report = ingest(workspace, "ebnerd", **write_ebnerd(tmp_path, log))
    dataset = load_dataset(workspace, report["dataset"])
    assert dataset.exposures.history.sum() == sum(len(one.history) for one in log[::2])
    assert dataset.user_attributes == ["device", "age", "gender", "postcode", "is_subscriber", "is_sso_user"]
    assert dataset.users["age"].tolist() == ["unknown", "40", "unknown", "40"]
    assert dataset.article_attributes == ["cate", "sub_cate", "key_words", "article_type"]
    assert dataset.articles["key_words"].iloc[1] == "Kendt|Sport"
    # 00:00 in Copenhagen, where winter has begun
    assert dataset.ctime[1] == datetime.datetime(2019, 10, 30, 23, tzinfo=datetime.UTC).timestamp() * 1000


def test_the_history_may_be_named_and_may_be_left_out(tmp_path):
    log = impressions(users=3, days=2)
    train = write_ebnerd(tmp_path, log)["exposures"]
    workspace = Workspace(tmp_path / "home", bundled=None)
    plain = ingest(workspace, "ebnerd", train / "behaviors.parquet")
    given_ = ingest(workspace, "ebnerd", train / "behaviors.parquet", history=train / "history.parquet")
    assert given_["accepted"] - plain["accepted"] == sum(len(one.history) for one in log[::2])


def test_the_test_set_without_clicks_is_refused(tmp_path):
    path = behaviors(tmp_path / "behaviors.parquet", [(7, [1], [1])], article_ids_clicked=None)
    with pytest.raises(UserError, match="no column 'article_ids_clicked'"):
        open_ebnerd(path, "exposures", {})


LISTS = st.none() | st.lists(st.integers(1, 5) | st.none(), max_size=4).filter(lambda entries: entries != [None])


@given(st.lists(st.tuples(st.integers(1, 3), LISTS, LISTS), max_size=10), st.integers(1, 4))
def test_as_many_exposures_and_clicks_come_out_as_a_slow_reader_counts(tmp_path_factory, log, at_once):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(derived_file, "_ROWS_AT_ONCE", at_once)
        rows, lines, unread, _ = read_table(exposures(tmp_path_factory.mktemp("ebnerd"), log))
    shown, clicks, empty = 0, 0, 0
    for _, in_view, clicked in log:
        in_view, clicked = in_view or [], clicked or []
        out_of_view = [article for article in clicked if article not in in_view]
        shown += len(in_view) + len(out_of_view)
        clicks += sum(article in clicked for article in in_view) + len(out_of_view)
        empty += not in_view and not clicked
    assert (len(rows), sum(row["click"] == "1" for row in rows), len(unread)) == (shown, clicks, empty)
    assert lines == list(range(1, len(rows) + 1))
