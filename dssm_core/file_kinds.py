"""Files that are no tables of text, told by their first unpacked bytes whatever their names say."""

from pathlib import Path

from dssm_core.errors import UserError

_KINDS: tuple[tuple[bytes, str], ...] = (
    (b"PAR1", "is a gzipped Parquet file: unpack it"),
    (b"\x1f\x8b", "is gzipped twice: unpack it"),
    (b"BZh", "is packed with bzip2: unpack it, or pack it with gzip"),
    (b"\xfd7zXZ\0", "is packed with xz: unpack it, or pack it with gzip"),
    (b"\x28\xb5\x2f\xfd", "is packed with zstd: unpack it, or pack it with gzip"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive: unpack it and bring the file in it"),
    (b"\xd0\xcf\x11\xe0", "is a document of an old office program: export the sheet as CSV"),
    (b"\x89PNG", "is a PNG picture: bring a table, as CSV, TSV or Parquet"),
    (b"\xff\xd8\xff", "is a JPEG picture: bring a table, as CSV, TSV or Parquet"),
    (b"GIF8", "is a GIF picture: bring a table, as CSV, TSV or Parquet"),
    (b"%PDF-", "is a PDF document: bring a table, as CSV, TSV or Parquet"),
    (b"SQLite format 3\0", "is an SQLite database: export the table as CSV"),
    (b"ARROW1", "is an Arrow file: write it as Parquet"),
    (b"ORC", "is an ORC file: write it as Parquet"),
)
_ZIP = b"PK\x03\x04"
_WORKBOOK = b"xl/"
_WHITE = b"\t\n\r\f\x1a\x1b"
_CONTROLS = bytes(code for code in range(32) if code not in _WHITE)
_MOST_CONTROLS = 0.05


def refuse_no_table(path: Path, start: bytes) -> None:
    """Raise a UserError that says what a file is whose first bytes are those of something else than text."""
    for magic, what in _KINDS:
        if start.startswith(magic):
            raise UserError(f"{path} {what}")
    if start.startswith(_ZIP):
        if _WORKBOOK in start:
            raise UserError(f"{path} is an Excel workbook: export the sheet as CSV")
        raise UserError(f"{path} is a zip archive: unpack it and bring the file in it")


def refuse_no_text(path: Path, start: bytes) -> None:
    """Raise a UserError for first bytes that are not UTF-8 and hold too many control codes for any other encoding."""
    if len(start) - len(start.translate(None, _CONTROLS)) > _MOST_CONTROLS * len(start):
        raise UserError(f"{path} is no table: its bytes are not text; bring CSV, TSV or Parquet")
