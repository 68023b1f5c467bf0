"""Guesses on the headers of public logs, each with values as its files have them."""

import pytest

from dssm_core.canonical import CANONICAL
from dssm_core.guessing import guess_columns, suggest_rule

SECONDS = ["1260759144", "1260759179", "1260759182"]
MILLISECONDS = ["1433221332117", "1433224214164", "1433221999827"]
ISO = ["2020-07-05 00:08:23.438", "2020-07-05 00:13:41.297", "2020-07-05 00:16:06.687"]
IDS = ["17", "9", "301"]
FLAGS = ["0", "1", "0"]


def _empty(table):
    return {name: [""] for name in CANONICAL[table]}


LOGS = {
    "movielens": (
        {"userId": IDS, "movieId": IDS, "rating": ["2.5", "3.0", "5.0"], "timestamp": SECONDS},
        {"user_id": "userId", "article_id": "movieId", "expo_time": "timestamp"},
    ),
    "globo": (
        {"user_id": IDS, "session_id": IDS, "click_article_id": IDS, "click_timestamp": MILLISECONDS},
        {"user_id": "user_id", "article_id": "click_article_id", "expo_time": "click_timestamp"},
    ),
    "retailrocket": (
        {"timestamp": MILLISECONDS, "visitorid": IDS, "event": ["view"] * 3, "itemid": IDS, "transactionid": [""] * 3},
        {"user_id": "visitorid", "article_id": "itemid", "expo_time": "timestamp"},
    ),
    "kuairec, whose timestamps are no whole numbers": (
        {
            "user_id": IDS,
            "video_id": IDS,
            "play_duration": ["13838", "13665", "851"],
            "video_duration": ["10867", "10984", "7908"],
            "time": ISO,
            "date": ["20200705", "20200705", "20200705"],
            "watch_ratio": ["1.27", "1.24", "0.1"],
        },
        {"user_id": "user_id", "article_id": "video_id", "expo_time": "time", "duration": "play_duration"},
    ),
    "kuairand": (
        {
            "user_id": IDS,
            "video_id": IDS,
            "date": ["20220408", "20220408", "20220408"],
            "hourmin": ["2200", "1600", "2000"],
            "time_ms": ["1649424000000", "1649404800000", "1649419200000"],
            "is_click": FLAGS,
            "is_like": FLAGS,
        },
        {"user_id": "user_id", "article_id": "video_id", "expo_time": "time_ms", "click": "is_click"},
    ),
    "deskdrop": (
        {
            "timestamp": SECONDS,
            "eventType": ["VIEW", "VIEW", "LIKE"],
            "contentId": ["-3499919498720038879", "8890720798209849691", "310515487419366995"],
            "personId": ["-8845298781299428018", "-1032019229384696495", "-1130272294246983140"],
            "sessionId": IDS,
        },
        {"user_id": "personId", "article_id": "contentId", "expo_time": "timestamp"},
    ),
    "outbrain": (
        {"uuid": ["a1", "b2", "c3"], "document_id": IDS, "timestamp": MILLISECONDS, "platform": ["1", "2", "2"]},
        {"user_id": "uuid", "article_id": "document_id", "expo_time": "timestamp"},
    ),
    "amazon": (
        {"reviewerID": ["A2I", "AQO", "A1V"], "asin": ["0700026657"] * 3, "overall": IDS, "unixReviewTime": SECONDS},
        {"user_id": "reviewerID", "article_id": "asin", "expo_time": "unixReviewTime"},
    ),
    "book-crossing": (
        {"User-ID": IDS, "ISBN": ["034545104X", "0155061224", "0446520802"], "Book-Rating": ["0", "5", "10"]},
        {"user_id": "User-ID", "article_id": "ISBN"},
    ),
    "recbole": (
        {"user_id:token": IDS, "item_id:token": IDS, "label:float": FLAGS, "timestamp:float": SECONDS},
        {
            "user_id": "user_id:token",
            "article_id": "item_id:token",
            "expo_time": "timestamp:float",
            "click": "label:float",
        },
    ),
    "hive": (
        {"log.uid": IDS, "log.news_id": IDS, "log.event_time": ISO, "log.clicked": ["true", "false", "false"]},
        {"user_id": "log.uid", "article_id": "log.news_id", "expo_time": "log.event_time", "click": "log.clicked"},
    ),
    "chinese": (
        {"用户ID": IDS, "文章ID": IDS, "曝光时间": MILLISECONDS, "网络环境": ["2", "5", "2"], "是否点击": FLAGS},
        {
            "user_id": "用户ID",
            "article_id": "文章ID",
            "expo_time": "曝光时间",
            "click": "是否点击",
            "net_status": "网络环境",
        },
    ),
    "eb-nerd, flattened": (
        {"impression_id": IDS, "article_id": IDS, "impression_time": ISO, "read_time": IDS, "user_id": IDS},
        {"user_id": "user_id", "article_id": "article_id", "expo_time": "impression_time", "duration": "read_time"},
    ),
    "our own names": (
        _empty("exposures"),
        {name: name for name in CANONICAL["exposures"]},
    ),
}
PROFILES = {
    "movielens movies": (
        "articles",
        {"movieId": IDS, "title": ["Toy Story (1995)"] * 3, "genres": ["Comedy|Romance"] * 3},
        {"article_id": "movieId", "title": "title", "cate": "genres"},
    ),
    "globo articles": (
        "articles",
        {"article_id": IDS, "category_id": IDS, "created_at_ts": MILLISECONDS, "words_count": IDS},
        {"article_id": "article_id", "cate": "category_id", "ctime": "created_at_ts"},
    ),
    "a newsroom's": (
        "articles",
        {"id": IDS, "headline": ["a", "b", "c"], "section": ["x", "y", "x"], "lastModified": ISO, "published": ISO},
        {"article_id": "id", "title": "headline", "cate": "section", "ctime": "published"},
    ),
    "a table of members": (
        "users",
        {"Member ID": IDS, "Sex": ["m", "f", "f"], "age_group": ["25-34"] * 3, "Operating System": ["iOS"] * 3},
        {"user_id": "Member ID", "gender": "Sex", "age": "age_group", "os": "Operating System"},
    ),
    "our own users": ("users", _empty("users"), {name: name for name in CANONICAL["users"]}),
    "our own articles": (
        "articles",
        _empty("articles"),
        {name: name for name in CANONICAL["articles"]},
    ),
}


