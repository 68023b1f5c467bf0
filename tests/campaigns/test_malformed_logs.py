"""Good logs are damaged in many ways: nothing of them is lost, changed unseen, or brings the reader down.

The oracle knows nothing of the reader: it cuts the damaged bytes into lines by itself and takes single rows apart with
the csv module. Every line must be accounted for once; every row that comes out must be what its own line says; and a
line that the damage did not touch must come out as it was, or be set aside with its text.
"""

import csv
import gzip
import io
import random
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dssm_core.errors import UserError
from dssm_core.ingest import ingest
from dssm_core.input_files import TextOptions, open_file
from dssm_core.workspace import Workspace
from tests.campaigns.size import cases

HEADER = ["user_id", "article_id", "expo_time", "click", "title"]
CHARACTERS = [bytes([high, low]).decode("gb2312") for high in range(0xB0, 0xD7) for low in range(0xA1, 0xFF)]
LINE_ENDS = re.compile("\r\n|\n|\r")


def good_rows(rng):
    """Rows no two of which share a value but clicks; some titles hold separators, quotes or line ends."""
    rows = []
    for i in range(rng.choice([1, 5, 40])):
        title = "".join(rng.choices(CHARACTERS, k=12)) + rng.choice(
            [" news", "", ", more", ' "so"', "\nand on", "; x\ty"]
        )
        rows.append([f"u{i:04}", f"a{i:04}", str(1_700_000_000 + i), str(i % 2), title])
    return rows


def as_line(row, separator):
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerow(row)
    return text.getvalue().removesuffix("\r\n")


def quote(rng, line, separator):
    at = rng.randrange(len(line) + 1)
    return line[:at] + '"' + line[at:]


def opened_field(rng, line, separator):
    fields = line.split(separator)
    at = rng.randrange(len(fields))
    return separator.join([*fields[:at], '"' + fields[at], *fields[at + 1 :]])


def flipped(rng, data):
    at = rng.randrange(len(data))
    return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]


def cut_out(rng, data):
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.randrange(1, 4) :]


def other_encoding(rng, data, encoding):
    return data.decode(encoding).encode("gb18030" if encoding == "utf-8" else "utf-8")


IN_TEXT = {
    "NUL byte": lambda rng, line, separator: line.replace("u", "u\0", 1),
    "stray quote": quote,
    "quote never closed": opened_field,
    "field lost": lambda rng, line, separator: line.partition(separator)[2],
    "field added": lambda rng, line, separator: line + separator + "more",
    "field above 1 MiB": lambda rng, line, separator: line + "x" * (1 << 20),
    "separator changed": lambda rng, line, separator: line.replace(separator, "~", 1),
    "mark within": lambda rng, line, separator: "\ufeff" + line,
    "control code": lambda rng, line, separator: line.replace("a", "\x1f\x0b", 1),
    "carriage return": lambda rng, line, separator: line.replace("a", "\r", 1),
    "emptied": lambda rng, line, separator: "",
    "blank line": lambda rng, line, separator: "\n" + line + "\n",
}
"""What may become of the text of a row."""

IN_BYTES = {
    "bytes changed": lambda rng, data, encoding: flipped(rng, data),
    "bytes lost": lambda rng, data, encoding: cut_out(rng, data),
    "other encoding": other_encoding,
}
"""What may become of the bytes of a row."""

OF_FILES = (
    "cut off",
    "line ends of all kinds",
    "header repeated",
    "no line end",
    "lines joined",
    "quotes around rows",
    "header alone",
    "nothing",
)
"""What may become of a whole file."""


