from lab.ingest_report import says_how, table_counts

CSV = {"kind": "text", "encoding": "utf-8", "separator": ",", "header": True}
PARQUET = {"kind": "Parquet", "encoding": None, "separator": None, "header": None}
REPORT = {
    "rows_in": 9,
    "accepted": 8,
    "set_aside": {"duplicate": 1},
    "tables": {"users": {"rows_in": 0, "accepted": 0, "set_aside": {}}, "articles": {"rows_in": 2, "accepted": 2}},
    "files": {"exposures": [CSV, CSV], "history": [PARQUET], "users": [], "articles": [PARQUET]},
    "times": {"expo_time": "seconds", "ctime": "date-times in UTC"},
}


def test_tables_without_rows_are_not_told():
    assert list(table_counts(REPORT)) == ["exposures", "articles"]


def test_how_each_table_and_its_times_were_read_is_told():
    assert says_how(REPORT, "exposures") == (
        "Read as UTF-8 text, separated by comma, with a header. Clicks from before it: Parquet. expo_time: seconds."
    )
    assert says_how(REPORT, "articles") == "Read as Parquet. ctime: date-times in UTC."


def test_a_report_of_old_that_does_not_say_is_no_error():
    assert says_how({"rows_in": 1}, "exposures") == ""
    assert says_how(REPORT, "users") == ""
