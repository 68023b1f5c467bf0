import gzip
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dssm_core.errors import UserError
from dssm_core.format_movielens import open_movielens
from dssm_core.ingest import ingest
from dssm_core.workspace import Workspace, load_dataset
from tests.reading import read_table

DATA = Path(__file__).parents[1].parent / "shared" / "data"


def write(path, text, encoding="latin-1"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding=encoding, newline="")
    return path


def read(path, table):
    rows, _, unread, _ = read_table(open_movielens(path, table, {}))
    return rows, unread


RATINGS = [("1", "1193", "5", "978300760"), ("1", "661", "3", "978302109")]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ratings.dat", "".join("::".join(row) + "\n" for row in RATINGS)),
        ("u.data", "".join("\t".join(row) + "\n" for row in RATINGS)),
        ("ratings.csv", "userId,movieId,rating,timestamp\r\n" + "".join(",".join(row) + "\r\n" for row in RATINGS)),
        ("anything.txt", "".join("::".join(row) + "\n" for row in RATINGS)),
    ],
)
def test_ratings_of_every_archive_are_told_by_their_content(tmp_path, name, text, encoding):
    rows, unread = read(write(tmp_path / name, text, encoding), "exposures")
    assert [tuple(row.values()) for row in rows] == [("1", "1193", "978300760"), ("1", "661", "978302109")]
    assert list(rows[0]) == ["user_id", "article_id", "expo_time"]
    assert not unread


FLAGS = {"Children's": 4, "Comedy": 5}
ITEM = "1|Toy Story (1995)|01-Jan-1995||http://x/|" + "|".join(str(int(i in FLAGS.values())) for i in range(19))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("movies.dat", "1::Toy Story (1995)::Children's|Comedy\n"),
        ("u.item", ITEM + "\n"),
        ("movies.csv", "movieId,title,genres\n1,Toy Story (1995),Children's|Comedy\n"),
    ],
)
def test_movies_of_every_archive_have_their_genres_and_year(tmp_path, name, text):
    rows, unread = read(write(tmp_path / name, text), "articles")
    assert rows == [
        {
            "article_id": "1",
            "title": "Toy Story (1995)",
            "cate": "Children's",
            "sub_cate": "Children's/Comedy",
            "year": "1995",
        }
    ]
    assert not unread


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_titles_keep_their_accents_colons_and_quotes(tmp_path, encoding):
    titles = ["Cité des enfants perdus, La (1995)", "Star Wars: Episode IV (1977)", '"Q" (1982)']
    lines = [f"{i}::{title}::Drama\n" for i, title in enumerate(titles)]
    # the accents come after more than is looked at first
    plain = "".join(f"{i}::Plain (2000)::Drama\n" for i in range(100, 5000))
    rows, _ = read(write(tmp_path / "movies.dat", plain + "".join(lines), encoding), "articles")
    assert [row["title"] for row in rows[-3:]] == titles


def test_the_encoding_of_a_gzipped_file_is_told_by_its_content_whatever_its_name(tmp_path):
    path = tmp_path / "movies.dat"
    path.write_bytes(gzip.compress("1::Amélie (2001)::Comedy\n".encode()))
    assert [row["title"] for row in read(path, "articles")[0]] == ["Amélie (2001)"]


def test_a_letter_that_the_file_ends_with_half_of_is_latin(tmp_path):
    path = write(tmp_path / "movies.dat", "1::Amelie (2001)::Comedy\n2::Plain (2000)::Comé")
    assert [row["sub_cate"] for row in read(path, "articles")[0]] == ["Comedy", "Comé"]


def test_a_movie_without_genre_or_year_has_none(tmp_path):
    text = 'movieId,title,genres\n1,"Babylon 5, the",(no genres listed)\n2,,\n'
    rows, _ = read(write(tmp_path / "movies.csv", text, "utf-8"), "articles")
    assert [(row["title"], row["cate"], row["sub_cate"], row["year"]) for row in rows] == [
        ("Babylon 5, the", "", "", ""),
        ("", "", "", ""),
    ]


