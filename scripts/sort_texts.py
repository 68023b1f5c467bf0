"""Put assets/texts.csv in order after an edit or a merge; a text with two translations is told, and left to settle."""

import csv
import sys
from pathlib import Path

TABLE = Path(__file__).parent.parent / "assets" / "texts.csv"


def main() -> None:
    """Read, sort, write."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file))
    rows = sorted({tuple(row) for row in rows if row != header})
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    english = [row[0] for row in rows]
    if twice := sorted({text for text in english if english.count(text) > 1}):
        sys.exit("twice in the table: " + "; ".join(twice))


if __name__ == "__main__":
    main()
