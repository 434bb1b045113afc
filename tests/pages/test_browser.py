"""Report and demos in a real browser without a network: what they ask for, and what they answer."""

import functools
import http.server
import json
import os
import pathlib
import threading

import numpy as np
import pytest
from browser import chromium, drop, requests, screen, until
from checkpoints import COLOUR
from PIL import Image

from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import eval_view
from jaxcnn.evaluate.classify import classify
from jaxcnn.pages import report
from jaxcnn.pages.network import Network
from jaxcnn.pages.server import TEMPLATES, make_server
from jaxcnn.pages.static import write_static

TOP = """[...document.querySelectorAll('#top button')].map(b =>
  [b.querySelector('.name').textContent, parseFloat(b.querySelector('.share').textContent)])"""
READY = "!document.getElementById('work').hidden && document.getElementById('map-said').textContent"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """One Chromium for all tests here."""
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def serve():
    """f(server) -> its address; the server runs until the test ends."""
    running = []

    def start(server):
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}/"

    yield start
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A file server that says nothing."""

    def log_message(self, format, *args):
        pass


def files(folder):
    """A plain file server of a folder."""
    handler = functools.partial(Quiet, directory=str(folder))
    return http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)


def complaints(browser):
    """What the browser's console says: broken scripts, missing files, refused addresses."""
    return [entry["message"] for entry in browser.get_log("browser")]


def test_the_report_asks_for_nothing(browser, digits, tmp_path):
    out = report.write_report([digits], tmp_path / "report.html", split="test[:12]")
    requests(browser)
    for width, theme in ((1280, "light"), (360, "dark")):
        screen(browser, width, theme)
        browser.get(out.as_uri())
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width  # nothing is cut off on a phone
    assert set(requests(browser)) == {out.as_uri()}
    assert not complaints(browser)
    broken = "[...document.images].filter(i => !i.complete || !i.naturalWidth).length"
    assert browser.execute_script(f"return {broken}") == 0


def answers(browser, path, content):
    """[(name, percent)] of the page's bars after a file with `content` was dropped."""
    until(browser, "document.getElementById('privacy').textContent")
    drop(browser, "drop", pathlib.Path(path).name, content)
    until(browser, READY)
    return browser.execute_script(f"return {TOP}")


def assert_same(found, expected, names):
    """The page's answers are the five most probable classes, to the shown digit."""
    order = np.argsort(-expected)[:5]
    assert [name for name, _ in found] == [names[k] for k in order]
    assert np.allclose([share for _, share in found], 100 * expected[order], atol=0.06)


def test_the_demo_answers_as_classify(browser, serve, colour, photo):
    network = Network(colour)
    address = serve(make_server(network))
    requests(browser)
    screen(browser, 360)
    browser.get(address)
    found = answers(browser, photo, photo.read_bytes())
    assert_same(found, classify(colour, [photo]).probabilities[0], network.names)
    assert browser.execute_script("return document.querySelectorAll('#top b').length") == 0
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 360

    # by keyboard: show the square, move it
    browser.execute_script("document.getElementById('hide').click()")
    until(browser, "document.getElementById('square-said').textContent")
    place = browser.execute_script("return document.getElementById('square').style.top")
    browser.execute_script("document.getElementById('square').focus()")
    browser.switch_to.active_element.send_keys("\ue013" * 3)  # arrow up
    until(browser, f"parseFloat(document.getElementById('square').style.top) < {place[:-1]}")

    drop(browser, "drop", "no.png", b"no image")
    until(browser, "!document.getElementById('message').hidden")
    assert all(url.startswith(address) for url in requests(browser))
    refused = [text for text in complaints(browser) if "422" not in text]
    assert not refused


UNNAMED = """
return [...document.querySelectorAll('button, input, canvas[role], [tabindex="0"]')].filter(e =>
  !(e.textContent.trim() || e.ariaLabel || e.title || e.labels?.[0]?.textContent.trim()))
  .map(e => e.outerHTML)
"""


