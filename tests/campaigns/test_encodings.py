"""Logs with Chinese titles in UTF-8, in GB18030, and of both: no title comes out in characters that it never had."""

import random

from dssm_core.input_files import TextOptions, open_file
from tests.campaigns.size import cases

COMMON = [bytes([high, low]).decode("gb2312") for high in range(0xB0, 0xD7) for low in range(0xA1, 0xFF)]
RARE = [chr(code) for code in range(0x4E00, 0x9FA6)]
# Characters of GB2312 whose bytes are letters of UTF-8 too: the hardest to tell.
EITHER = [bytes([high, low]).decode("gb2312") for high in range(0xC2, 0xD8) for low in range(0xA1, 0xC0)]
WORDS = ["NBA", "5G", "iPhone 12", "2021年", "·", "“", "》", "A股", "！", "20°C", "Live"]


def title(rng):
    pool = rng.choice([COMMON, COMMON, COMMON, RARE, EITHER])
    characters = rng.choices(pool, k=rng.choice([1, 2, 3, 4, 8, 20]))
    for _ in range(rng.choice([0, 0, 1, 2])):
        characters.insert(rng.randrange(len(characters) + 1), rng.choice(WORDS))
    return "".join(characters)


def log(rng):
    """Rows as (encoding, text), one column of numbers and two of titles; most are in the first encoding."""
    main, other = rng.sample(["utf-8", "gb18030"], 2)
    share = rng.choice([0, 0, 0.02, 0.1, 0.3])
    rows = []
    for i in range(rng.choice([8, 60, 200])):
        # what a file is in is told by its titles: the first are long enough to tell
        titles = [title(rng) for _ in range(2)] if i > 5 else ["".join(rng.choices(COMMON, k=10)), "体育"]
        rows.append((other if i > 5 and rng.random() < share else main, [f"u{i}", *titles]))
    return main, rows


def judged(path, rows, main, options):
    """How many rows of the main encoding were set aside, and how many were read otherwise than they were written."""
    file = open_file(path, options)
    assert file.encoding == main
    aside, wrong = [], []
    for batch in file.batches(lambda done: None):
        for line, row in zip(batch.lines.tolist(), batch.rows.to_pylist(), strict=True):
            if list(row.values()) != rows[line - 2][1]:
                wrong.append((rows[line - 2], row))
        aside += [rows[unread.line - 2] for unread in batch.unread]
    return [row for row in aside if row[0] == main], wrong


def test_no_title_becomes_another(tmp_path):
    total = lost = 0
    for seed in range(cases(40, 1000)):
        rng = random.Random(seed)
        main, rows = log(rng)
        path = tmp_path / "log.csv"
        lines = [b"user_id,article_id,title"]
        lines += [",".join(fields).encode(encoding) for encoding, fields in rows]
        path.write_bytes(b"\n".join(lines) + b"\n")
        aside, wrong = judged(path, rows, main, TextOptions(separator=",", header=True))
        assert not wrong, f"seed {seed}: {main}: {wrong[:3]}"
        total += sum(encoding == main for encoding, _ in rows)
        lost += len(aside)
    print(f"{lost} of {total} rows in their file's encoding were set aside as doubtful")
    assert lost <= total / 100


def test_a_file_without_doubt_is_read_whole(tmp_path):
    for seed in range(cases(20, 200)):
        rng = random.Random(seed)
        encoding = rng.choice(["utf-8", "utf-8-sig", "gb18030", "utf-16"])
        rows = [[f"u{i}", "".join(rng.choices(COMMON, k=rng.randrange(6, 20)))] for i in range(rng.randrange(1, 100))]
        path = tmp_path / "log.csv"
        path.write_bytes("".join(",".join(row) + "\n" for row in [["user_id", "article_id"], *rows]).encode(encoding))
        batches = list(open_file(path, TextOptions(header=True)).batches(lambda done: None))
        assert [list(row.values()) for batch in batches for row in batch.rows.to_pylist()] == rows, f"seed {seed}"