class Case:
    """A damaged text file: `untouched` are the texts of rows that the damage left alone."""

    def __init__(self, seed):
        rng = self.rng = random.Random(seed)
        self.encoding = rng.choice(["utf-8", "utf-8", "gb18030", "utf-16"])
        self.separator = rng.choice(",\t;")
        self.lines = [as_line(row, self.separator) for row in good_rows(rng)]
        self.kinds = rng.choices([*IN_TEXT, *IN_BYTES, *OF_FILES], k=rng.choice([1, 1, 2, 3]))
        self.kinds = next(([kind] for kind in self.kinds if kind in ("header alone", "nothing")), self.kinds)
        self.pieces = [line.encode(self._codec) for line in self.lines]
        self.touched = set()
        end = rng.choice(["\n", "\r\n"]).encode(self._codec)
        self.ends = [end] * len(self.pieces)
        self.tail = None
        for kind in self.kinds:
            self.damage(kind)
        mark = b"\xff\xfe" if self.encoding == "utf-16" else b""
        rows = b"".join(piece + end for piece, end in zip(self.pieces, self.ends, strict=True))
        self.data = mark + self.separator.join(HEADER).encode(self._codec) + end + rows
        if self.tail is not None:
            self.data = self.data[: max(len(mark), len(self.data) - self.tail)]
        self.untouched = [line for i, line in enumerate(self.lines) if i not in self.touched]

    @property
    def _codec(self):
        return "utf-16-le" if self.encoding == "utf-16" else self.encoding

    def damage(self, kind):
        rng, i = self.rng, self.rng.randrange(len(self.lines))
        if kind in IN_TEXT:
            # a text that was damaged as bytes is not damaged as text again
            if i not in self.touched:
                self.pieces[i] = IN_TEXT[kind](rng, self.lines[i], self.separator).encode(self._codec)
            self.touched.add(i)
        elif kind in IN_BYTES:
            if i not in self.touched and not (kind == "other encoding" and self.encoding == "utf-16"):
                self.pieces[i] = IN_BYTES[kind](rng, self.pieces[i], self.encoding)
            self.touched.add(i)
            if self.encoding == "utf-16":  # what follows may have lost its place
                self.touched |= set(range(i, len(self.lines)))
        elif kind == "cut off":
            self.tail = rng.randrange(1, 60)
            self.touched |= set(range(max(0, len(self.lines) - 8), len(self.lines)))
        elif kind == "line ends of all kinds":
            self.ends = [rng.choice(["\n", "\r\n", "\r"]).encode(self._codec) for _ in self.ends]
        elif kind == "header repeated":
            self.pieces[i] += self.ends[i] + self.separator.join(HEADER).encode(self._codec)
        elif kind == "no line end":
            self.ends[-1] = b""
        elif kind == "lines joined":
            self.ends[i] = b""
            self.touched |= {i, i + 1}
        elif kind == "quotes around rows":
            self.quote_from(i, min(i + rng.randrange(1, 6), len(self.lines) - 1), rng.randrange(len(HEADER) - 1))
        elif kind == "header alone":
            self.pieces, self.ends, self.touched = [], [], set(range(len(self.lines)))
        elif kind == "nothing":
            self.tail, self.touched = 1 << 40, set(range(len(self.lines)))

    def quote_from(self, i, j, column):
        """A quote is opened in a field of row i, and closed in that of row j: as if both were one row."""
        if i < j and not self.touched & {i, j}:
            opened, closed = self.lines[i].split(self.separator), self.lines[j].split(self.separator)
            opened[column], closed[column] = '"' + opened[column], closed[column] + '"'
            self.pieces[i] = self.separator.join(opened).encode(self._codec)
            self.pieces[j] = self.separator.join(closed).encode(self._codec)
        self.touched |= {i, j}


def check(case, path):
    """The rows and the unread of a damaged file against the file itself."""
    file = open_file(path, TextOptions(separator=case.separator, header=True))
    lines = LINE_ENDS.split(case.data.decode(file.encoding, "replace"))
    pending = {n for n, line in enumerate(lines, 1) if line and n > file.skip}
    out, texts, count = set(), [], 0
    for batch in file.batches(lambda done: None):
        for row, line in zip(batch.rows.to_pylist(), batch.lines.tolist(), strict=True):
            values = list(row.values())
            last = line + sum(len(LINE_ENDS.findall(value)) for value in values)
            assert {n for n in range(line, last + 1) if lines[n - 1]} <= pending, "a line came out twice"
            pending -= set(range(line, last + 1))
            raw = lines[line - 1 : last]
            assert [LINE_ENDS.sub("\n", value) for value in values] == taken_apart(raw, case.separator)
            out.add("\n".join(raw))
            count += 1
        for line, reason, text in batch.unread:
            assert line in pending, f"line {line} ({reason}) was not to come"
            pending.remove(line)
            texts.append(text)
            count += 1
    assert not pending, f"lines {sorted(pending)[:5]} did not come out"
    aside = "\n".join(texts)
    for line in case.untouched:
        assert line in out or all(part in aside for part in line.split("\n")), f"{line!r} is lost or was changed"
    return count, sum(line not in out for line in case.untouched)


def taken_apart(raw, separator):
    (row,) = csv.reader([line + "\n" for line in raw[:-1]] + [raw[-1]], delimiter=separator, strict=True)
    return row


def test_no_row_of_a_damaged_text_file_is_lost_or_changed_unseen(tmp_path):
    csv.field_size_limit(1 << 22)
    workspace = Workspace(tmp_path / "home", bundled=None)
    refused = aside = 0
    for seed in range(cases(60, 1400)):
        case = Case(seed)
        path = tmp_path / "log.txt"
        zipped = case.rng.random() < 0.3
        path.write_bytes(gzip.compress(case.data) if zipped else case.data)
        try:
            count, set_aside = check(case, path)
            aside += set_aside
        except UserError as error:
            assert case.kinds[-1] in ("nothing", "header alone", "cut off") or "empty" in str(error), (seed, case.kinds)
            refused += 1
            continue
        except Exception as error:
            raise AssertionError(f"seed {seed}: {case.kinds}, {case.encoding}: {error}") from error
        ingested(workspace, path, case, count, seed)
    print(f"{refused} files refused, {aside} rows set aside though they were whole")


