"""``python -m local.airtable --folder F --port P``: serve until SIGTERM or Ctrl-C.

Environment: AIRTABLE_TOKEN, the token that clients have to show.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from local.airtable.limits import PENALTY, RATE
from local.airtable.server import BASE_ID, HOST, TOKEN, Server
from local.stand_in import serve


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve a folder; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.airtable", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the base is kept")
    parser.add_argument("--port", type=int, default=0, help="0 for any that is free")
    token = os.environ.get("AIRTABLE_TOKEN", TOKEN)
    parser.add_argument("--token", default=token, help="that clients have to show; others see it here")
    parser.add_argument("--base-id", default=BASE_ID, help="id of the base")
    parser.add_argument(
        "--penalty", type=float, default=PENALTY, help="seconds of silence after too many requests"
    )
    parser.add_argument("--rate", type=int, default=RATE, help="requests that are answered in any second")
    options = parser.parse_args(arguments)
    return serve(
        lambda: Server(
            options.folder,
            options.port,
            token=options.token,
            base_id=options.base_id,
            penalty=options.penalty,
            rate=options.rate,
        ),
        options.port,
        f"Airtable stand-in at http://{HOST}:{{port}}, base in {options.folder}",
    )


if __name__ == "__main__":
    sys.exit(main())