@pytest.mark.parametrize("log", LOGS)
def test_the_columns_of_public_logs_are_guessed(log):
    columns, expected = LOGS[log]
    assert guess_columns("exposures", columns) == expected


@pytest.mark.parametrize("file", PROFILES)
def test_the_columns_of_profiles_are_guessed(file):
    table, columns, expected = PROFILES[file]
    assert guess_columns(table, columns) == expected


def test_where_nothing_fits_nothing_is_guessed():
    assert guess_columns("exposures", {"x": ["p", "q"], "y": ["r", "s"], "z": ["3.5", "9"]}) == {}
    assert guess_columns("users", {}) == {}


def test_a_name_that_fits_is_not_taken_for_values_that_do_not():
    columns = {"user": IDS, "item": IDS, "click": ["view", "click", "buy"], "time": ["00:12", "00:13", "00:15"]}
    assert set(guess_columns("exposures", columns)) == {"user_id", "article_id"}


def test_a_list_of_what_was_clicked_before_does_not_mark_rows_as_history():
    columns = {"user": IDS, "item": IDS, "history": ["N55189 N42782", "N31739", ""]}
    assert "history" not in guess_columns("exposures", columns)


def test_the_only_column_of_times_and_the_only_one_of_flags_are_known_by_their_values():
    columns = {"user": IDS, "item": IDS, "when": ISO, "opened": FLAGS}
    guesses = guess_columns("exposures", columns)
    assert (guesses["expo_time"], guesses["click"]) == ("when", "opened")


def test_of_two_columns_of_flags_none_is_guessed():
    columns = {"user": IDS, "item": IDS, "is_vip": FLAGS, "opened": FLAGS}
    assert "click" not in guess_columns("exposures", columns)


def test_a_column_of_ones_alone_is_not_known_as_clicks():
    assert "click" not in guess_columns("exposures", {"user": IDS, "item": IDS, "batch": ["1", "1", "1"]})


def test_no_column_is_taken_twice():
    guesses = guess_columns("exposures", {"uid": ["a"], "user": ["b"], "item": ["c"]})
    assert sorted(guesses.values()) == sorted(set(guesses.values()))


def test_a_time_of_an_article_is_guessed_by_its_name_alone():
    assert "ctime" not in guess_columns("articles", {"id": IDS, "last_modified": ISO})


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"rating": ["2.5", "5.0", "4"]}, "rating>=4"),
        ({"Book-Rating": ["0", "5", "10"]}, "Book-Rating>=8"),
        ({"score": ["55", "100", "71"]}, "score>=80"),
        ({"stars": ["0", "1", "1"]}, None),
        ({"rating": ["good", "bad"]}, None),
        ({"rating": []}, None),
        ({"event": ["impression", "click", "impression"]}, "event==click"),
        ({"event": ["view", "addtocart"]}, None),
        ({"event": ["click", "click"]}, None),
        ({"rating>": ["1", "5"], "x": ["1", "2"]}, None),
        ({"user": ["a"]}, None),
    ],
)
def test_ratings_and_events_lead_to_a_click_rule(columns, rule):
    assert suggest_rule(columns) == rule
