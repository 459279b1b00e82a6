"""The Airflow UI as a person uses it, in a real browser. Used by tests and by the picture script."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, sync_playwright

CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str | None:
    """Path of the system's Chromium, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


# The reason is the whole of what a person sees of a test that did not run.
NO_BROWSER = (
    "looks at a page in a real browser, and there is no Chromium: install the Debian package chromium"
)
needs_browser = pytest.mark.skipif(chromium() is None, reason=NO_BROWSER)


@contextmanager
def browser_page(width: int = 1500, height: int = 950) -> Iterator[Page]:
    """A page of a headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(CHROMIUM_FLAGS))
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(30_000)
        yield page
        browser.close()


class AirflowUI:
    """Pages of one Airflow.

    Args:
        page: a browser page.
        url: address of the UI.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url.rstrip("/")

    def enter(self, link: str) -> None:
        """Open the link that begins a session."""
        self.page.goto(link)
        self.page.wait_for_url(f"{self.url}/**")

    def open_dag(self, dag_id: str) -> None:
        """Open a DAG."""
        self.page.goto(f"{self.url}/dags/{dag_id}")
        self.page.get_by_role("button", name="Trigger").wait_for()

    def open_run(self, dag_id: str, run_id: str, group: str = "") -> None:
        """Open a run, or one of its task groups."""
        suffix = f"/tasks/group/{group}" if group else ""
        self.page.goto(f"{self.url}/dags/{dag_id}/runs/{run_id}{suffix}")
        self.settle()

    def settle(self) -> None:
        """Wait until the page has drawn what it asked the server for."""
        self.page.wait_for_load_state("networkidle")
        self.page.wait_for_timeout(1500)

    def open_form(self, dag_id: str) -> Locator:
        """Open the trigger form of a DAG."""
        self.open_dag(dag_id)
        self.page.get_by_role("button", name="Trigger").first.click()
        form = self.page.locator("[role=dialog][data-state=open]")
        form.locator("#element_pairs").wait_for()
        self.page.wait_for_timeout(1000)  # the form fills in the defaults after it is drawn
        return form

    def choose(self, form: Locator, param: str, values: Sequence[str]) -> None:
        """Choose exactly these values in a multi-select."""
        field = form.locator(f"#element_{param}")
        field.get_by_label("Clear selected options").click()
        for value in values:
            field.get_by_role("combobox").fill(value)
            self.page.keyboard.press("Enter")

    def fill(self, form: Locator, param: str, value: str) -> None:
        """Type a text or a number into a field."""
        form.locator(f"input[name=element_{param}]").fill(value)

    def submit(self, form: Locator) -> None:
        """Press the form's own button and wait until the form is gone."""
        form.get_by_role("button", name="Trigger").last.click()
        form.wait_for(state="hidden")

    def expand_groups(self) -> None:
        """Open every task group of the grid; the UI remembers it for the next page."""
        button = self.page.get_by_label("Expand all task groups").first
        if button.is_enabled():
            button.click()
        self.settle()

    def wrap_log(self) -> None:
        """Let long lines of a log wrap."""
        self.settle()
        self.page.keyboard.press("w")

    def picture(self, path: Path) -> None:
        """Save what is on the screen."""
        self.settle()
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path)
