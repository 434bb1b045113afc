"""Tables of features, and what is done with them, against scikit-learn."""

import dataclasses

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from jaxcnn.errors import DataError
from jaxcnn.interpret import retrieval
from jaxcnn.interpret.retrieval import Table, embed, knn_accuracy, linear_probe, nearest


def cloud(n=400, d=24, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n).astype(np.int32)
    centres = np.random.default_rng(9).standard_normal((classes, d))
    features = (centres[labels] + 0.8 * rng.standard_normal((n, d))).astype(np.float32)
    names = tuple("abc"[:classes])
    keys = np.array([f"image {i}" for i in range(n)])
    return Table(features, labels, keys, np.arange(n), names, "fc7")


def test_neighbours_are_those_of_a_brute_force_search_over_any_number_of_pieces():
    n = 2 * retrieval.CHUNK + 100
    rng = np.random.default_rng(1)
    table = rng.standard_normal((n, 16)).astype(np.float32)
    queries = np.concatenate([table[[5, n - 1]], rng.standard_normal((4, 16)).astype(np.float32)])
    found = nearest(table, queries, 7)
    distance, index = (
        NearestNeighbors(n_neighbors=7, algorithm="brute").fit(table).kneighbors(queries)
    )
    np.testing.assert_array_equal(found.index, index)
    np.testing.assert_allclose(found.distance, distance, rtol=1e-3, atol=2e-3)
    assert found.index[:2, 0].tolist() == [5, n - 1]


def test_a_table_comes_back_and_its_features_stay_on_disk(tmp_path):
    table = cloud()
    back = Table.load(table.save(tmp_path / "features.npz"))
    assert isinstance(back.features, np.memmap)
    np.testing.assert_array_equal(back.features, table.features)
    np.testing.assert_array_equal(back.labels, table.labels)
    assert (back.keys == table.keys).all()
    assert (back.class_names, back.layer) == (table.class_names, table.layer)


def test_what_is_no_table_is_one_sentence(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"x\.npz is no table of features"):
        Table.load(tmp_path / "x.npz")
    with pytest.raises(DataError, match=r"does not end in \.npz"):
        cloud().save(tmp_path / "table.csv")
    with pytest.raises(DataError, match="500 neighbours"):
        nearest(cloud().features, cloud().features[:1], 500)


def test_embeddings():
    table = cloud(n=60)
    expected = PCA(2).fit_transform(table.features)
    found = embed(table.features, "pca")
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found * signs, expected, atol=1e-4)
    once, again = (embed(table.features, "tsne", seed=3) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    with pytest.raises(DataError, match="pca, tsne"):
        embed(table.features, "umap")


def test_classifiers_on_features():
    train, test = cloud(), cloud(seed=5, n=300)
    theirs = KNeighborsClassifier(1).fit(train.features, train.labels)
    assert knn_accuracy(train, test, 1) == pytest.approx(theirs.score(test.features, test.labels))
    assert knn_accuracy(train, test, 15) > 0.8 and linear_probe(train, test) > 0.8
    shuffled = dataclasses.replace(test, labels=np.roll(test.labels, 7))
    assert linear_probe(train, shuffled) < 0.6
