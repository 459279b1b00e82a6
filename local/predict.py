"""``make predict PAIR=eurusd``: ask the running API for one forecast and print it.

Only the standard library is used: a client that has to start anew for every question must start fast.
"""

from __future__ import annotations

import argparse
import http.client
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SHOWN = ("pair", "timestamp", "horizons", "model_version", "feature_hash")  # docs/serving.md has the form
OF_HORIZON = ("minutes", "value", "low", "high")
PATIENCE = 5.0  # seconds


class NoForecast(Exception):
    """There is no forecast; says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a forecast as one line of JSON; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.predict", description=__doc__)
    parser.add_argument("--state", type=Path, default=Path(".local"), help="folder of the running stack")
    parser.add_argument("--pair", required=True, help="for example eurusd")
    options = parser.parse_args(arguments)
    try:
        known = exports(options.state / "env")
        answer = ask(known["BQX_API_URL"], known["BQX_API_TOKEN"], options.pair)
    except NoForecast as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(shown(answer)))
    return 0


def exports(path: Path) -> dict[str, str]:
    """What the stack has written down for its clients.

    Raises:
        NoForecast: no stack has.
    """
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise NoForecast(f"There is no {path}: start the stack with make run or make up.") from error
    words = [shlex.split(line)[1] for line in lines if line.startswith("export BQX_API_")]
    found = dict(word.split("=", 1) for word in words)
    if not {"BQX_API_URL", "BQX_API_TOKEN"} <= found.keys():
        raise NoForecast(f"{path} names no API: it was written by an earlier version. Run make up.")
    return found


def ask(url: str, token: str, pair: str) -> dict[str, Any]:
    """The API's answer.

    Raises:
        NoForecast: it has none, or does not answer.
    """
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=PATIENCE)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        connection.request("POST", "/predict", json.dumps({"pair": pair}), headers)
        answer = connection.getresponse()
        told: dict[str, Any] = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoForecast(
            f"The API at {url} does not answer ({type(error).__name__}): make status says what runs."
        ) from error
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise NoForecast(f"No forecast ({answer.status} {told['error']}): {told['message']}")
    return told


def summary(known: dict[str, str], pairs: Sequence[str]) -> str:
    """Some lines: of how many pairs the API has a forecast, the first one of them, and why others have none.

    Args:
        known: from `exports`.
        pairs: asked about, one after the other.
    """
    answers, refused = {}, []
    for pair in pairs:
        try:
            answers[pair] = ask(known["BQX_API_URL"], known["BQX_API_TOKEN"], pair)
        except NoForecast as error:
            refused.append(f"  {pair}: {error}")
    lines = [f"Forecasts served by the API: {len(answers)} of {len(pairs)} pairs"]
    for pair, answer in list(answers.items())[:1]:
        told = ", ".join(
            f"in {each['minutes']} min {each['value']:+.4f} ({each['low']:+.4f} to {each['high']:+.4f})"
            if each["low"] is not None
            else f"in {each['minutes']} min {each['value']:+.4f}"
            for each in answer["horizons"]
        )
        lines.append(f"  {pair} at {answer['timestamp']}: {told}")
    return "\n".join([*lines, *refused])


def shown(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer in the form that is promised, nothing more and nothing less."""
    horizons = [{name: horizon[name] for name in OF_HORIZON} for horizon in answer["horizons"]]
    return {name: horizons if name == "horizons" else answer[name] for name in SHOWN}


if __name__ == "__main__":
    sys.exit(main())
