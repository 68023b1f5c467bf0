import gzip
import io
import zipfile

import pytest

from dssm_core.errors import UserError
from dssm_core.input_files import TextOptions, head, open_file


def zipped(*names):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name in names:
            file.writestr(name, "x")
    return packed.getvalue()


OTHERS = {
    "is a PNG picture": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "is a JPEG picture": b"\xff\xd8\xff\xe0\0\x10JFIF",
    "is a GIF picture": b"GIF89a",
    "is a PDF document": b"%PDF-1.7\n",
    "is an SQLite database": b"SQLite format 3\0",
    "is a gzipped Parquet file": gzip.compress(b"PAR1\x15\x04"),
    "is gzipped twice": gzip.compress(gzip.compress(b"a,b\n")),
    "is packed with bzip2": b"BZh91AY",
    "is packed with zstd": b"\x28\xb5\x2f\xfd\x04",
    "is a zip archive: unpack it": zipped("log.csv"),
    "is an Excel workbook: export the sheet": zipped("[Content_Types].xml", "xl/workbook.xml"),
    "old office program": b"\xd0\xcf\x11\xe0\xa1\xb1",
}


@pytest.mark.parametrize("told", OTHERS)
def test_a_file_of_another_kind_is_named_and_what_to_do_is_said(tmp_path, told):
    path = tmp_path / "log.csv"
    path.write_bytes(OTHERS[told])
    with pytest.raises(UserError, match=f"log.csv {told}|log.csv is a document of an {told}"):
        open_file(path)


def test_a_file_of_another_kind_stays_one_whatever_encoding_is_named(tmp_path):
    (tmp_path / "log.csv").write_bytes(OTHERS["is a PNG picture"])
    with pytest.raises(UserError, match="is a PNG picture"):
        open_file(tmp_path / "log.csv", TextOptions(encoding="latin-1"))


def test_bytes_that_are_no_text_are_no_table(tmp_path):
    (tmp_path / "program").write_bytes(bytes(range(256)) * 40)
    with pytest.raises(UserError, match="is no table: its bytes are not text"):
        head(tmp_path / "program")


def test_control_codes_among_text_are_dirt_of_a_log(tmp_path):
    (tmp_path / "log.csv").write_bytes(b"user_id,article_id\n" + b"u1,a1\n" + b"\0\x19,\0\0\n" * 50)
    assert head(tmp_path / "log.csv").lines[1] == "u1,a1"
