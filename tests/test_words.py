from lab import words


def test_datasets_of_one_name_made_in_the_same_second_are_told_apart():
    made = {"name": "demo", "created": 1_700_000_000.0, "bundled": False}
    labels = words.dataset_names([{**made, "id": "one"}, {**made, "id": "two"}])
    assert len(set(labels.values())) == 2


def test_a_share_never_reads_as_none_or_all_where_it_is_neither():
    assert words.share(0, 7) == "0.0%"
    assert words.share(7, 7) == "100.0%"
    assert words.share(1, 3) == "33.3%"
    assert words.share(4, 10_000) == "0.04%"
    assert words.share(99_999, 100_000) == "99.999%"
    assert words.share(1, 10**8) == "under 0.001%"
    assert words.share(10**8 - 1, 10**8) == "over 99.999%"
    assert words.share(0, 0) == "n/a"


def test_names_of_columns_are_told_apart():
    assert words.distinct(("", "a", "a", "b", "")) == ["(1)", "a", "a (2)", "b", "(2)"]


def test_how_a_file_was_read_is_one_phrase():
    text = {"kind": "text", "encoding": "gb18030", "separator": "\t", "header": False}
    assert words.read_as(text) == "GB18030 text, separated by tab, without a header"
    assert words.read_as(text | {"separator": "::", "header": True}).endswith("separated by '::', with a header")
    assert words.read_as({"kind": "Parquet", "encoding": None, "separator": None, "header": None}) == "Parquet"
