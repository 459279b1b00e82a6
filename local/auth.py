"""The auth manager of the embedded Airflow: a link that opens once, a proof of whose Airflow it is.

Airflow's simple auth manager with one user, whose password stands in the state folder. Nothing is
printed but links, and requests are answered only under the names that this machine gives itself.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from airflow.api_fastapi.app import AUTH_MANAGER_FASTAPI_APP_PREFIX as PREFIX
from airflow.api_fastapi.app import get_cookie_path
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.middleware.trustedhost import TrustedHostMiddleware

from local.access import ROLE, USER, Access
from local.stand_in import HOSTS
from local.state import State

STATE = "BQX_STATE"  # variable with the state folder
CLOSED = (
    "<!doctype html><title>BQX ML</title><p>This page opens by the link that <code>make run</code> printed. "
    "Each link opens once; <code>make status</code> prints a new one.</p>"
)


class AuthManager(SimpleAuthManager):
    """Lets in whoever brings a link of this state folder, or the password that stands in it."""

    def get_fastapi_middlewares(self) -> list[tuple[Any, dict[str, Any]]]:
        """A page in a browser that calls this machine by another name gets no answer."""
        return [(TrustedHostMiddleware, {"allowed_hosts": list(HOSTS)})]

    def get_url_login(self, **_: Any) -> str:
        """Where a browser without a session is led."""
        return f"{PREFIX}/closed"

    def get_fastapi_app(self) -> FastAPI:
        """What is served below ``/auth``."""
        from airflow.api_fastapi.auth.managers.simple.routes.login import login_router

        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        app.include_router(login_router)
        app.get("/open/{code}")(self._open)
        app.get("/closed")(_closed)
        app.get("/proof/{challenge}", response_class=PlainTextResponse)(_access().proof)
        return app

    def _open(self, code: str) -> Response:
        """Begin a session of the browser that brings a code."""
        if not _access().redeem(code):
            return _closed()
        response = RedirectResponse("/")
        response.set_cookie(
            COOKIE_NAME_JWT_TOKEN,
            self.generate_jwt(SimpleAuthManagerUser(username=USER, role=ROLE)),
            path=get_cookie_path(),
            httponly=True,
            samesite="lax",
        )
        return response


def _closed() -> HTMLResponse:
    return HTMLResponse(CLOSED, 403)


def _access() -> Access:
    return Access(State(Path(os.environ[STATE])))
