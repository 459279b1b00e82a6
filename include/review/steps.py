"""The tasks of the DAG bqx_review: gather, then keep what a person said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from include.errors import NothingToDo
from include.monitoring.values import Budget
from include.names import to_datetime
from include.objects import ObjectStore
from include.pages import markdown
from include.reports import INDEX, Reports
from include.review import facts, page
from include.review.proposals import proposals
from include.serving import clock
from include.storage.connection import connect

__all__ = ["FOLDER", "KIND", "QUARTER", "conclude", "gather"]

KIND, FOLDER = "review", "reviews"  # of reports; of the bucket
QUARTER = timedelta(days=92)

Plain = dict[str, Any]


def gather(url: str, bucket: ObjectStore, reports: Reports, budget: Budget, mode: str, run: str) -> Plain:
    """Read the facts, make proposals and write the page.

    Args:
        url: libpq connection string.
        bucket: the whole bucket.
        reports: where the page goes.
        budget: of a month, from the project plan.
        mode: see `include.serving.clock.as_of`.
        run: of the DAG.

    Returns:
        ``proposals``; ``subject`` and ``question`` of the approval; ``report``; ``as_of``; ``summary``.
    """
    with connect(url) as connection:
        as_of = to_datetime(clock.as_of(connection, mode))
        found = facts.read(connection, bucket, as_of - QUARTER, as_of)
    told = proposals(found, budget)
    link = reports.write(KIND, run, {INDEX: page.draw(found, told, as_of - QUARTER, as_of)})[INDEX]
    subject = f"Review of the quarter until {as_of:%Y-%m-%d}: {len(told)} proposals"
    listed = [f"- {markdown(each)}" for each in told] or ["Nothing is proposed."]
    return {
        "as_of": as_of.isoformat(),
        "proposals": told,
        "report": link,
        "subject": subject,
        "summary": f"{subject}, {link}",
        "question": "\n".join(["Approve to accept the proposals.", "", *listed, "", f"The page: {link}"]),
    }


def conclude(bucket: ObjectStore, gathered: Mapping[str, Any] | None, accepted: bool, run: str) -> Plain:
    """Keep the review with its answer, ``reviews/{day}.json``; a later one of the same day replaces it.

    Raises:
        NothingToDo: nothing was gathered.
    """
    if gathered is None:
        raise NothingToDo("Nothing was gathered.")
    held = {
        **{name: gathered[name] for name in ("as_of", "proposals", "report")},
        "accepted": accepted,
        "run": run,
    }
    bucket.put(f"{FOLDER}/{gathered['as_of'][:10]}.json", json.dumps(held, indent=1).encode())
    return held
