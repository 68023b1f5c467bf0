import numpy as np
import pytest

from dssm_core.projection import PROJECTIONS, pca, stratified, tsne


@pytest.mark.parametrize("name", PROJECTIONS)
@pytest.mark.parametrize(("articles", "others"), [(1, 1), (2, 0), (3, 1), (40, 2)])
def test_every_projection_gives_each_vector_a_finite_place(name, articles, others, rng):
    vectors = rng.normal(size=(articles + others, 8)).astype(np.float32)
    found = PROJECTIONS[name](vectors[:articles])
    placed = found.place(vectors[articles:])
    assert found.articles.shape == (articles, 2) and placed.shape == (others, 2)
    assert np.isfinite(found.articles).all() and np.isfinite(placed).all()


def test_pca_keeps_the_directions_that_vary_most(rng):
    spread = (rng.normal(size=(500, 4)) * [10, 5, 0.1, 0.1]).astype(np.float32)
    found = pca(spread)
    np.testing.assert_allclose(np.abs(np.corrcoef(found.articles[:, 0], spread[:, 0])[0, 1]), 1, atol=1e-3)
    np.testing.assert_allclose(found.place(spread[:3]), found.articles[:3], atol=1e-4)
    assert found.kept > 0.99


def test_vectors_of_two_dimensions_are_kept_whole(rng):
    vectors = rng.normal(size=(30, 2)).astype(np.float32)
    found = pca(vectors)
    assert found.kept == pytest.approx(1)
    before = np.linalg.norm(vectors[0] - vectors[9])
    assert np.linalg.norm(found.articles[0] - found.articles[9]) == pytest.approx(before, rel=1e-4)


def test_tsne_places_another_vector_amid_its_nearest_articles(rng):
    centres = np.repeat(np.eye(4, dtype=np.float32), 20, axis=0)
    vectors = centres + rng.normal(0, 0.05, (80, 4)).astype(np.float32)
    found = tsne(vectors)
    placed = found.place(np.eye(4, dtype=np.float32))
    own = found.articles.reshape(4, 20, 2).mean(axis=1)
    apart = np.linalg.norm(placed[:, None] - own[None], axis=2)
    assert apart.argmin(axis=1).tolist() == [0, 1, 2, 3]


def test_each_group_has_its_share_of_a_sample():
    groups = np.repeat([0, 1, 2], [700, 200, 100])
    chosen = stratified(groups, 100)
    assert np.bincount(groups[chosen]).tolist() == [70, 20, 10]
    assert len(set(chosen.tolist())) == 100 and (np.diff(chosen) > 0).all()


def test_shares_are_rounded_by_largest_remainder():
    chosen = stratified(np.repeat([0, 1, 2], [5, 3, 2]), 3)
    assert np.bincount(np.repeat([0, 1, 2], [5, 3, 2])[chosen], minlength=3).tolist() == [1, 1, 1]


def test_a_small_map_is_shown_whole():
    assert stratified(np.array([1, 0, 1]), 5).tolist() == [0, 1, 2]
