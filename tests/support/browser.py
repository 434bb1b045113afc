"""A real browser without a network: headless Chromium, driven by selenium."""

import contextlib
import json
import shutil
import time

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no name leads anywhere
)  # fmt: skip


@contextlib.contextmanager
def chromium(profile):
    """A selenium driver of Chromium with its profile in the folder `profile`; skips without one."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if not browser or not driver:
        pytest.skip("no Chromium here: apt-get install chromium chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    service = webdriver.ChromeService(executable_path=driver)
    found = webdriver.Chrome(options=options, service=service)
    try:
        found.set_page_load_timeout(30)
        found.set_script_timeout(30)
        yield found
    finally:
        found.quit()


def screen(driver, width, theme="light"):
    """Makes the window `width` pixels wide, and light or dark."""
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    feature = {"name": "prefers-color-scheme", "value": theme}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def requests(driver):
    """The addresses that the pages asked for since the last call, without data: and blob:."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    sent = [m["params"]["request"]["url"] for m in messages if m["method"] == SENT]
    return [url for url in sent if not url.startswith(("data:", "blob:"))]


SENT = "Network.requestWillBeSent"


def until(driver, condition, seconds=30):
    """Waits until the JavaScript expression `condition` holds, and returns its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = driver.execute_script(f"return {condition}")
        if found:
            return found
        time.sleep(0.05)
    said = driver.execute_script("return document.body.innerText.slice(0, 500)")
    raise AssertionError(f"{condition} did not come true in {seconds} s; the page says: {said}")


def drop(driver, target, name, content, kind="image/png"):
    """Drops a file with the bytes `content` on the element with the id `target`."""
    script = """
    const [target, name, bytes, kind] = arguments;
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(bytes)], name, {type: kind}));
    const event = new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true});
    document.getElementById(target).dispatchEvent(event);
    """
    driver.execute_script(script, target, name, list(content), kind)
