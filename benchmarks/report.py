"""What is kept of a run of all timings: results.json, results.md, growth.json and the two growth charts."""

import importlib.metadata
import json
import platform
from pathlib import Path

import psutil

from benchmarks.goals import GOALS
from benchmarks.growth_charts import draw_growth

TOLD, GROWTH = "told.json", "growth.json"
"""What the scripts told, line by line: of figures, and of how they grow."""
KEPT = ("name", "value", "unit", "low", "high", "goal", "met")
"""Of a figure in results.json; what else its script told stands in results.md."""
_PACKAGES = ("tensorflow", "faiss-cpu", "pyarrow", "streamlit", "numpy", "pandas")


def write_report(lines: list[dict], failed: list[str], folder: Path) -> None:
    """Write the files from what the scripts told; `failed` are the scripts that did not end well."""
    figures = in_order([line for line in lines if "name" in line])
    growth = [line for line in lines if "growth" in line]
    _write_lines(folder / "results.json", [{key: figure[key] for key in KEPT} for figure in figures if figure["goal"]])
    _write_lines(folder / TOLD, figures)
    _write_lines(folder / GROWTH, growth)
    (folder / "results.md").write_text(results_md(figures, failed), encoding="utf-8")
    draw_growth(growth, folder)


def told_before(folder: Path) -> list[dict]:
    """The lines that an earlier run kept."""
    return [line for name in (TOLD, GROWTH) for line in json.loads((folder / name).read_text(encoding="utf-8"))]


def renewed(before: list[dict], lines: list[dict]) -> list[dict]:
    """The lines of an earlier run, but for those that were told again: figures one by one, growth as a whole."""
    again = {line.get("name") for line in lines}
    return [line for line in before if line.get("name") not in again] + lines


def in_order(figures: list[dict]) -> list[dict]:
    """Figures in the order of the goals, those of no goal last."""
    places = {name: place for place, name in enumerate(GOALS)}
    return sorted(figures, key=lambda figure: places.get(figure["name"], len(places)))


def results_md(figures: list[dict], failed: list[str]) -> str:
    """The page: on what it was measured, every figure with its goal, and what the scripts told besides."""
    missing = [name for name in GOALS if name not in {figure["name"] for figure in figures}]
    parts = [
        "# Measured side by side\n\nWritten by `make bench`; the same figures are in results.json. A figure is the "
        "median of the rounds, with the least and the most; of pages it is the 95th percentile.",
        machine(_days(figures)),
        _table(figures),
        *([f"**Failed**: {', '.join(failed)}."] if failed else []),
        *([f"**Not measured**: {', '.join(missing)}."] if missing else []),
        "## Growth\n\n![cost against the number of articles](growth_articles.svg)\n\n"
        "![cost against the number of rows](growth_rows.svg)",
        _details(figures),
    ]
    return "\n\n".join(parts) + "\n"


def _write_lines(path: Path, items: list[dict]) -> None:
    """A JSON list with an item a line, so that two versions can be compared."""
    path.write_text("[\n" + ",\n".join(f"  {json.dumps(item)}" for item in items) + "\n]\n", encoding="utf-8")


def machine(days: str) -> str:
    """What was measured on: the days, the processor, memory, system and versions."""
    memory = psutil.virtual_memory().total / 2**30
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES)
    return (
        f"{days} · {_cpu()}, {psutil.cpu_count()} cores, {memory:.0f} GiB · "
        f"{platform.platform(terse=True)}\n\nPython {platform.python_version()}, {versions}"
    )


def _days(figures: list[dict]) -> str:
    """The day on which all figures were measured, or the first and the last."""
    days = [figure["day"] for figure in figures]
    return " to ".join(dict.fromkeys([min(days), max(days)]))


def _cpu() -> str:
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _table(figures: list[dict]) -> str:
    rows = ["| figure | what | value | least to most | goal | met |", "| --- | --- | ---: | ---: | ---: | --- |"]
    for figure in figures:
        unit = f" {figure['unit']}".rstrip()
        what = GOALS[figure["name"]].what if figure["name"] in GOALS else ""
        met = {True: "yes", False: "**no**", None: ""}[figure["met"]]
        rows.append(
            f"| `{figure['name']}` | {what} | {figure['value']:,}{unit} | {figure['low']:,} to {figure['high']:,} "
            f"| {figure['goal'] or ''} | {met} |"
        )
    return "\n".join(rows)


def _details(figures: list[dict]) -> str:
    told = ["## What else was told"]
    for figure in figures:
        details = {key: value for key, value in figure.items() if key not in (*KEPT, "day")}
        if details:
            told.append(
                f"- `{figure['name']}`: " + ", ".join(f"{key} {_plain(value)}" for key, value in details.items())
            )
    return "\n".join([told[0], "", *told[1:]])


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{key} {_plain(of)}" for key, of in value.items()) + ")"
    if isinstance(value, list):
        return "(" + ", ".join(map(_plain, value)) + ")"
    return f"{value:,}" if isinstance(value, int | float) else str(value)
