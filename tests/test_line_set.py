import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dssm_core.line_set import LineSet


@given(st.sets(st.integers(0, 100)), st.integers(100, 120))
def test_a_set_of_lines_holds_what_was_added_and_nothing_else(wanted, last):
    lines = LineSet(last)
    lines.add(np.array(sorted(wanted), np.int64))
    assert np.flatnonzero(lines.contains(np.arange(last + 1))).tolist() == sorted(wanted)
    assert bool(lines) == bool(wanted)


def test_lines_behind_the_last_are_in_no_set():
    lines = LineSet(9)
    lines.add(np.array([9]))
    assert lines.contains(np.array([8, 9, 15, 16, 10**6])).tolist() == [False, True, False, False, False]
