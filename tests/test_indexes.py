import time

import faiss
import numpy as np
import pytest
from annoy import AnnoyIndex

from dssm_core import indexes
from dssm_core.config import IndexConfig
from dssm_core.indexes import INDEXES, compare_with_exact, save_index

CONFIG = IndexConfig()


def unit_rows(rng, n, dim=8):
    rows = rng.standard_normal((n, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("name", INDEXES)
def test_every_index_returns_true_cosines_best_first(name, rng):
    vectors, queries = unit_rows(rng, 3000), unit_rows(rng, 20)
    positions, cosines = INDEXES[name](vectors, CONFIG).search(queries, 50)
    assert positions.shape == cosines.shape == (20, 50)
    assert positions.dtype == np.int64 and cosines.dtype == np.float32
    np.testing.assert_allclose(cosines, np.einsum("qd,qkd->qk", queries, vectors[positions]), atol=1e-5)
    assert (np.diff(cosines, axis=1) <= 1e-6).all()
    assert all(len(set(row)) == 50 for row in positions)


@pytest.mark.parametrize("name", INDEXES)
def test_every_index_finds_most_of_the_exact_list_and_itself_first(name, rng):
    vectors = unit_rows(rng, 3000)
    index = INDEXES[name](vectors, CONFIG)
    assert (index.search(vectors[:100], 1)[0][:, 0] == np.arange(100)).mean() > 0.95
    found = compare_with_exact(index, INDEXES["exact"](vectors, CONFIG), unit_rows(rng, 50), 20)
    assert found["share_of_exact"] > 0.5
    assert found["queries_per_second"] > 0 and found["exact_queries_per_second"] > 0


@pytest.mark.parametrize("name", INDEXES)
@pytest.mark.parametrize("n", [1, 2, 40, 200])
def test_every_index_returns_a_whole_small_pool_and_blanks_after_it(name, n, rng):
    positions, cosines = INDEXES[name](unit_rows(rng, n), CONFIG).search(unit_rows(rng, 3), n + 2)
    assert (np.sort(positions[:, :n], axis=1) == np.arange(n)).all()
    assert (positions[:, n:] == -1).all() and np.isneginf(cosines[:, n:]).all()


@pytest.mark.parametrize("name", INDEXES)
def test_every_index_returns_each_of_many_equal_vectors(name, rng):
    vectors = np.repeat(unit_rows(rng, 3), 100, axis=0)
    positions, cosines = INDEXES[name](vectors, CONFIG).search(vectors[:1], 100)
    assert set(positions[0]) == set(range(100))
    np.testing.assert_allclose(cosines, 1, atol=1e-6)


def test_exact_finds_the_same_slice_by_slice_as_in_one_piece(rng, monkeypatch):
    vectors, queries = unit_rows(rng, 1000), unit_rows(rng, 20)
    whole = INDEXES["exact"](vectors, CONFIG).search(queries, 30)
    monkeypatch.setattr(indexes, "_SLICE_BYTES", 70 * vectors[0].nbytes)
    for positions, cosines in (whole, INDEXES["exact"](vectors, CONFIG).search(queries, 30)):
        np.testing.assert_array_equal(positions, np.argsort(-(queries @ vectors.T), axis=1)[:, :30])
        np.testing.assert_allclose(cosines, whole[1], atol=1e-6)  # how sums are rounded depends on the slice


def test_exact_keeps_the_best_of_all_slices_for_no_more_queries_than_memory_is_for(rng, monkeypatch):
    vectors, queries = unit_rows(rng, 1000), unit_rows(rng, 20)
    whole = INDEXES["exact"](vectors, CONFIG).search(queries, 30)
    monkeypatch.setattr(indexes, "_SLICE_BYTES", 100 * vectors[0].nbytes)
    monkeypatch.setattr(indexes, "_FOUND_BYTES", 3 * 10 * 30 * 12 + 50)
    asked, knn = [], indexes.faiss.knn
    monkeypatch.setattr(
        indexes.faiss, "knn", lambda some, *rest, **how: asked.append(len(some)) or knn(some, *rest, **how)
    )
    for found, expected in zip(INDEXES["exact"](vectors, CONFIG).search(queries, 30), whole, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert max(asked) == 3


@pytest.mark.parametrize("name", INDEXES)
def test_every_index_fills_its_list_however_little_it_looks_at(name, rng):
    frugal = IndexConfig(search_k=1, probes=1)
    positions, _ = INDEXES[name](unit_rows(rng, 2000), frugal).search(unit_rows(rng, 5), 500)
    assert (positions >= 0).all()


@pytest.mark.parametrize("name", INDEXES)
def test_every_index_is_the_same_when_built_again(name, rng):
    vectors, queries = unit_rows(rng, 2000), unit_rows(rng, 10)
    first, second = (INDEXES[name](vectors, CONFIG).search(queries, 20)[0] for _ in range(2))
    assert (first == second).all()


@pytest.mark.parametrize("name", INDEXES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_every_index_refuses_vectors_that_are_not_finite(name, bad, rng):
    vectors = unit_rows(rng, 50)
    vectors[3, 2] = bad
    with pytest.raises(ValueError, match="finite"):
        INDEXES[name](vectors, CONFIG)


@pytest.mark.parametrize("name", INDEXES)
def test_every_index_refuses_an_empty_pool(name):
    with pytest.raises(ValueError, match="n above 0"):
        INDEXES[name](np.zeros((0, 4), np.float32), CONFIG)


@pytest.mark.skipif(faiss.omp_get_max_threads() < 2, reason="FAISS has one core here")
def test_ivf_compares_its_candidates_on_all_cores(rng):
    """Where another thread takes its part, the caller's processor time is well below that of the whole process."""
    index = INDEXES["ivf"](unit_rows(rng, 20_000), IndexConfig(lists=16, probes=16))
    queries = unit_rows(rng, 2000)
    everyone, caller = time.process_time(), time.thread_time()
    index.search(queries, 50)
    assert time.thread_time() - caller < 0.8 * (time.process_time() - everyone)


def test_annoy_turns_its_angular_distance_into_a_cosine():
    vectors = np.array([[1, 0], [0.6, 0.8], [0, 1], [-1, 0]], np.float32)
    positions, cosines = INDEXES["annoy"](vectors, CONFIG).search(vectors[:1], 4)
    assert positions.tolist() == [[0, 1, 2, 3]]
    np.testing.assert_allclose(cosines, [[1, 0.6, 0, -1]], atol=1e-6)


class Fixed:
    def __init__(self, positions, cosines):
        self.answer = np.array(positions), np.array(cosines, np.float32)

    def search(self, queries, k):
        return self.answer


def test_share_of_exact_counts_what_is_as_good_as_the_exact_lists_last():
    exact = Fixed([[0, 1, 2], [3, 4, -1]], [[0.9, 0.8, 0.7], [0.5, 0.4, -np.inf]])
    # first query: 0.9 and a tie of 0.7 (another article) are as good, 0.6 is not; second query: 0.5 found, one lost
    index = Fixed([[0, 7, 8], [3, -1, -1]], [[0.9, 0.7, 0.6], [0.5, -np.inf, -np.inf]])
    found = compare_with_exact(index, exact, np.zeros((2, 4), np.float32), 3)
    assert found["share_of_exact"] == pytest.approx(3 / 5)


@pytest.mark.parametrize("name", ["exact", "ivf"])
def test_a_saved_faiss_index_can_be_opened_with_faiss(name, tmp_path, rng):
    vectors = unit_rows(rng, 300)
    save_index(vectors, IndexConfig(kind=name), tmp_path / "index")
    _, positions = faiss.read_index(str(tmp_path / "index")).search(vectors[:5], 1)
    assert positions[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_a_saved_annoy_index_can_be_opened_with_annoy(tmp_path, rng):
    vectors = unit_rows(rng, 300)
    save_index(vectors, IndexConfig(kind="annoy"), tmp_path / "index")
    opened = AnnoyIndex(8, "angular")
    opened.load(str(tmp_path / "index"))
    assert opened.get_n_items() == 300 and opened.get_nns_by_vector(vectors[7], 1) == [7]