def test_every_control_has_a_name(browser, serve, digits):
    browser.get(serve(make_server(Network(digits))))
    until(browser, "document.getElementById('privacy').textContent")
    assert browser.execute_script(UNNAMED) == []
    drawn = "!document.getElementById('draw').hidden"
    assert browser.execute_script(f"return {drawn}")
    # a stroke is read as an image
    browser.execute_script("""
      const pad = document.getElementById('pad'), box = pad.getBoundingClientRect();
      pad.setPointerCapture = () => {};
      for (const [kind, y] of [['down', 40], ['move', 220], ['up', 220]])
        pad.dispatchEvent(new PointerEvent('pointer' + kind, {pointerId: 1, bubbles: true,
          clientX: box.left + 140, clientY: box.top + y}));
    """)
    until(browser, READY)
    assert len(browser.execute_script(f"return {TOP}")) == 5


SHAPES = ((61, 90, 3), (90, 61, 1), (32, 32, 3), (8, 8, 1), (200, 47, 3))
WAYS = (
    COLOUR,
    Preprocess(32, 1, pad=2, mean=(1.0,), std=(1.0,)),
    Preprocess(31, 3, interpolation="bicubic", crop_fraction=0.875),
    Preprocess(24, 3, frame="square", crop_fraction=0.9),
    Preprocess(28, 1, frame="warp", crop_fraction=0.875),
)


def test_images_are_prepared_to_the_pixel(browser, serve):
    rng = np.random.default_rng(0)
    browser.get(serve(files(TEMPLATES)) + "style.css")
    script = """
    const [images, ways, done] = arguments;
    import('/resize.js').then(({evalView}) => done(images.map(image => {
      const [height, width, channels] = image.shape, data = Uint8Array.from(image.data);
      return ways.filter(way => way.channels === channels).map(way =>
        [...evalView({height, width, channels, data}, way).data]);
    })));
    """
    images = [rng.integers(0, 256, shape, np.uint8) for shape in SHAPES]
    given = [{"shape": image.shape, "data": image.ravel().tolist()} for image in images]
    found = browser.execute_async_script(script, given, [way.to_dict() for way in WAYS])
    for image, views in zip(images, found, strict=True):
        ways = [way for way in WAYS if way.channels == image.shape[2]]
        for way, view in zip(ways, views, strict=True):
            expected = eval_view(image, way).astype(int)
            difference = np.abs(np.reshape(view, expected.shape) - expected)
            if image.shape[0] > 2 * image.shape[1]:
                # Pillow 13 resizes the rows of tall images first, which rounds another way.
                assert difference.mean() < 1
            else:
                assert not difference.any(), (image.shape, way)


def test_the_static_demo_answers_as_classify(browser, serve, colour, digits, photo, tmp_path):
    ort = os.environ.get("JAXCNN_ORT")
    if not ort:
        pytest.skip("JAXCNN_ORT names no folder dist/ of npm's onnxruntime-web")
    site = write_static([str(colour), str(digits)], tmp_path / "site", ort)
    address = serve(files(site))
    requests(browser)
    browser.get(address)
    found = answers(browser, photo, photo.read_bytes())
    names = json.loads((site / "models.json").read_text())["models"][0]["names"]
    assert_same(found, classify(colour, [photo]).probabilities[0], names)
    assert "class activation map" in browser.page_source.lower()

    browser.execute_script("document.querySelectorAll('#networks button')[1].click()")
    grey = tmp_path / "grey.png"  # of colours, browser and decoder make greys that differ by one
    Image.open(photo).convert("L").save(grey)
    drop(browser, "drop", "grey.png", grey.read_bytes())
    until(browser, "!document.getElementById('work').hidden")
    found = browser.execute_script(f"return {TOP}")
    assert_same(found, classify(digits, [grey]).probabilities[0], [str(d) for d in range(10)])
    assert all(url.startswith(address) for url in requests(browser))
    assert not complaints(browser)
