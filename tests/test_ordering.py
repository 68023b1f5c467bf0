import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dssm_core.ordering import stable_order

SMALL, ANY = st.integers(-3, 3), st.integers(-(2**63), 2**63 - 1)


@given(st.lists(st.tuples(SMALL, ANY | SMALL, SMALL), max_size=60))
def test_rows_are_sorted_by_the_first_key_then_the_next_and_equal_ones_stay_as_they_stand(rows):
    keys = np.array(rows, np.int64).reshape(len(rows), 3).T
    assert stable_order(*keys).tolist() == np.lexsort(keys[::-1]).tolist()


def test_keys_may_be_of_any_kind_of_whole_number():
    keys = np.array([2, 1, 2, 1], np.int32), np.array([True, True, False, True])
    assert stable_order(*keys).tolist() == [1, 3, 2, 0]
