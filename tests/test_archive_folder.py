import pytest

from dssm_core.archive_folder import tables_in
from dssm_core.errors import UserError

LAYOUTS = ({"exposures": ("a.log",), "users": ("a.users",)}, {"exposures": ("b.log",), "articles": ("b", "../b")})


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_the_first_layout_whose_exposures_are_there_gives_the_tables(tmp_path):
    log = touch(tmp_path / "part" / "b.log")
    assert tables_in(tmp_path / "part", LAYOUTS) == {"exposures": log}
    touch(tmp_path / "b")
    assert tables_in(tmp_path / "part", LAYOUTS) == {"exposures": log, "articles": tmp_path / "part" / ".." / "b"}
    nearer = touch(tmp_path / "part" / "b")
    assert tables_in(tmp_path / "part", LAYOUTS) == {"exposures": log, "articles": nearer}
    first = {"exposures": touch(tmp_path / "part" / "a.log"), "users": touch(tmp_path / "part" / "a.users")}
    assert tables_in(tmp_path / "part", LAYOUTS) == first


def test_a_folder_without_exposures_names_what_was_expected(tmp_path):
    with pytest.raises(UserError, match=r"has none of a\.log, b\.log: name the file of exposures itself"):
        tables_in(tmp_path, LAYOUTS)
