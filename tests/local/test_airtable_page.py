"""The page that shows the stand-in's base to people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Locator

from include.plan.live import TABLES
from local.airtable.server import Server
from tests.airtable import served
from tests.browser.airflow_ui import browser_page, needs_browser

EVIL = "<script>document.title='taken'</script>&amp;{{ 7 * 7 }}\"'"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with served(tmp_path) as server:
        yield server


def read(server: Server, path: str) -> str:
    answer = requests.get(f"{server.endpoint}/{path}", timeout=5)
    assert answer.status_code == 200, path
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    return answer.text


def test_every_table_has_its_page(server: Server) -> None:
    for name in (*TABLES, "Todos", "Change Log", "Change%20Log", server.base.table("Tasks").id):
        read(server, name)
    assert read(server, "") == read(server, "Stages")
    assert "108 records" in read(server, "")
    assert "No records." in read(server, "Todos")
    assert requests.get(f"{server.endpoint}/Nothing", timeout=5).status_code == 404
    assert requests.post(f"{server.endpoint}/Stages", timeout=5).status_code == 404


def test_pages_cost_nothing_of_the_limit(server: Server) -> None:
    for _ in range(20):
        read(server, "Plans")
    assert server.limits.total.requests == 0


def test_what_people_wrote_is_shown_as_text(server: Server) -> None:
    table = server.base.table("Stages")
    record = next(iter(table.records.values()))
    for field in table.fields[:3]:
        record.cells[field.id] = EVIL
    page = read(server, "Stages")
    assert "<script" not in page
    assert "{{ 7 * 7 }}" in page
    assert "<b>cost sheet</b>" not in page


@needs_browser
def test_a_person_reads_it(server: Server) -> None:
    with browser_page() as page:
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(server.endpoint)
        assert page.get_by_role("heading", name="BQX ML").is_visible()
        first_column = page.locator("tbody td.key")
        keys = [text.strip() for text in first_column.all_inner_texts()]
        assert keys[-11:] == ["no Stage ID"] * 11
        assert keys.index("1.6.8 - Fibonacci") > keys.index("1.6.1 - Volume")
        row = page.get_by_role("row", name="2.1 - Base Feature Extraction")
        other = page.get_by_role("row", name="2.4 - Feature Documentation")
        assert colour(row.locator(".pill").first) != colour(other.locator(".pill").first)
        row.get_by_role("link", name="Phase 2: Feature Engineering Pipeline").click()
        assert page.url.startswith(f"{server.endpoint}/tbl")
        assert page.locator("tr:target td.key").inner_text() == "Phase 2: Feature Engineering Pipeline"
        page.get_by_role("link", name="Tasks 182").click()
        assert page.locator(".chip.gone").count() == 3
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert problems == []


def colour(pill: Locator) -> str:
    return str(pill.evaluate("one => getComputedStyle(one).backgroundColor"))
