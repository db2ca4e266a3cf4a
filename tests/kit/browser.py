"""Drives a page in a real browser: Chromium or Chrome without a window, by the browser's own driver."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from dataflow.view.server import serve_page

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SECONDS = 20


class Window:
    """A window of the browser: reads what it shows, and presses keys."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, address: str) -> None:
        """Open an address, and wait until an element is shown."""
        self.driver.get("about:blank")
        self.driver.get(address)
        self.until(lambda: self.driver.find_elements(By.CSS_SELECTOR, "body > *"))

    def find(self, selector: str) -> list[WebElement]:
        """All elements that match a selector, hidden ones included."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        """The element that matches a selector, once it is shown."""
        self.until(lambda: any(each.is_displayed() for each in self.find(selector)))
        return next(each for each in self.find(selector) if each.is_displayed())

    def press(self, *keys: str) -> None:
        """Press keys one after another, on the element that has the focus."""
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def until(self, holds: Callable[[], object]) -> None:
        """Wait until a condition holds."""
        WebDriverWait(self.driver, SECONDS, 0.05, [Exception]).until(lambda _: holds())

    def run(self, script: str) -> object:
        """Run a script in the page; returns its result."""
        return self.driver.execute_script(script)

    def complaints(self) -> list[str]:
        """The errors in the page's console, without those of missing pictures."""
        said = [str(line["message"]) for line in self.driver.get_log("browser")]
        return [line for line in said if "Failed to load resource" not in line]


@contextmanager
def window(width: int = 1280, height: int = 860, *, dark: bool = False) -> Iterator[Window]:
    """Open a browser window of a size in pixels."""
    options = Options()
    options.binary_location = next(path for name in BROWSERS if (path := shutil.which(name)))
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        yield Window(driver)
    finally:
        driver.quit()


@contextmanager
def page_of(cache_path: Path, step: str, labels: Path) -> Iterator[str]:
    """Serve the page of a directory; yields the page's address."""
    with serve_page(cache_path, step, labels=labels) as page:
        thread = Thread(target=page.run)
        thread.start()
        try:
            yield page.address
        finally:
            page.stop()
            thread.join()


__all__ = ["Keys", "Window", "page_of", "window"]
