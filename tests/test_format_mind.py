import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dssm_core import derived_file
from dssm_core.errors import UserError
from dssm_core.format_mind import history_told_by, open_mind
from dssm_core.ingest import ingest
from dssm_core.workspace import Workspace, load_dataset
from tests.reading import read_table

BEHAVIORS = (
    "1\tU13\t11/11/2019 9:05:58 AM\tN3 N1\tN5-1 N3-0\n"
    "2\tU91\t11/10/2019 12:15:00 PM\t\tN6-0 N7-1 N5-0\n"
    "3\tU13\t11/10/2019 11:00:00 PM\tN9\tN8-1\n"
)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def exposures(tmp_path, text):
    return open_mind(write(tmp_path / "behaviors.tsv", text), "exposures", {})


def clicked(rows):
    return [(row["user_id"], row["article_id"], row["click"], row["expo_position"]) for row in rows]


def test_an_impression_unfolds_into_an_exposure_for_each_article(tmp_path):
    rows, lines, unread, texts = read_table(exposures(tmp_path, BEHAVIORS))
    assert clicked(rows) == [
        ("U13", "N5", "1", "1"),
        ("U13", "N3", "0", "2"),
        ("U91", "N6", "0", "1"),
        ("U91", "N7", "1", "2"),
        ("U91", "N5", "0", "3"),
        ("U13", "N8", "1", "1"),
    ]
    assert [row["expo_time"] for row in rows[1:3]] == ["11/11/2019 9:05:58 AM", "11/10/2019 12:15:00 PM"]
    assert lines == [1, 2, 3, 4, 5, 6]
    assert texts[1] == "1\tU13\t11/11/2019 9:05:58 AM\tN3-0"
    assert not unread


def test_impressions_without_labels_or_articles_are_set_aside_whole(tmp_path):
    text = BEHAVIORS + "4\tU5\t11/16/2019 1:00:00 AM\tN1\tN5 N3\n5\tU5\t11/16/2019 1:00:00 AM\tN1\t\n6\tshort\n"
    rows, _, unread, _ = read_table(exposures(tmp_path, text))
    assert len(rows) == 6
    assert sorted(unread) == [
        (4, "no labels", "4\tU5\t11/16/2019 1:00:00 AM\tN1\tN5 N3"),
        (5, "empty list", "5\tU5\t11/16/2019 1:00:00 AM\tN1\t"),
        (6, "ragged row", "6\tshort"),
    ]


def test_an_entry_without_a_label_among_others_is_an_exposure_without_a_click_column(tmp_path):
    rows, _, _, texts = read_table(exposures(tmp_path, "1\tU1\t11/11/2019 9:05:58 AM\t\tN-5-1  N6 -0 \n"))
    assert clicked(rows) == [("U1", "N-5", "1", "1"), ("U1", "N6", "", "2"), ("U1", "", "0", "3")]
    assert texts[1].endswith("\tN6")


def test_a_user_s_history_is_that_of_the_earliest_impression_and_lies_before_the_first_day(tmp_path):
    table = history_told_by([exposures(tmp_path, BEHAVIORS)])["history"]
    rows, lines, unread, texts = read_table(table)
    assert rows == [{"user_id": "U13", "article_id": "N9", "expo_time": "11/09/2019 11:59:59 PM"}]
    assert (lines, unread, texts) == ([1], [], ["3\tU13\t11/10/2019 11:00:00 PM\tN9"])


def test_the_history_keeps_its_order_a_second_apart(tmp_path):
    text = "1\tU1\t01/01/2020 12:00:00 AM\tN3 N1 N3\tN5-1\n"
    rows, *_ = read_table(history_told_by([exposures(tmp_path, text)])["history"])
    assert [(row["article_id"], row["expo_time"]) for row in rows] == [
        ("N3", "12/31/2019 11:59:57 PM"),
        ("N1", "12/31/2019 11:59:58 PM"),
        ("N3", "12/31/2019 11:59:59 PM"),
    ]


def test_impressions_without_labels_or_time_tell_no_history(tmp_path):
    text = "1\tU1\tnoon\tN1\tN5-1\n2\tU1\t11/10/2019 1:00:00 AM\tN2\tN5\n3\tU2\t11/11/2019 1:00:00 AM\tN4\tN5-0\n"
    rows, *_ = read_table(history_told_by([exposures(tmp_path, text)])["history"])
    assert [(row["user_id"], row["article_id"]) for row in rows] == [("U2", "N4")]
    nothing = history_told_by([exposures(tmp_path, "1\tU1\tnoon\tN1\tN5-1\n")])["history"]
    assert read_table(nothing)[0] == []


def test_two_logs_have_one_history(tmp_path):
    logs = [exposures(tmp_path / part, text) for part, text in (("train", BEHAVIORS), ("dev", DEV))]
    rows, *_ = read_table(history_told_by(logs)["history"])
    assert [(row["user_id"], row["article_id"], row["expo_time"]) for row in rows] == [
        ("U13", "N9", "11/09/2019 11:59:59 PM"),
        ("U7", "N2", "11/09/2019 11:59:59 PM"),
    ]


