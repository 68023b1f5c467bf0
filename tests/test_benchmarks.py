"""`make bench`: what the scripts tell is kept in results.json and results.md, also where one of them fails."""

import json

import pytest

from benchmarks.__main__ import HERE, SCRIPTS, run_all
from benchmarks.goals import GOALS, print_figure
from benchmarks.report import KEPT, renewed, results_md, told_before, write_report

FIGURE = {"name": "idle_mb", "value": 300, "unit": "MB", "low": 290, "high": 310, "goal": "< 350", "met": True}
DAY = {"day": "2026-11-25"}


@pytest.fixture
def script(tmp_path):
    """Writes a script into a folder of its own; returns its path."""

    def write(name, *lines):
        path = tmp_path / f"{name}.py"
        path.write_text("\n".join(lines))
        return path

    return write


def test_every_figure_that_has_a_goal_is_told_by_a_script_that_is_run():
    told = {script: (HERE / f"{script}.py").read_text(encoding="utf-8") for script in SCRIPTS}
    for name in GOALS:
        assert any(f'"{name}"' in text for text in told.values()), name


def test_a_script_that_fails_does_not_lose_the_figures_of_the_others(script, tmp_path, capsys):
    scripts = [
        script("before", f"print({json.dumps(FIGURE)!r})"),
        script("broken", f"print({json.dumps(FIGURE | {'name': 'first_paint_s'})!r})", "raise SystemExit('no')"),
        script("after", "print('a word beside')", f"print({json.dumps(FIGURE | {'name': 'ann_build_s'})!r})"),
    ]
    lines, failed = run_all(scripts, str(tmp_path))
    write_report(lines, failed, tmp_path)
    assert failed == ["broken"]
    assert "broken failed" in capsys.readouterr().err
    kept = json.loads((tmp_path / "results.json").read_text())
    assert [figure["name"] for figure in kept] == ["ann_build_s", "first_paint_s", "idle_mb"]
    page = (tmp_path / "results.md").read_text()
    assert "**Failed**: broken" in page
    assert "**Not measured**: training_vs_deepmatch" in page


def test_some_figures_can_be_measured_again_beside_those_of_an_earlier_day(tmp_path):
    growth = [{"growth": of, "cost": of, "unit": "s", "size": 100, "value": 1.0} for of in ("articles", "rows")]
    earlier = [FIGURE | DAY, FIGURE | DAY | {"name": "ann_build_s", "rounds": 3}, *growth]
    write_report(earlier, [], tmp_path)
    assert renewed(told_before(tmp_path), growth[:1])[2:] == growth[:1]
    again = FIGURE | {"value": 310, "day": "2026-11-27"}
    write_report(renewed(told_before(tmp_path), [again]), [], tmp_path)
    assert [(line.get("name"), line["value"]) for line in told_before(tmp_path)] == [
        ("ann_build_s", 300),
        ("idle_mb", 310),
        (None, 1.0),
        (None, 1.0),
    ]
    page = (tmp_path / "results.md").read_text()
    assert "2026-11-25 to 2026-11-27" in page and "`ann_build_s`: rounds 3" in page


def test_a_figure_is_kept_as_it_was_printed(capsys, tmp_path):
    print_figure("sampling_vs_numpy", [2100.4, 1900.2, 2500.7], ours_per_second=123456)
    line = json.loads(capsys.readouterr().out) | DAY
    write_report([line], [], tmp_path)
    (kept,) = json.loads((tmp_path / "results.json").read_text())
    assert tuple(kept) == KEPT
    assert kept == {
        "name": "sampling_vs_numpy",
        "value": 2100,
        "unit": "x",
        "low": 1900,
        "high": 2501,
        "goal": ">= 2000",
        "met": True,
    }
    page = (tmp_path / "results.md").read_text()
    assert "| `sampling_vs_numpy` | draws of funrec_mix" in page
    assert "ours_per_second 123,456" in page


def test_a_goal_that_is_missed_is_told():
    assert "| < 350 | **no** |" in results_md([FIGURE | DAY | {"value": 400, "met": False}], [])


@pytest.mark.parametrize(("name", "value", "met"), [("idle_mb", 350, False), ("exact_vs_faiss", 1.0, True)])
def test_under_is_below_and_at_least_is_not_less(name, value, met):
    assert GOALS[name].met(value) == met