def ingested(workspace, path, case, count, seed):
    """The whole ingest accounts for as many rows, or says why it makes no dataset and leaves nothing behind."""
    before = len(list(workspace.home.glob("datasets/*")))
    text = TextOptions(separator=case.separator, header=True)
    try:
        report = ingest(workspace, "generic", path, text=text)
    except UserError:
        assert len(list(workspace.home.glob("datasets/*"))) == before, f"seed {seed}"
        return
    assert report["rows_in"] == report["accepted"] + sum(report["set_aside"].values()) == count, f"seed {seed}"
    kept = pq.read_table(workspace.dataset_folder(report["dataset"]) / "set_aside.parquet")
    assert len(kept) == sum(report["set_aside"].values()), f"seed {seed}"


OF_GZIP = {
    "cut off": lambda rng, data: data[: rng.randrange(2, len(data))],
    "bytes changed": lambda rng, data: data[:10] + flipped(rng, data[10:]),
    "bytes lost": lambda rng, data: data[:10] + cut_out(rng, data[10:]),
    "rubbish behind": lambda rng, data: data + b"rubbish",
    "two members": lambda rng, data: data + gzip.compress(b""),
}


@pytest.mark.parametrize("kind", OF_GZIP)
def test_a_damaged_gzip_file_is_whole_or_refused(tmp_path, kind):
    for seed in range(cases(5, 60)):
        rng = random.Random(seed)
        rows = good_rows(rng)
        path = tmp_path / "log.csv.gz"
        data = "".join(as_line(row, ",") + "\n" for row in [HEADER, *rows]).encode()
        path.write_bytes(OF_GZIP[kind](rng, gzip.compress(data)))
        try:
            read = [
                list(row.values())
                for batch in open_file(path).batches(lambda done: None)
                for row in batch.rows.to_pylist()
            ]
        except UserError as error:
            assert kind != "two members" and "log.csv.gz" in str(error), f"seed {seed}"
            continue
        assert read == rows, f"seed {seed}"


def of_end(rng, data):
    """The footer's length and the mark after it are said anew."""
    return data[:-8] + rng.randbytes(4) + rng.choice([b"PAR1", b"PARE", b"\0\0\0\0"])


OF_PARQUET = {
    "cut off": lambda rng, data: data[: rng.randrange(4, len(data))],
    "footer changed": lambda rng, data: in_footer(rng, data, flipped),
    "footer lost in part": lambda rng, data: in_footer(rng, data, cut_out),
    "footer's length changed": of_end,
    "pages changed": lambda rng, data: data[:4] + flipped(rng, data[4 : footer(data)]) + data[footer(data) :],
    "pages lost in part": lambda rng, data: data[:4] + cut_out(rng, data[4 : footer(data)]) + data[footer(data) :],
}


def footer(data):
    return len(data) - 8 - int.from_bytes(data[-8:-4], "little")


def in_footer(rng, data, damage):
    at = footer(data)
    damaged = damage(rng, data[at:-8])
    return data[:at] + damaged + len(damaged).to_bytes(4, "little") + data[-4:]


@pytest.mark.parametrize("kind", OF_PARQUET)
def test_a_damaged_parquet_file_is_whole_or_refused(tmp_path, kind):
    for seed in range(cases(8, 120)):
        rng = random.Random(seed)
        columns = dict(zip(HEADER, map(list, zip(*good_rows(rng), strict=True)), strict=True))
        file = io.BytesIO()
        options = {
            "compression": rng.choice(["none", "snappy", "zstd", "gzip"]),
            "row_group_size": rng.choice([7, 1000]),
        }
        pq.write_table(pa.table(columns), file, write_page_checksum=True, use_dictionary=rng.random() < 0.5, **options)
        path = tmp_path / "log.parquet"
        path.write_bytes(OF_PARQUET[kind](rng, file.getvalue()))
        read, total = {name: [] for name in HEADER}, 0
        try:
            for batch in open_file(path).batches(lambda done: None):
                total += len(batch.rows) + len(batch.unread)
                for name, values in batch.rows.to_pydict().items():
                    read.setdefault(name, []).extend(values)
        except UserError as error:
            assert "log.parquet" in str(error), f"seed {seed}"
            continue
        assert total == len(columns["user_id"]), f"seed {seed}: rows were lost or made up"
        known = set().union(*columns.values())
        if kind.startswith("pages"):
            assert set().union(*read.values()) <= known, f"seed {seed}: a value came out that was never there"
