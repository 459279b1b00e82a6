"""A plan names who would answer for each pair, says why nothing is done for others, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from include.errors import BadParameter, DeployRefused
from include.objects import ObjectStore
from include.serving import archives, planning, routing
from include.serving.planning import DEPLOY, PROMOTE, ROLL_BACK, SPLIT, Proposal
from include.serving.routing import EMPTY, Route, Routing, Target
from include.training.choice.record import Decision
from tests.serving import PARAMS, decide, version_of
from tests.versions import WINDOWS

PAIR, OTHER = "eurusd", "gbpusd"
COLUMNS = "f" * 64
LISTS = {COLUMNS: ["table__column_0"]}


def target(letter: str, pair: str = PAIR) -> Target:
    version = letter * 16
    return Target(version, f"{pair}/{version}.tar.gz", COLUMNS, f"decisions/{pair}/{version}.json", WINDOWS)


A, B, C = (target(letter) for letter in "abc")


def target_of(decision: Decision) -> Target:
    pair, version = decision.content["pair"], version_of(decision)
    return Target(
        version, f"{pair}/{version}.tar.gz", decision.content["columns_hash"], decision.key, WINDOWS
    )


def serve(bucket: ObjectStore, **routes: Route) -> Routing:
    """Publish a state in which these routes are others; their archives are there, empty."""
    for each in routes.values():
        for one in each.targets:
            bucket.put(archives.key_of(one.target), b"")
    columns = LISTS | {one.feature_hash: [] for each in routes.values() for one in each.targets}
    return routing.publish(bucket, lambda now: routing.assign(now, routes, columns, "bqx"), "a test", "run")


def propose(bucket: ObjectStore, action: str, *pairs: str, **params: Any) -> Proposal:
    asked = PARAMS | {"action": action, "pairs": list(pairs or (PAIR,))} | params
    return planning.propose(bucket, routing.read(bucket), asked)


def refused(bucket: ObjectStore, action: str, *pairs: str, **params: Any) -> str:
    """Why there is nothing that the action could be done with."""
    with pytest.raises(DeployRefused) as error:
        propose(bucket, action, *pairs, **params)
    return str(error.value)


# Deploy


def test_the_newest_decision_is_deployed(bucket: ObjectStore) -> None:
    decide(bucket, seed=1)
    newest = decide(bucket, seed=2)
    told = propose(bucket, DEPLOY)
    assert told == Proposal({PAIR: Route(target_of(newest))}, {PAIR: newest.key}, {})


def test_a_decision_that_may_not_be_deployed_gives_way_to_the_one_before(bucket: ObjectStore) -> None:
    good = decide(bucket, seed=1)
    decide(bucket, seed=2, deployable=False, why_not="few days")
    told = propose(bucket, DEPLOY)
    assert told == Proposal({PAIR: Route(target_of(good))}, {PAIR: good.key}, {})


def test_versions_may_be_named_and_other_pairs_get_the_newest(bucket: ObjectStore) -> None:
    """What a retraining has compared is deployed, whatever was decided since."""
    compared, _ = decide(bucket, seed=1), decide(bucket, seed=2)
    other = decide(bucket, OTHER)
    told = propose(bucket, DEPLOY, PAIR, OTHER, versions={PAIR: version_of(compared)})
    assert told.routes == {PAIR: Route(target_of(compared)), OTHER: Route(target_of(other))}
    with pytest.raises(BadParameter, match="There is no version"):
        propose(bucket, DEPLOY, versions={PAIR: "0" * 16})


def test_a_deployment_ends_a_split(bucket: ObjectStore) -> None:
    newest = decide(bucket)
    serve(bucket, eurusd=Route(A, B, 0.5))
    assert propose(bucket, DEPLOY).routes == {PAIR: Route(target_of(newest))}


def test_a_pair_that_is_served_as_wanted_is_part_of_the_plan(bucket: ObjectStore) -> None:
    newest = decide(bucket)
    serve(bucket, eurusd=Route(target_of(newest)))
    told = propose(bucket, DEPLOY)
    assert told == Proposal({PAIR: Route(target_of(newest))}, {PAIR: newest.key}, {})


def test_an_archive_that_is_still_to_be_made_stops_no_deployment(bucket: ObjectStore) -> None:
    newest = decide(bucket)
    assert not archives.kept(bucket, target_of(newest).target)
    assert propose(bucket, DEPLOY).routes == {PAIR: Route(target_of(newest))}


def test_pairs_without_a_model_that_can_be_served_are_left_out_with_the_reason(bucket: ObjectStore) -> None:
    decision = decide(bucket)
    decide(bucket, "gbpusd", deployable=False, why_not="few days")
    decide(bucket, "usdjpy", members=("tft",))
    told = propose(bucket, DEPLOY, PAIR, "gbpusd", "usdjpy", "audusd")
    nothing = "bqx_train has decided for no model that may be deployed"
    assert told.routes == {PAIR: Route(target_of(decision))}
    assert told.decisions == {PAIR: decision.key}
    assert told.left_out == {
        "gbpusd": nothing,
        "usdjpy": "its model needs tft, and the endpoint serves trees only",
        "audusd": nothing,
    }


@pytest.mark.parametrize("action", [DEPLOY, PROMOTE, ROLL_BACK, SPLIT])
def test_without_anything_to_do_the_reason_is_said_once(bucket: ObjectStore, action: str) -> None:
    said = refused(bucket, action, PAIR, OTHER)
    assert said.startswith(f"There is nothing to {action}: ")
    why = "bqx_train has decided for no" if action == DEPLOY else "nothing serves it"
    assert said.count(why) == 1
    assert said.endswith("What serves stays as it is.")


@pytest.mark.parametrize("action", [DEPLOY, PROMOTE, ROLL_BACK, SPLIT])
def test_no_pair_is_nothing_to_do(bucket: ObjectStore, action: str) -> None:
    decide(bucket)
    with pytest.raises(DeployRefused, match=f"There is nothing to {action}"):
        planning.propose(bucket, EMPTY, PARAMS | {"action": action, "pairs": []})


# Promote


def test_the_challenger_becomes_the_champion(bucket: ObjectStore) -> None:
    serve(bucket, eurusd=Route(A, B, 0.3), gbpusd=Route(target("a", OTHER)))
    told = propose(bucket, PROMOTE, PAIR, OTHER, "usdjpy")
    assert told.routes == {PAIR: Route(B)}
    assert told.decisions == {}, "nothing is packed: the archive is there"
    assert told.left_out == {OTHER: "it has no challenger", "usdjpy": "nothing serves it"}


# Roll back


def test_a_rollback_goes_to_the_champion_before(bucket: ObjectStore) -> None:
    for each in (A, B, C):
        serve(bucket, eurusd=Route(each))
    serve(bucket, gbpusd=Route(target("a", OTHER)))
    told = propose(bucket, ROLL_BACK, PAIR, OTHER, "usdjpy")
    assert told == Proposal(
        {PAIR: Route(B)}, {}, {OTHER: "no other model served before", "usdjpy": "nothing serves it"}
    )


def test_a_rollback_takes_the_challenger_away_first(bucket: ObjectStore) -> None:
    serve(bucket, eurusd=Route(A))
    serve(bucket, eurusd=Route(B))
    serve(bucket, eurusd=Route(B, C, 0.3))
    assert propose(bucket, ROLL_BACK).routes == {PAIR: Route(B)}


def test_a_rollback_to_a_state_gives_its_champions_without_challengers(bucket: ObjectStore) -> None:
    serve(bucket, eurusd=Route(A, B, 0.3), usdjpy=Route(target("a", "usdjpy")))
    serve(bucket, eurusd=Route(B))
    serve(bucket, eurusd=Route(C), gbpusd=Route(target("a", OTHER)))
    told = propose(bucket, ROLL_BACK, PAIR, OTHER, "usdjpy", "audusd", state=1)
    assert told.routes == {PAIR: Route(A), "usdjpy": Route(target("a", "usdjpy"))}
    assert told.decisions == {}
    assert told.left_out == {OTHER: "it was not served in state 1", "audusd": "nothing serves it"}


def test_a_rollback_to_the_present_state_ends_a_split(bucket: ObjectStore) -> None:
    serve(bucket, eurusd=Route(A))
    present = serve(bucket, eurusd=Route(B, C, 0.3))
    assert propose(bucket, ROLL_BACK, state=present.number).routes == {PAIR: Route(B)}


def test_a_state_that_never_was_is_refused(bucket: ObjectStore) -> None:
    serve(bucket, eurusd=Route(A))
    with pytest.raises(BadParameter, match="no state 2 of the routing table; the current one is 1"):
        propose(bucket, ROLL_BACK, state=2)


@pytest.mark.parametrize(
    ("action", "params", "gone"),
    [(PROMOTE, {}, B), (ROLL_BACK, {}, A), (ROLL_BACK, {"state": 1}, C)],
)
def test_what_is_not_kept_any_more_is_not_gone_back_to(
    bucket: ObjectStore, action: str, params: dict[str, Any], gone: Target
) -> None:
    """Also the other pair stays as it is: one table goes through as it was approved, or not at all."""
    serve(bucket, eurusd=Route(C), gbpusd=Route(target("c", OTHER)))
    serve(bucket, eurusd=Route(A, B, 0.5), gbpusd=Route(target("a", OTHER), target("b", OTHER), 0.5))
    assert propose(bucket, action, PAIR, OTHER, **params).routes.keys() == {PAIR, OTHER}
    bucket.delete([archives.key_of(gone.target)])
    said = refused(bucket, action, PAIR, OTHER, **params)
    assert said.startswith(f"1 archives are not kept any more, the first is {gone.target}. ")
    assert "action split and its version" in said


# Split


def test_a_version_that_is_named_gets_its_share(bucket: ObjectStore) -> None:
    named = decide(bucket, seed=1)
    decide(bucket, seed=2)
    serve(bucket, eurusd=Route(A, B, 0.5))
    told = propose(bucket, SPLIT, version=version_of(named), share=0.3)
    assert told == Proposal({PAIR: Route(A, target_of(named), 0.3)}, {PAIR: named.key}, {})


def test_without_a_version_the_newest_decision_gets_the_share(bucket: ObjectStore) -> None:
    decide(bucket, seed=1)
    newest = decide(bucket, seed=2)
    serve(bucket, eurusd=Route(A))
    told = propose(bucket, SPLIT, PAIR, OTHER, share=0.3)
    assert told.routes == {PAIR: Route(A, target_of(newest), 0.3)}
    assert told.decisions == {PAIR: newest.key}
    assert told.left_out == {OTHER: "nothing serves it"}


def test_a_share_of_nothing_takes_the_challenger_away(bucket: ObjectStore) -> None:
    champion = decide(bucket, seed=1)
    challenger = decide(bucket, seed=2)
    serve(bucket, eurusd=Route(target_of(champion), target_of(challenger), 0.3))
    told = propose(bucket, SPLIT, share=0)
    assert told.routes == {PAIR: Route(target_of(champion))}
    assert told.decisions == {PAIR: champion.key}, "the archive that answers is needed, no other"


def test_a_challenger_is_taken_away_whatever_was_decided_since(bucket: ObjectStore) -> None:
    challenger, champion = decide(bucket, seed=1), decide(bucket, seed=2)
    undecided = Route(target("a", OTHER), target("b", OTHER), 0.3)
    serve(bucket, eurusd=Route(target_of(champion), target_of(challenger), 0.3), gbpusd=undecided)
    told = propose(bucket, SPLIT, PAIR, OTHER, "usdjpy", share=0)
    assert told.routes == {PAIR: Route(target_of(champion)), OTHER: Route(undecided.champion)}
    assert told.left_out == {"usdjpy": "nothing serves it"}


def test_a_version_is_of_one_pair(bucket: ObjectStore) -> None:
    named = decide(bucket)
    serve(bucket, eurusd=Route(A), gbpusd=Route(target("a", OTHER)))
    with pytest.raises(BadParameter, match="is of one pair, and 2 are chosen"):
        propose(bucket, SPLIT, PAIR, OTHER, version=version_of(named))


def test_a_champion_is_not_its_own_challenger(bucket: ObjectStore) -> None:
    champion = decide(bucket)
    serve(bucket, eurusd=Route(target_of(champion)))
    for version in (None, version_of(champion)):
        assert "the version is its champion already" in refused(bucket, SPLIT, version=version)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"deployable": False, "why_not": "few days"}, "its decision may not be deployed: few days"),
        ({"members": ("tft", "multi_task")}, "its model needs multi_task, tft, and the endpoint"),
    ],
)
def test_a_named_version_that_cannot_be_served_is_left_out(
    bucket: ObjectStore, changes: dict[str, Any], said: str
) -> None:
    decide(bucket, seed=1)
    named = decide(bucket, seed=2, **changes)
    serve(bucket, eurusd=Route(A))
    assert said in refused(bucket, SPLIT, version=version_of(named))


def test_a_version_of_another_pair_does_not_exist(bucket: ObjectStore) -> None:
    stranger = decide(bucket, OTHER)
    decide(bucket)
    serve(bucket, eurusd=Route(A))
    with pytest.raises(BadParameter, match=f"no version {version_of(stranger)} of {PAIR}"):
        propose(bucket, SPLIT, version=version_of(stranger))


# What a person is shown


def test_the_page_shows_what_changes_and_counts_the_rest(bucket: ObjectStore) -> None:
    old, new = decide(bucket, seed=1), decide(bucket, seed=2)
    first = decide(bucket, OTHER)
    same = decide(bucket, "usdjpy")
    serve(bucket, eurusd=Route(target_of(old)), usdjpy=Route(target_of(same)))
    told = propose(bucket, DEPLOY, PAIR, OTHER, "usdjpy", "audusd")
    page = planning.page(bucket, routing.read(bucket), told, ["Endpoint bqx.", "Two of three."])
    assert page == (
        "Endpoint bqx.\nTwo of three.\n\n"
        "| pair | answers now | would answer |\n"
        "| --- | --- | --- |\n"
        f"| eurusd | xgboost `{version_of(old)[:8]}` | xgboost `{version_of(new)[:8]}` |\n"
        f"| gbpusd | nothing | xgboost `{version_of(first)[:8]}` |\n\n"
        "1 pair served as wanted already.\n\n"
        "Left out:\n\n"
        "- audusd: bqx_train has decided for no model that may be deployed"
    )


def test_a_page_without_changes_has_no_table(bucket: ObjectStore) -> None:
    decision = decide(bucket)
    serve(bucket, eurusd=Route(target_of(decision)))
    page = planning.page(bucket, routing.read(bucket), propose(bucket, DEPLOY), ["Endpoint bqx."])
    assert page == "Endpoint bqx.\n\n1 pair served as wanted already."


def test_the_page_says_how_many_requests_a_challenger_answers(bucket: ObjectStore) -> None:
    """Also of models whose decision is gone: what serves is shown all the same."""
    challenger = decide(bucket)
    state = serve(bucket, eurusd=Route(A, B, 0.07))
    page = planning.page(bucket, state, propose(bucket, SPLIT, share=0.125), [])
    now = "a model `aaaaaaaa`, and a model `bbbbbbbb` for 7% of the requests"
    then = f"a model `aaaaaaaa`, and xgboost `{version_of(challenger)[:8]}` for 12.5% of the requests"
    assert page.splitlines()[2:] == [f"| eurusd | {now} | {then} |"]
