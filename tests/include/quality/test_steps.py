"""A stage and its gate are one piece of work: no migration comes in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from include.build.months import build
from include.build.shared import build_shared
from include.forms import FEATURE_PARAMS
from include.quality import steps
from include.settings import STAGES
from include.storage.log import forget_builds
from include.storage.stage_order import lock_key
from tests.include.storage.samples import sample_bars, store
from tests.reports import in_folder

PAIR, FAMILY = "eurusd", "bollinger_idx"
STAGE = next(stage for stage in STAGES if FAMILY in stage.families)
PARAMS = {name: schema["default"] for name, schema in FEATURE_PARAMS.items()} | {"dry_run": False}


@pytest.fixture
def url(database_url: str) -> str:
    store(database_url, PAIR, sample_bars(0, days_around=1, months=1))
    return database_url


def test_no_migration_comes_between_a_build_and_its_gate(
    url: str, db: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def check(*_: Any, **__: Any) -> dict[str, Any]:
        query = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
        seen.append(db.execute(query, [lock_key(PAIR)]).fetchone())
        return {}

    monkeypatch.setattr(steps, "check_stage", check)
    steps.build_stage(url, PAIR, [FAMILY], reports=in_folder(tmp_path), run_label="run")
    assert seen == [(False,)], "a migration that takes the pair for itself has to wait"


def test_a_table_whose_builds_are_forgotten_has_no_verdict_either(
    url: str, db: psycopg.Connection, tmp_path: Path
) -> None:
    build(url, PAIR, ["bqx"])
    steps.build_stage(url, PAIR, [FAMILY], reports=in_folder(tmp_path), run_label="run")
    count = f"SELECT count(*) FROM bqx.gate_log WHERE table_name = '{FAMILY}_{PAIR}'"
    assert db.execute(count).fetchone() != (0,)
    forget_builds(db, f"{FAMILY}_{PAIR}")
    assert db.execute(count).fetchone() == (0,)


def test_what_was_not_asked_for_is_nothing_to_do(url: str, tmp_path: Path) -> None:
    where: dict[str, Any] = {"failed": dict, "reports": in_folder(tmp_path), "run_label": "run"}
    with pytest.raises(steps.NothingToDo, match="None of this stage's families"):
        steps.build(url, STAGE, PAIR, PARAMS | {"families": ["technical_idx"]}, **where)
    with pytest.raises(steps.NothingToDo, match="No correlation family"):
        steps.build_shared(url, PARAMS | {"families": [FAMILY]})
    with pytest.raises(steps.NothingToDo, match="Dry run"):
        steps.coverage(url, [PAIR], PARAMS | {"dry_run": True}, shared=None, failed={})


def test_the_last_stage_leaves_out_a_pair_that_failed_before(url: str, tmp_path: Path) -> None:
    build_shared(url)
    last = steps.settings.LAST_STAGE
    with pytest.raises(steps.NothingToDo, match=r"its other stages are not right: pairs\.x\.build"):
        steps.build(
            url, last, PAIR, PARAMS, failed=lambda: {PAIR: ["pairs.x.build"]},
            reports=in_folder(tmp_path), run_label="run",
        )  # fmt: skip
