"""Who may use the embedded Airflow, as it and its clients agree on through the state folder."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from local.state import State, write_private

USER, ROLE = "bqx", "ADMIN"
PASSWORDS = "simple_auth_manager_passwords.json.generated"  # where Airflow looks for them in its home
LASTING = 86_400.0  # seconds a link can be opened, if nobody has


@dataclass(frozen=True)
class Access:
    """The secrets of one state folder: whoever can read it may use the stack, nobody else.

    Attributes:
        state: the folder.
    """

    state: State

    @classmethod
    def of_env(cls) -> Access:
        """Of the stack whose `env` was sourced."""
        return cls(State(Path(os.environ["AIRFLOW_HOME"]).parent))

    @property
    def password(self) -> str:
        """Of `USER`, for programs."""
        return self.state.secret("airflow", 32)

    def tell_airflow(self) -> None:
        """Write the password where Airflow looks for it; without, it would make one and print it."""
        write_private(self.state.airflow / PASSWORDS, json.dumps({USER: self.password}))

    def link(self, port: int) -> str:
        """An address that opens the user interface, once."""
        code = secrets.token_urlsafe(32)
        self._links.mkdir(exist_ok=True, mode=0o700)
        for path in self._links.iterdir():
            with suppress(FileNotFoundError):
                if not _is_fresh(path):
                    path.unlink()
        write_private(self._place(code), "")
        return f"http://127.0.0.1:{port}/auth/open/{code}"

    def redeem(self, code: str) -> bool:
        """Whether a code opens the user interface; it does so only once."""
        place = self._place(code)
        try:
            fresh = _is_fresh(place)
            place.unlink()  # of two who come at once, one succeeds
        except FileNotFoundError:
            return False
        return fresh

    def proof(self, challenge: str) -> str:
        """What only a program of this state folder can answer."""
        key = self.state.secret("proof", 32).encode()
        return hmac.new(key, challenge.encode(), hashlib.sha256).hexdigest()

    @property
    def _links(self) -> Path:
        return self.state.run / "links"

    def _place(self, code: str) -> Path:
        """A file named by the code's hash: who can only list the folder cannot open anything."""
        return self._links / hashlib.sha256(code.encode()).hexdigest()


def _is_fresh(path: Path) -> bool:
    return time.time() - path.stat().st_mtime < LASTING