@pytest.mark.parametrize(
    ("name", "text", "occupation"),
    [("users.dat", "1::F::1::10::48067\n", "10"), ("u.user", "1|24|M|technician|85711\n", "technician")],
)
def test_users_keep_their_codes(tmp_path, name, text, occupation):
    (row,), _ = read(write(tmp_path / name, text), "users")
    assert list(row) == ["user_id", "age", "gender", "occupation", "zip_code"]
    assert (row["occupation"], row["gender"] in "FM") == (occupation, True)


def test_a_line_of_too_few_or_too_many_fields_is_set_aside_with_its_number(tmp_path):
    text = "1::2::5::978300760\n1::2\n1::2::5::978300760::9\n3::4::1::978300761\n"
    table = open_movielens(write(tmp_path / "ratings.dat", text), "exposures", {})
    rows, lines, unread, texts = read_table(table)
    assert (len(rows), lines, texts[1]) == (2, [1, 4], "3::4::1::978300761")
    assert unread == [(2, "ragged row", "1::2"), (3, "ragged row", "1::2::5::978300760::9")]


@pytest.mark.parametrize("table", ["exposures", "users", "articles"])
def test_another_file_is_refused(tmp_path, table):
    with pytest.raises(UserError, match=f"no layout of MovieLens {table}"):
        open_movielens(write(tmp_path / "x.txt", "user;movie;rating\n"), table, {})


@pytest.mark.parametrize(("click", "clicks"), [(None, 1), ("rating>=3", 2)])
def test_a_rating_of_four_is_a_click_unless_a_rule_is_given(tmp_path, click, clicks):
    log = write(tmp_path / "ratings.dat", "".join("::".join(row) + "\n" for row in RATINGS))
    report = ingest(Workspace(tmp_path / "home", bundled=None), "movielens", log, click=click)
    assert (report["accepted"], report["clicks"], report["time_unit"]) == (2, clicks, "seconds")


def test_a_folder_without_ratings_names_what_was_expected(tmp_path):
    with pytest.raises(UserError, match=r"has none of ratings\.dat, u\.data, ratings\.csv"):
        ingest(Workspace(tmp_path / "home", bundled=None), "movielens", tmp_path)


def test_the_real_ratings_are_read_whole(tmp_path):
    folder = DATA / "ml_latest_small"
    if not folder.exists():
        pytest.skip("the real MovieLens ratings are not here")
    workspace = Workspace(tmp_path / "home", bundled=None)
    report = ingest(workspace, "movielens", folder)
    ratings, movies = (pd.read_csv(folder / f"{name}.csv") for name in ("ratings", "movies"))
    assert (report["rows_in"], report["accepted"]) == (len(ratings), len(ratings))
    assert report["clicks"] == (ratings["rating"] >= 4).sum()
    articles = load_dataset(workspace, report["dataset"]).articles.iloc[1 : len(movies) + 1]
    assert articles["title"].tolist() == movies["title"].tolist()
    expected = movies["genres"].replace("(no genres listed)", "unknown").str.replace("|", "/")
    assert articles["sub_cate"].tolist() == expected.tolist()


FIELDS = st.lists(st.sampled_from(["1", "22", "4:5", "x y"]), min_size=1, max_size=6)


@given(st.lists(FIELDS, max_size=10))
def test_as_many_ratings_come_out_as_a_slow_reader_counts(tmp_path_factory, lines):
    text = "".join("::".join(line) + "\n" for line in [["1", "2", "3", "4"], *lines])
    rows, unread = read(write(tmp_path_factory.mktemp("movielens") / "ratings.dat", text), "exposures")
    whole = [line for line in lines if len(line) == 4]
    assert len(rows) == 1 + len(whole)
    assert [row["article_id"] for row in rows[1:]] == [line[1] for line in whole]
    assert len(unread) == len(lines) - len(whole)
