import threading
import time

import pytest

from dssm_core.read_ahead import read_ahead


def counting(n, made):
    def make(put):
        for i in range(n):
            made.append(i)
            put(i)

    return make


def test_what_is_made_comes_in_its_order():
    with read_ahead(counting(50, [])) as items:
        assert list(items) == list(range(50))


def test_only_a_few_are_made_ahead():
    made = []
    with read_ahead(counting(50, made)) as items:
        next(items)
        time.sleep(0.2)
        assert len(made) < 8


def test_what_making_raises_is_raised_after_what_was_made_before():
    def make(put):
        put(1)
        raise ValueError("broken")

    with read_ahead(make) as items:
        assert next(items) == 1
        with pytest.raises(ValueError, match="broken"):
            next(items)


@pytest.mark.parametrize("wait", [0, 0.3], ids=["at once", "when the thread waits"])
def test_the_thread_ends_where_its_reader_goes_away(wait):
    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt), read_ahead(counting(10**9, [])) as items:
        next(items)
        time.sleep(wait)
        raise KeyboardInterrupt
    for thread in set(threading.enumerate()) - before:
        thread.join(1)
        assert not thread.is_alive()
