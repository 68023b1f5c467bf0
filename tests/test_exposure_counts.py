import numpy as np
import pytest

from dssm_core.dataset import Exposures
from dssm_core.exposure_counts import ExposureCounts
from dssm_core.split import local_days, midnight

DAY = 86_400_000


def exposures_at(times):
    ones = np.ones(len(times), np.int32)
    return Exposures(ones, ones, np.array(times, np.int64), np.ones(len(times), bool))


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "Asia/Kathmandu", "Africa/Monrovia"])
def test_an_instant_before_midnight_is_of_another_day_than_midnight(zone):
    begins = midnight(400, zone)  # in Monrovia then 44 minutes and 30 seconds after that of UTC
    for times, days in (([begins - 1], {399}), ([begins], {400}), ([begins - 1, begins, begins + DAY - 1], {399, 400})):
        counts = ExposureCounts(zone)
        counts.add(exposures_at(times))
        assert counts.days == days


def test_days_are_those_of_every_instant_of_all_pieces():
    rng, counts = np.random.default_rng(0), ExposureCounts("Europe/Berlin")
    pieces = [1_616_000_000_000 + rng.integers(0, 20 * DAY, 50) for _ in range(3)]  # clocks are put forward meanwhile
    for times in pieces:
        counts.add(exposures_at(times))
    every = np.concatenate(pieces)
    assert counts.days == set(local_days(every, "Europe/Berlin").tolist())
    assert (counts.rows, counts.clicks) == (150, 150)
    report = counts.report(["milliseconds"])
    assert (report["first_time"], report["last_time"]) == (every.min(), every.max())