DEV = "1\tU13\t11/15/2019 1:00:00 PM\tN3 N1 N5\tN1-1 N2-0\n2\tU7\t11/15/2019 2:00:00 AM\tN2\tN1-0 N4-1\n"


def test_the_history_is_never_test_when_a_second_log_is(tmp_path):
    for part, text in (("train", BEHAVIORS), ("dev", DEV)):
        write(tmp_path / part / "behaviors.tsv", text)
        write(tmp_path / part / "news.tsv", "N1\tnews\tsub\tTitle\tAbstract\thttps://x/\t[]\t[]\n")
    workspace = Workspace(tmp_path / "home", bundled=None)
    report = ingest(workspace, "mind", tmp_path / "train", test_exposures=tmp_path / "dev")
    dataset = load_dataset(workspace, report["dataset"])
    assert (report["rows_in"], report["accepted"], report["clicks"]) == (12, 12, 7)
    assert report["tables"]["articles"] == {"rows_in": 2, "accepted": 1, "set_aside": {"duplicate": 1}}
    extra = dataset.exposures.extra
    assert extra["history"].sum() == 2
    assert set(extra["split"][extra["history"]]) == {"train"}
    assert sorted(extra["split"].tolist()) == ["test"] * 4 + ["train"] * 8


def test_the_test_set_alone_is_refused_with_its_reason(tmp_path):
    log = write(tmp_path / "behaviors.tsv", "1\tU1\t11/16/2019 1:00:00 AM\tN1\tN5 N3\n")
    with pytest.raises(UserError, match=r"set aside \(no labels: 1\)"):
        ingest(Workspace(tmp_path / "home", bundled=None), "mind", log)


@pytest.mark.parametrize(
    "entities",
    ["[" * 50_000, '[{"Label": "A", "Confidence": 1' + "0" * 400 + "}]", '[{"Label": "\\ud800", "Confidence": 1}]'],
    ids=["nested", "huge", "half a pair"],
)
def test_entities_that_cannot_be_read_give_no_key_words(tmp_path, entities):
    news = f"N1\tsports\tgolf\tA title\tabstract\turl\t{entities}\t[]\n"
    rows, *_ = read_table(open_mind(write(tmp_path / "news.tsv", news), "articles", {}))
    assert [row["key_words"] for row in rows] == [""]


def test_news_give_title_categories_and_entities_as_key_words(tmp_path):
    entities = [{"Label": "Philip, Duke: of", "Confidence": 1.0}, {"Label": "Queen", "Confidence": 0.5}]
    more = [{"Label": "Queen", "Confidence": 0.75}]
    text = (
        f'N1\tlifestyle\troyals\t"The" brands\tAn abstract\thttps://x/\t{json.dumps(entities)}\t{json.dumps(more)}\n'
        "N2\tnews\t\tPlain\t\thttps://x/\t\t[]\nN3\tnews\tworld\tBroken\t\t\t{\t[1]\n"
    )
    rows, *_ = read_table(open_mind(write(tmp_path / "news.tsv", text), "articles", {}))
    assert rows[0] == {
        "article_id": "N1",
        "title": '"The" brands',
        "cate": "lifestyle",
        "sub_cate": "royals",
        "key_words": "^Philip, Duke: of:1.0,Queen:0.75",
    }
    assert [row["key_words"] for row in rows[1:]] == ["", ""]


@pytest.mark.parametrize("table", ["exposures", "articles"])
def test_a_file_of_another_layout_is_refused(tmp_path, table):
    with pytest.raises(UserError, match="has 3 tab-separated columns, expected"):
        open_mind(write(tmp_path / "x.tsv", "a\tb\tc\n"), table, {})


ENTRIES = st.sampled_from(["N1-0", "N1-1", "N2-0", "N33-1", "N4", "-1", "5-1-0", "N6-2"])


@given(
    st.lists(st.tuples(st.sampled_from(["U1", "U2", "U3", ""]), st.lists(ENTRIES, max_size=5)), max_size=12),
    st.integers(1, 4),
)
def test_as_many_exposures_and_clicks_come_out_as_a_slow_reader_counts(tmp_path_factory, log, at_once):
    lines = [
        f"{i}\t{user}\t11/{i + 1}/2019 1:00:00 AM\t\t{'  '.join(entries)}\n" for i, (user, entries) in enumerate(log)
    ]
    path = write(
        tmp_path_factory.mktemp("mind") / "behaviors.tsv", "0\tU0\t11/1/2019 1:00:00 AM\t\tN0-1\n" + "".join(lines)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(derived_file, "_ROWS_AT_ONCE", at_once)
        rows, numbers, unread, _ = read_table(open_mind(path, "exposures", {}))
    told = [entries for _, entries in log if any(entry[-2:] in ("-0", "-1") for entry in entries)]
    assert len(rows) == 1 + sum(map(len, told))
    assert sum(row["click"] == "1" for row in rows) == 1 + sum(e.endswith("-1") for entries in told for e in entries)
    assert len(unread) == len(log) - len(told)
    assert numbers == list(range(1, len(rows) + 1))
