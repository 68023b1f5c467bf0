"""Write the tables of README.md that are made from the code: the presets with their sources, and what was measured."""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.goals import GOALS
from dssm_core.presets import PRESETS

README = ROOT / "README.md"


def main() -> None:
    """Put the tables between their marks."""
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")


def with_tables(text: str) -> str:
    """README.md with its tables as they are now."""
    for name, rows in (("presets", presets()), ("benchmarks", benchmarks())):
        block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        table = "\n".join(rows)
        text = block.sub(lambda found, table=table: f"{found[1]}\n{table}\n\n{found[2]}", text)
    return text


def presets() -> list[str]:
    """A row for each preset."""
    rows = [f"| `{name}` | {preset.summary} | {preset.source} |" for name, preset in PRESETS.items()]
    return ["| preset | what it is | source |", "| --- | --- | --- |", *rows]


def benchmarks() -> list[str]:
    """A row for each figure that has a goal."""
    figures = json.loads((ROOT / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    return ["| what | median | least to most | goal |", "| --- | ---: | ---: | --- |", *map(_row, figures)]


def _row(figure: dict) -> str:
    value = f"{figure['value']:,} {figure['unit']}".strip()
    missed = "" if figure["met"] else ", **missed**"
    spread = f"{figure['low']:,} to {figure['high']:,}"
    return f"| {GOALS[figure['name']].what} | {value} | {spread} | {figure['goal']}{missed} |"


if __name__ == "__main__":
    main()
