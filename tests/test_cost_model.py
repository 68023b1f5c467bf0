"""The cost model: fitted on small sizes alone, and docs/scale.md says what its file says."""

import json
from pathlib import Path

import pytest

from benchmarks.billion import ARTICLES, ROWS, USERS, billion, hours, machines, parallel_share
from benchmarks.costs import compared, error, fit, foretold, model_of
from benchmarks.scale_tables import PAGE, with_tables

FILE = Path(__file__).parent.parent / "benchmarks" / "cost_model.json"


@pytest.fixture(scope="module")
def result():
    return json.loads(FILE.read_text(encoding="utf-8"))


def point(rows, users, cost):
    return {"counts": {"exposures": rows, "users": {"rows": users}}, "cost": cost(rows, users)}


def fit_cost(points, *terms):
    return fit(points, terms, lambda one: one["cost"])


def test_a_cost_of_so_much_a_row_and_a_user_is_found_and_foretold():
    def cost(rows, users):
        return 0.5 + 3e-6 * rows + 7e-4 * users

    small = [point(*size, cost) for size in ((1_000, 10), (5_000, 900), (20_000, 50))]
    constants = fit_cost(small, "job", "row", "user")
    assert constants == pytest.approx({"job": 0.5, "row": 3e-6, "user": 7e-4})
    large = point(10**9, 10**6, cost)
    assert foretold(constants, large["counts"]) == pytest.approx(large["cost"])


def test_no_constant_is_below_zero():
    falling = [point(rows, 1, lambda rows, users: 10 - rows / 1000) for rows in (1_000, 2_000, 4_000)]
    assert min(fit_cost(falling, "job", "row").values()) >= 0


def test_what_costs_nothing_is_foretold_to_cost_nothing():
    assert fit_cost([point(rows, 1, lambda rows, users: 0.0) for rows in (10, 20)], "row") == {"row": 0.0}


def test_the_size_that_is_foretold_is_no_part_of_the_fit(result):
    measured = result["measured"]
    twice = {
        stage: {unit: 2 * cost for unit, cost in taken.items()} for stage, taken in measured["large"]["stages"].items()
    }
    other = {**measured, "large": {**measured["large"], "stages": twice}}
    assert model_of(other) == model_of(measured)
    held, held_other = (compared(one, model_of(one))["stages"]["in all"]["cpu"] for one in (measured, other))
    assert held_other["foretold"] == held["foretold"]
    assert held_other["measured"] == pytest.approx(2 * held["measured"])


def test_the_file_holds_the_fit_of_what_it_says_was_measured(result):
    model = model_of(result["measured"])
    for unit in ("seconds", "cpu", "index", "memory"):
        for stage, constants in result["model"][unit].items():
            assert model[unit][stage] == pytest.approx(constants, rel=1e-6), stage
    assert error(compared(result["measured"], model)["stages"]["in all"]["cpu"]) == pytest.approx(
        error(result["compared"]["stages"]["in all"]["cpu"])
    )


def test_the_page_shows_the_tables_of_the_file(result):
    page = PAGE.read_text(encoding="utf-8")
    assert with_tables(page, result) == page, "run: python -m benchmarks.cost_model --again"


def test_a_page_without_a_place_for_a_table_is_told(result):
    with pytest.raises(ValueError, match="no place for the table 'summary'"):
        with_tables("# no marks", result)


@pytest.mark.parametrize(
    ("seconds", "cpu", "share"), [(10, 10, 0.0), (5, 10, 1.0), (7.5, 10, 0.5), (12, 10, 0.0), (4, 10, 1.0)]
)
def test_the_parallel_share_is_amdahls_of_two_cores(seconds, cpu, share):
    assert parallel_share({"seconds": seconds, "cpu": cpu}, 2) == pytest.approx(share)


def test_what_is_parallel_takes_a_32nd_of_the_hours():
    assert hours(32 * 3600, 1.0) == pytest.approx(1)
    assert hours(32 * 3600, 0.0) == pytest.approx(32)


@pytest.mark.parametrize(("hours_of_one", "held", "count"), [(1, 1e9, 1), (17, 1e9, 3), (1, 500e9, 3)])
def test_as_many_machines_as_are_needed_to_fit_and_to_be_done_in_a_night(hours_of_one, held, count):
    assert machines(hours_of_one, held) == count


def test_the_job_of_a_billion_rows_is_like_the_measured_one_in_its_shares(result):
    counts = result["measured"]["large"]["counts"]
    grown = billion(counts)
    assert (grown["exposures"], grown["users"]["rows"], grown["articles"]["rows"]) == (ROWS, USERS, ARTICLES)
    assert grown["clicks"] / ROWS == pytest.approx(counts["clicks"] / counts["exposures"])
    assert grown["clicks"] < grown["co_clicks"] < counts["co_clicks"] * ROWS / counts["exposures"]
    assert grown["clicked"] <= ARTICLES
    assert grown["test_users"] < USERS
