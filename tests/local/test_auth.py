"""Airflow lets in who brings a link or the password of the state folder, under a name of this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local.access import USER, Access
from local.airflow import environment, settings
from local.state import State

ASKED = """
import json, sys
from airflow.api_fastapi.app import create_auth_manager
from fastapi import FastAPI
from starlette.testclient import TestClient

manager = create_auth_manager()
app = FastAPI()
app.mount("/auth", manager.get_fastapi_app())
for middleware, options in manager.get_fastapi_middlewares():
    app.add_middleware(middleware, **options)
client = TestClient(app, base_url="http://127.0.0.1:8123", follow_redirects=False)
told = []
for method, path, more in json.loads(sys.argv[1]):
    answer = client.request(method, path, **more)
    told.append([answer.status_code, answer.text, dict(answer.headers)])
    client.cookies.clear()
print("\\n" + json.dumps([manager.get_url_login(), told]))
"""


@pytest.fixture
def access(tmp_path: Path) -> Access:
    state = State(tmp_path / "state")
    state.create()
    access = Access(state)
    access.tell_airflow()
    return access


def ask(access: Access, *requests: tuple[str, str, dict[str, Any]]) -> tuple[str, list[Any]]:
    """The address of the login, and status, text and headers of each answer."""
    url = "postgresql://u:p@127.0.0.1:9/airflow"  # nobody is asked
    known = settings(access.state, metadata_url=url, bqx_url=url, tracking_url=url, port=8_123)
    done = subprocess.run(
        [sys.executable, "-c", ASKED, json.dumps(requests)],
        env=environment(known, os.environ), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    login, told = json.loads(done.stdout.strip().splitlines()[-1])
    return str(login), list(told)


def test_who_is_let_in(access: Access) -> None:
    path = access.link(8_123).partition(":8123")[2]
    right, wrong = ({"username": USER, "password": word} for word in (access.password, "bqx"))
    login, told = ask(
        access,
        ("GET", path, {}),
        ("GET", path, {}),
        ("GET", "/auth/open/guessed", {}),
        ("POST", "/auth/token", {"json": right}),
        ("POST", "/auth/token", {"json": wrong}),
        ("GET", "/auth/token", {}),
        ("GET", "/auth/token/login", {}),
        ("GET", "/auth/proof/abc", {}),
        ("GET", "/auth/proof/abc", {"headers": {"Host": "localhost:1"}}),
        ("GET", "/auth/proof/abc", {"headers": {"Host": "evil.example"}}),
        ("GET", "/auth/closed", {}),
    )
    statuses = [status for status, _, _ in told]
    assert statuses == [307, 403, 403, 201, 401, 403, 403, 200, 200, 400, 403]
    opened = told[0][2]
    assert opened["location"] == "/"
    assert "HttpOnly" in opened["set-cookie"]
    assert "SameSite=lax" in opened["set-cookie"]
    assert told[7][1] == access.proof("abc")
    assert login == "/auth/closed"
    assert "make status" in told[1][1] == told[10][1]
