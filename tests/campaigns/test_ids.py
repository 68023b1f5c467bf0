"""Ids of every kind, from every kind of file, through a real ingest and back: none may be changed."""

import csv
import decimal
import gzip
import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dssm_core.errors import UserError
from dssm_core.ingest import ingest
from dssm_core.input_files import TextOptions
from dssm_core.workspace import Workspace, load_dataset
from tests.campaigns.size import cases

SEEDS = range(cases(1, 10))
EACH = 1000

ODD = (
    *(
        "007",
        "7",
        "7.0",
        "07",
        "1e5",
        "1E5",
        "100000",
        "-0",
        "+7",
        "0x1F",
        "1_000",
        "1,000",
        "٣",
        "½",
        "Infinity",
        "inf",
    ),
    *("NA", "N/A", "null", "NULL", "None", "nan", "NaN", "#N/A", "true", "False", "unknown", "-", "--", "\\N", "nil"),
    *("9007199254740993", "-9223372036854775808", "18446744073709551616", "9" * 40, "0.1", "1.10", "1."),
    *(" a", "a ", "a", "  ", "\ta", "a\tb", "a\nb", "a\r\nb", "a,b", "a;b", "a|b", "a::b"),
    *('"', '""', '"a"', 'a"b', "'", "'a'", "`", "\\", '\\"', "a\\", "=1+1", "@x", "#x"),
    *("\u200b", "a\u200bb", "\u200fa", "\u202ea", "\ufeffa", "a\ufeff", "\u00a0", "\u3000", "\u2028", "\x7f", "\x01"),
    *(
        "é",
        "e\u0301",
        "ﬁ",
        "fi",
        "K",
        "\u212a",
        "ſ",
        "İ",
        "i\u0307",
        "ß",
        "ẞ",
        "上海",
        "上 海",
        "😀",
        "👩‍👩‍👧",
        "🇨🇳",
        "\U0010fffd",
    ),
    *("2021-06-28", "12:30", "1/2", "A" * 10_240, "长" * 3_400),
)
ALPHABETS = ("0123456789", "0123456789abcdef-", "aA ,\t;|\"'\\", "éàüß上海\u200b\u200f😀", "xyz\n")


def texts(rng):
    """So many different ids: all the odd ones, and random ones of every alphabet and normal form."""
    ids = dict.fromkeys(ODD)
    while len(ids) < EACH:
        alphabet = list(ALPHABETS[rng.integers(len(ALPHABETS))])
        made = "".join(rng.choice(alphabet, rng.integers(1, 24)))
        ids |= dict.fromkeys([made, *(unicodedata.normalize(form, made) for form in ("NFC", "NFD", "NFKC"))])
    ids = list(ids)[:EACH]
    rng.shuffle(ids)
    return ids


def written_text(path, ids, separator):
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=separator)
        # a byte order mark that begins a line, as an id may, would be that of another file
        writer.writerow(["row", "user_id", "article_id"])
        writer.writerows(zip(range(len(ids)), ids, ids, strict=True))


def read_back(path, tmp_path):
    """The ids of users and of articles of a dataset made of a log, in order."""
    workspace = Workspace(tmp_path / "home", bundled=None)
    # by looking, lines that may be of another encoding are set aside
    report = ingest(workspace, "generic", path, users=path, articles=path, text=TextOptions("utf-8"))
    assert report["accepted"] == report["rows_in"], report["set_aside"]
    dataset = load_dataset(workspace, report["dataset"])
    workspace.delete_dataset(dataset.id)
    return [dataset.users["user_id"].tolist()[1:], dataset.articles["article_id"].tolist()[1:]]


def changed(seed, found, ids):
    """What to say of ids that came back as others."""
    lost, new = [i for i in ids if i not in set(found)], [i for i in found if i not in set(ids)]
    return "" if found == ids else f"seed {seed}: {len(lost)} changed, such as {lost[:3]!r:.200} to {new[:3]!r:.200}"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ["log.csv", "log.tsv", "log.csv.gz", "log.tsv.gz"])
def test_ids_of_a_text_file_come_back_byte_for_byte(tmp_path, name, seed):
    ids = texts(np.random.default_rng(seed))
    written_text(tmp_path / name, ids, "\t" if "tsv" in name else ",")
    for found in read_back(tmp_path / name, tmp_path):
        assert not (said := changed(seed, found, ids)), said


def integers(rng, low, high):
    near = [low, low + 1, high - 1, high, 2**53, 2**53 + 1, 7]
    drawn = [
        int(rng.integers(low, high, dtype=np.uint64 if low == 0 else np.int64, endpoint=True)) for _ in range(EACH)
    ]
    return list(dict.fromkeys([*near, *drawn]))[:EACH]


PARQUET = {
    "string": lambda rng: pa.array(texts(rng), pa.string()),
    "large_string": lambda rng: pa.array(texts(rng), pa.large_string()),
    "dictionary": lambda rng: pa.array(texts(rng)).dictionary_encode(),
    "int64": lambda rng: pa.array(integers(rng, -(2**63), 2**63 - 1), pa.int64()),
    "uint64": lambda rng: pa.array(integers(rng, 0, 2**64 - 1), pa.uint64()),
    "int32": lambda rng: pa.array(list({value >> 32 for value in integers(rng, -(2**63), 2**63 - 1)}), pa.int32()),
    "decimal": lambda rng: pa.array([decimal.Decimal(value) * 10**15 for value in integers(rng, 0, 2**63 - 1)]),
}
"""Columns of ids of each type that a Parquet file may have."""


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", PARQUET)
def test_ids_of_a_parquet_file_come_back_as_they_are_written(tmp_path, kind, seed):
    column = PARQUET[kind](np.random.default_rng(seed))
    ids = [str(value) for value in dict.fromkeys(column.to_pylist())]
    pq.write_table(pa.table({"user_id": column, "article_id": column}), tmp_path / "log.parquet")
    for found in read_back(tmp_path / "log.parquet", tmp_path):
        assert not (said := changed(seed, list(found), ids)), said


@pytest.mark.parametrize("column", ["user_id", "article_id"])
@pytest.mark.parametrize("dtype", [pa.float64(), pa.float32()])
def test_ids_that_are_floating_point_numbers_are_refused(tmp_path, column, dtype):
    ids = {"user_id": pa.array([7, 8]), "article_id": pa.array([7, 8])}
    ids[column] = pa.array([7.0, None], dtype)
    pq.write_table(pa.table(ids), tmp_path / "log.parquet")
    with pytest.raises(UserError, match=f"column '{column}' of .* holds ids as floating-point numbers"):
        ingest(Workspace(tmp_path / "home", bundled=None), "generic", tmp_path / "log.parquet")
