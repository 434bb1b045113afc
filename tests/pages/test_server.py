"""The demo's server answers as `classify` does, and refuses the rest in one sentence."""

import http.client
import json
import threading

import numpy as np
import pytest

from jaxcnn.config.schema import Data
from jaxcnn.errors import DataError
from jaxcnn.evaluate.classify import classify
from jaxcnn.interpret.retrieval import features
from jaxcnn.pages.network import KEPT, Network
from jaxcnn.pages.server import LIMIT, make_server


@pytest.fixture(scope="module")
def network(digits, tmp_path_factory):
    """The network of the digits with a table of 40 training images."""
    table = tmp_path_factory.mktemp("table") / "train.npz"
    features(digits, Data(), "train[:40]", layer="F6").save(table)
    return Network(digits, table=str(table))


@pytest.fixture(scope="module")
def server(network):
    """A server in a thread."""
    with make_server(network) as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@pytest.fixture
def ask(server):
    """f(method, path, body, headers) -> (status, answer)."""
    port = server.server_address[1]

    def call(method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    return call


def test_the_answer_is_that_of_classify(ask, digits, photo):
    status, answer = ask("POST", "/api/classify", photo.read_bytes())
    expected = classify(digits, [photo]).probabilities[0]
    order = np.argsort(-expected)[:5]
    assert status == 200
    assert [entry["class"] for entry in answer["top"]] == order.tolist()
    found = [entry["probability"] for entry in answer["top"]]
    assert np.allclose(found, expected[order], atol=1e-5)


def test_map_square_and_neighbours(ask, network, photo):
    _, answer = ask("POST", "/api/classify", photo.read_bytes())
    name, best = answer["image"], answer["top"][0]
    status, found = ask("GET", f"/api/map?image={name}&class={best['class']}")
    assert status == 200 and found["method"].startswith("Grad-CAM") and np.shape(found["values"])

    status, found = ask("GET", f"/api/occlude?image={name}&class=0&top=4&left=6&side=9")
    view = network._views[name]
    inputs = (view.astype(np.float32) - 80) / np.float32(80)
    inputs[4:13, 6:15] = 0
    expected = np.asarray(network.viewer.probabilities(inputs[None]))[0]
    assert status == 200 and np.allclose(found["probabilities"], expected, atol=1e-5)

    status, found = ask("GET", f"/api/neighbours?image={name}")
    query = network._features(view[None])[0]
    distances = np.sort(np.linalg.norm(network.table.features - query, axis=1))[:6]
    assert status == 200
    assert np.allclose([one["distance"] for one in found["images"]], distances, atol=1e-3)


@pytest.mark.parametrize(
    ("status", "words", "method", "path", "body", "headers"),
    [
        (403, "evil.example", "GET", "/", None, {"Host": "evil.example"}),
        (403, "127.0.0.1", "GET", "/api/about", None, {"Host": "127.0.0.1:1"}),
        (403, "other pages", "POST", "/api/classify", b"x", {"Origin": "http://evil.example"}),
        (413, "17 MiB", "POST", "/api/classify", b"x" * (LIMIT + (1 << 20)), {}),
        (411, "length", "POST", "/api/classify", None, {"Content-Length": "-1"}),
        (400, "no image", "POST", "/api/classify", b"", {}),
        (422, "the image", "POST", "/api/classify", b"<b>$x$ is no image", {}),
        (404, "nothing at this address", "GET", "/../network.py", None, {}),
        (404, "nothing at this address", "POST", "/api/about", b"x", {}),
        (410, "no longer held", "GET", "/api/map?image=0&class=1", None, {}),
        (400, "names no class", "GET", "/api/map?image=0", None, {}),
        (400, "no whole number", "GET", "/api/map?image=0&class=-1", None, {}),
    ],
)
def test_the_rest_is_refused_in_a_sentence(ask, status, words, method, path, body, headers):
    found, answer = ask(method, path, body, **headers)
    assert found == status and words in answer["error"] and "\n" not in answer["error"]


def test_a_damaged_image_and_a_square_outside_are_refused(ask, photo):
    whole = photo.read_bytes()
    status, answer = ask("POST", "/api/classify", whole[: len(whole) // 2])
    assert status == 422 and "the image" in answer["error"]
    _, answer = ask("POST", "/api/classify", whole)
    status, answer = ask(
        "GET", f"/api/occlude?image={answer['image']}&class=0&top=30&left=0&side=9"
    )
    assert status == 422 and "does not lie inside" in answer["error"]


def test_only_the_newest_images_are_held(digits, photo):
    network = Network(digits)
    first = network.classify(photo.read_bytes())["image"]
    for shade in range(KEPT):
        network._views[str(shade)] = np.zeros((32, 32, 1), np.uint8)
    network.classify(photo.read_bytes())
    assert len(network._views) == KEPT and first in network._views


def test_a_table_of_another_network_is_refused(digits, tmp_path):
    table = tmp_path / "other.npz"
    features(digits, Data(), "train[:8]", layer="C1").save(table)
    data = dict(np.load(table))
    np.savez(table, **data | {"features": data["features"][:, :3]})
    with pytest.raises(DataError, match="make the table with this network"):
        Network(digits, table=str(table))
