import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dssm_core.ids
from dssm_core.ids import Ids

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(["", "7", "07", "x" * 1000])


class Slow:
    """What `Ids` does, an id at a time."""

    def __init__(self):
        self.numbers = {"": 0}

    def number(self, ids):
        return [self.numbers.setdefault(id_, len(self.numbers)) for id_ in ids]

    def find(self, ids):
        return [self.numbers.get(id_, 0) for id_ in ids]


def check(batches):
    """Number every other batch and look up the others, and compare with `Slow`."""
    ids, slow = Ids(), Slow()
    for i, batch in enumerate(batches):
        texts = pa.array(["before", *batch], pa.string()).slice(1)  # a part of an array is an array too
        ask = (Ids.number, Slow.number) if i % 2 == 0 else (Ids.find, Slow.find)
        numbers = ask[0](ids, texts)
        assert numbers.dtype == np.int32 and numbers.tolist() == ask[1](slow, batch)
    assert ids.texts.to_pylist() == list(slow.numbers) and len(ids) == len(slow.numbers)


@given(st.lists(st.lists(TEXTS, max_size=30), max_size=6))
def test_ids_are_numbered_as_they_are_first_met_and_found_again(batches):
    check(batches)


def test_thousands_of_ids_that_differ_little_are_told_apart():
    batch = [f"{prefix}{i}{end}" for i in range(3000) for prefix in ("", "u", "0") for end in ("", "\u200b", "x" * 8)]
    check([batch, batch[::-1], [*batch, "new"]])


@pytest.mark.parametrize("alike", [0, 7])
def test_ids_with_the_same_hash_are_still_told_apart(monkeypatch, alike):
    monkeypatch.setattr(dssm_core.ids, "_hashes", lambda words, starts, left: np.full(len(left), alike, np.uint64))
    ids = [f"article {i}" for i in range(60)]
    check([ids, [ids[-1], ids[0], "", "0"], ["another x", ids[-1], "another y", "another x"]])


def test_ids_that_share_a_place_are_still_told_apart(monkeypatch):
    monkeypatch.setattr(dssm_core.ids, "_mixed", np.zeros_like)
    check([[str(i) for i in range(60)], ["59", "60", "", "0"], ["x", "59", "y", "x"]])


def test_ids_of_seven_and_eight_bytes_are_told_apart_whatever_their_last_byte():
    check([["1234567", "1234567\x07", "1234567\x08", "1234567\x00", "\x00", "\x00\x00", "\x01", ""]])


@pytest.mark.parametrize("form", ["{}", "N{}", "{:036}"])
def test_ids_that_count_up_hardly_ever_share_a_place(form):
    ids = pa.array([form.format(i) for i in range(200_000)])
    places = dssm_core.ids._places(dssm_core.ids._keys(ids), np.zeros(1 << 20))
    # thrown at random, 200,000 would fall into 182,000 of so many places
    assert len(np.unique(places)) > 175_000
