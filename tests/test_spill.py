import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dssm_core.spill import spilled


def rows(users, first):
    """Rows of users, with their number, from `first` on, as the value of another column."""
    return {"user": np.array(users, np.int32), "number": np.arange(first, first + len(users))}


@given(st.lists(st.lists(st.integers(0, 9), max_size=8), max_size=12), st.integers(1, 20))
def test_every_row_comes_back_with_its_user_in_the_order_it_came(tmp_path_factory, batches, most):
    with spilled(tmp_path_factory.getbasetemp(), most) as spill:
        first = 0
        for users in batches:
            spill.add(rows(users, first))
            first += len(users)
        groups = list(spill.groups())
    came = np.array([user for users in batches for user in users])
    numbers = np.concatenate([group["number"] for group in groups] or [np.zeros(0, int)])
    assert sorted(numbers.tolist()) == list(range(first))
    last = -1
    for group in groups:
        users = group["user"]
        assert users.dtype == np.int32 and (came[group["number"]] == users).all()
        assert len(users) <= most or len(set(users.tolist())) == 1, "a group holds more than one user's surplus"
        assert len(users), "a group holds nothing"
        assert users.min() > last, "a user is in two groups"
        last = users.max(initial=last)
        for user in set(users.tolist()):
            assert (np.diff(group["number"][users == user]) > 0).all()


def test_a_spill_leaves_nothing_in_its_folder_even_while_it_is_open(tmp_path):
    with spilled(tmp_path, rows=2) as spill:
        spill.add(rows([1, 2, 3], 0))
        assert not list(tmp_path.iterdir())


def test_a_spill_without_rows_has_no_groups(tmp_path):
    with spilled(tmp_path) as spill:
        spill.add(rows([], 0))
        assert list(spill.groups()) == []


@pytest.mark.parametrize("dtype", [np.int8, np.int64, bool])
def test_columns_keep_their_dtypes(tmp_path, dtype):
    with spilled(tmp_path) as spill:
        spill.add({"user": np.array([2, 1], np.int32), "value": np.array([0, 1], dtype)})
        (group,) = spill.groups()
    assert group["value"].dtype == dtype
    assert group["value"].tolist() == [1, 0]
