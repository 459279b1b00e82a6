"""A new version gets more traffic only while it is good; whatever is wrong brings what served before back."""

from __future__ import annotations

import io
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from botocore.exceptions import ClientError

from include.errors import DeployFailed, DeployRefused
from include.objects import ObjectStore
from include.serving import archives, canary, probes, routing
from include.serving.canary import Bake, Change
from include.serving.load_test import Load
from include.serving.probes import Ask, Probe, Reply
from include.serving.routing import Route, Routing, Target
from tests.clouds import Cloud, Killed, Runtime
from tests.versions import WINDOWS, version

PAIR, OTHER = "eurusd", "gbpusd"
SHARES = (0.1, 0.5, 1.0)
REQUESTS = 40  # of a step
COLUMNS = "f" * 64


def target(letter: str) -> Target:
    version = letter * 16
    return Target(version, f"{PAIR}/{version}.tar.gz", COLUMNS, f"decisions/{PAIR}/{version}.json", WINDOWS)


A, B, C, D = (target(letter) for letter in "abcd")
GOOD = Reply(0.001, "")


@cache
def archive(pair: str, seed: int, columns: int) -> bytes:
    return version(pair, seed, columns).archive


def deployed(bucket: ObjectStore, pair: str = PAIR, seed: int = 1, columns: int = 6) -> Target:
    """The target of a version whose archive is there."""
    known = version(pair, seed, columns)
    bucket.put(archives.key_of(known.target), archive(pair, seed, columns))
    return Target(known.name, known.target, known.feature_hash, f"decisions/{pair}/x.json", WINDOWS)


def serve(bucket: ObjectStore, **routes: Route) -> Routing:
    """Publish a state in which these routes are others."""
    targets = [one for each in routes.values() for one in each.targets]
    columns = {each.feature_hash: list(archives.described(bucket, each.target).columns) for each in targets}
    return routing.publish(bucket, lambda now: routing.assign(now, routes, columns, "bqx"), "a test", "run")


def served(bucket: ObjectStore) -> dict[str, Route]:
    return routing.read(bucket).pairs


def shares(bucket: ObjectStore, pair: str = PAIR) -> list[float]:
    """What the challenger answered, state by state."""
    return [state.pairs[pair].share for state in routing.states(bucket)]


# How a route changes


@pytest.mark.parametrize(
    ("change", "share", "route"),
    [
        (Change(Route(A), Route(B)), 0.1, Route(A, B, 0.1)),
        (Change(Route(A), Route(B)), 1, Route(B)),
        (Change(None, Route(B)), 0.1, Route(B)),  # nobody else could answer
        (Change(Route(A, C, 0.3), Route(B)), 0.1, Route(A, B, 0.1)),
        (Change(Route(A), Route(A, B, 0.3)), 1, Route(A, B, 0.3)),  # a split is not grown beyond itself
        (Change(Route(A, B, 0.3), Route(A)), 1, Route(A)),
    ],
)
def test_a_step_of_a_change(change: Change, share: float, route: Route) -> None:
    assert change.step(share) == route


@pytest.mark.parametrize(
    ("change", "present", "share"),
    [
        (Change(Route(A), Route(B)), Route(A), 0),
        (Change(Route(A), Route(B)), Route(A, B, 0.1), 0.1),
        (Change(Route(A), Route(B)), Route(B), 1),
        (Change(None, Route(B)), None, 0),
        (Change(None, Route(B)), Route(B), 1),
        (Change(Route(A, C, 0.3), Route(B)), Route(A, C, 0.3), 0),
        (Change(Route(A, C, 0.3), Route(B)), Route(A, B, 0.1), 0.1),
        (Change(Route(A, B, 0.3), Route(B)), Route(A, B, 0.3), 0.3),  # an A/B test goes on from its share
        (Change(Route(A), Route(A, B, 0.3)), Route(A, B, 0.3), 1),
        (Change(Route(A), Route(A)), Route(A), 1),
    ],
)
def test_how_far_a_change_has_come(change: Change, present: Route | None, share: float) -> None:
    assert change.share_of(present) == share
    assert change.passes(present)


@pytest.mark.parametrize(
    ("before", "present"),
    [
        (Route(A), None),
        (Route(A), Route(C)),
        (Route(A), Route(A, C, 0.1)),
        (Route(A), Route(C, B, 0.1)),
        (Route(A, C, 0.3), Route(A)),
        (Route(A, C, 0.3), Route(A, C, 0.4)),
        (None, Route(A)),
        (None, Route(A, B, 0.1)),
    ],
)
def test_a_route_that_somebody_else_made_is_none_of_this_change(
    before: Route | None, present: Route | None
) -> None:
    with pytest.raises(DeployRefused, match="Somebody changed the routing table since this run planned"):
        Change(before, Route(B)).share_of(present)
    assert not Change(before, Route(B)).passes(present)


@pytest.mark.parametrize(
    ("before", "without"),
    [
        (None, None),
        (Route(A), Route(A)),
        (Route(A, C, 0.3), Route(A, C, 0.3)),
        (Route(A, B, 0.3), Route(A)),  # it was the challenger already, and is not good enough
    ],
)
def test_what_serves_without_the_new_version(before: Route | None, without: Route | None) -> None:
    assert Change(before, Route(B)).without == without


# Moving


def move(bucket: ObjectStore, changes: Mapping[str, Change], share: float) -> Routing:
    return canary.move(bucket, "bqx", changes, share, "a move", "run 1")


def test_routes_move_together_and_others_stay(bucket: ObjectStore) -> None:
    old, new, first = deployed(bucket), deployed(bucket, seed=2), deployed(bucket, OTHER)
    third = deployed(bucket, "usdjpy")
    serve(bucket, eurusd=Route(old), usdjpy=Route(third))
    told = move(bucket, {PAIR: Change(Route(old), Route(new)), OTHER: Change(None, Route(first))}, 0.1)
    assert told == routing.read(bucket)
    assert (told.number, told.why, told.run, told.endpoint) == (2, "a move", "run 1", "bqx")
    assert told.pairs == {PAIR: Route(old, new, 0.1), OTHER: Route(first), "usdjpy": Route(third)}


def test_the_table_tells_the_columns_of_all_that_may_answer(bucket: ObjectStore) -> None:
    old, new = deployed(bucket), deployed(bucket, seed=2, columns=5)
    serve(bucket, eurusd=Route(old))
    change = {PAIR: Change(Route(old), Route(new))}
    told = move(bucket, change, 0.1).columns
    assert {name: len(columns) for name, columns in told.items()} == {
        old.feature_hash: 6, new.feature_hash: 5,
    }  # fmt: skip
    assert move(bucket, change, 1).columns == {new.feature_hash: told[new.feature_hash]}


def test_traffic_never_moves_back_and_a_repeated_move_makes_no_state(bucket: ObjectStore) -> None:
    old, new = deployed(bucket), deployed(bucket, seed=2)
    serve(bucket, eurusd=Route(old))
    change = {PAIR: Change(Route(old), Route(new))}
    for share in (0.5, 0.1, 0.5, 1, 0.5):
        move(bucket, change, share)
    assert shares(bucket) == [0, 0.5, 0]
    assert served(bucket) == {PAIR: Route(new)}


def test_what_somebody_else_changed_stops_the_move_of_all_pairs(bucket: ObjectStore) -> None:
    old, new, other = deployed(bucket), deployed(bucket, seed=2), deployed(bucket, OTHER)
    state = serve(bucket, eurusd=Route(old), gbpusd=Route(other))
    changes = {PAIR: Change(Route(old), Route(new)), OTHER: Change(None, Route(other, other, 0.1))}
    with pytest.raises(DeployRefused, match="Start another run of bqx_deploy"):
        move(bucket, changes, 0.1)
    assert routing.read(bucket) == state


# Growing


class Client:
    """Asks the endpoint; remembers whom it asked in which step.

    Args:
        answers: what happens in a step instead of a good answer, by its number from 0.
        requests: of a step.
    """

    def __init__(self, answers: Mapping[int, Ask] | None = None, requests: int = REQUESTS) -> None:
        self._answers, self._requests, self._lock = answers or {}, requests, threading.Lock()
        self.asked: list[Probe] = []

    def __call__(self, probe: Probe) -> Reply:
        with self._lock:
            step = len(self.asked) // self._requests
            self.asked.append(probe)
            return self._answers[step](probe) if step in self._answers else GOOD

    @property
    def steps(self) -> list[Counter[Target]]:
        """How often each target was asked, by step."""
        size = self._requests
        begins = range(0, len(self.asked), size)
        return [Counter(each.target for each in self.asked[begin : begin + size]) for begin in begins]


def some(count: int, problem: str) -> Ask:
    """So many answers have a problem, the others are good."""
    left = [problem] * count
    return lambda _: Reply(0.001, left.pop() if left else "")


def at_once(act: Callable[[], Any], reply: Reply = GOOD) -> Ask:
    """Something happens with the first question of a step; every answer is the same."""
    left = [act]

    def ask(probe: Probe) -> Reply:
        if left:
            left.pop()()
        return reply

    return ask


def killed() -> None:
    raise Killed


class Others(Cloud):
    """CloudWatch that knows requests of all clients, and those of them that failed, in two minutes each."""

    def __init__(self, asked: float = 0, failed: float = 0) -> None:
        super().__init__()
        self._sums = {"Invocations": asked, "Invocation5XXErrors": failed}
        self.questions: list[dict[str, Any]] = []

    def get_metric_statistics(self, **asked: Any) -> dict[str, Any]:
        self.questions.append(asked)
        total = self._sums[asked["MetricName"]]
        return {"Datapoints": [{"Sum": total / 2}] * 2 if total else []}


def grow(
    bucket: ObjectStore,
    changes: Mapping[str, Change],
    ask: Ask,
    others: Others | None = None,
    shares: Sequence[float] = SHARES,
    requests: int = REQUESTS,
    limit_ms: float = 60_000,  # a busy machine is no failure
) -> list[tuple[float, Load]]:
    bake = Bake(ask, others or Others(), 1000.0 * requests, 0.001, limit_ms)
    return canary.grow(bucket, "bqx", changes, shares, bake, "a deployment", "run 1")


def from_to(old: Target | Route, new: Target, pair: str = PAIR) -> dict[str, Change]:
    """The change of a deployment."""
    return {pair: Change(old if isinstance(old, Route) else Route(old), Route(new))}


@pytest.fixture
def old(bucket: ObjectStore) -> Target:
    """The champion, which serves."""
    made = deployed(bucket)
    serve(bucket, eurusd=Route(made))
    return made


@pytest.fixture
def new(bucket: ObjectStore) -> Target:
    """The version that is to take its place."""
    return deployed(bucket, seed=2)


def test_traffic_grows_step_by_step_while_all_is_good(bucket: ObjectStore, old: Target, new: Target) -> None:
    steps = grow(bucket, from_to(old, new), Client())
    assert [share for share, _ in steps] == [0.1, 0.5, 1]
    assert [(load.requests, load.problems) for _, load in steps] == [(REQUESTS, {})] * 3
    assert shares(bucket) == [0, 0.1, 0.5, 0]
    said = [state.why for state in routing.states(bucket)[1:]]
    assert said == ["a deployment: 10%", "a deployment: 50%", "a deployment: 100%"]
    assert served(bucket) == {PAIR: Route(new)}


def test_it_asks_as_clients_do(bucket: ObjectStore, old: Target, new: Target) -> None:
    client = Client(requests=200)
    grow(bucket, from_to(old, new), client, requests=200)
    tenth, half, everything = client.steps
    assert tenth.keys() == half.keys() == {old, new}
    assert 5 < tenth[new] < 35 < 70 < half[new] < 130, "a hash decides: it is the same every time"
    assert everything == {new: 200}
    assert len({each.body for each in client.asked if each.target == new}) == probes.EACH


def test_pairs_are_asked_in_turn(bucket: ObjectStore, old: Target, new: Target) -> None:
    first, second = deployed(bucket, OTHER), deployed(bucket, OTHER, seed=2)
    serve(bucket, gbpusd=Route(first))
    client = Client()
    grow(bucket, from_to(old, new) | from_to(first, second, OTHER), client, shares=[])
    assert client.steps == [{new: REQUESTS // 2, second: REQUESTS // 2}]
    assert served(bucket) == {PAIR: Route(new), OTHER: Route(second)}


@pytest.mark.parametrize(
    ("wanted", "steps"),
    [([0.5, 0.1], [0.1, 0.5, 1]), ([1, 0.5, 0.5], [0.5, 1]), ([], [1])],
)
def test_steps_grow_and_end_with_all(
    bucket: ObjectStore, old: Target, new: Target, wanted: list[float], steps: list[float]
) -> None:
    told = grow(bucket, from_to(old, new), Client(), shares=wanted, requests=4)
    assert [share for share, _ in told] == steps
    assert served(bucket) == {PAIR: Route(new)}


def test_a_step_without_time_asks_once(bucket: ObjectStore, old: Target, new: Target) -> None:
    bake = Bake(Client(), Others(), 50, 0, 60_000)
    steps = canary.grow(bucket, "bqx", from_to(old, new), [], bake, "a deployment", "run 1")
    assert [load.requests for _, load in steps] == [1]


# Going on


def test_a_run_that_is_killed_in_a_step_goes_on_with_its_share(
    bucket: ObjectStore, old: Target, new: Target
) -> None:
    with pytest.raises(Killed):
        grow(bucket, from_to(old, new), Client({1: at_once(killed)}))
    assert served(bucket) == {PAIR: Route(old, new, 0.5)}
    steps = grow(bucket, from_to(old, new), Client())
    assert [share for share, _ in steps] == [0.5, 1], "the step that was not judged is judged now"
    assert shares(bucket) == [0, 0.1, 0.5, 0]


def test_what_is_done_is_judged_once_more_and_not_changed(
    bucket: ObjectStore, old: Target, new: Target
) -> None:
    state = serve(bucket, eurusd=Route(new))
    assert [share for share, _ in grow(bucket, from_to(old, new), Client())] == [1]
    assert routing.read(bucket) == state
    with pytest.raises(DeployFailed):
        grow(bucket, from_to(old, new), Client({0: some(REQUESTS, "Timeout")}))
    assert served(bucket) == {PAIR: Route(old)}


def test_a_challenger_goes_on_from_its_share(bucket: ObjectStore, old: Target, new: Target) -> None:
    route = Route(old, new, 0.3)
    serve(bucket, eurusd=route)
    assert [share for share, _ in grow(bucket, from_to(route, new), Client())] == [0.5, 1]
    assert shares(bucket) == [0, 0.3, 0.5, 0]


def test_a_pair_that_is_farther_waits_for_the_others(bucket: ObjectStore, old: Target, new: Target) -> None:
    first, second = deployed(bucket, OTHER), deployed(bucket, OTHER, seed=2)
    serve(bucket, gbpusd=Route(first, second, 0.3))
    steps = grow(bucket, from_to(old, new) | from_to(first, second, OTHER), Client())
    assert [share for share, _ in steps] == [0.1, 0.5, 1]
    history = routing.states(bucket)[2:]
    assert [each.pairs[PAIR].share for each in history] == [0.1, 0.5, 0]
    assert [each.pairs[OTHER].share for each in history] == [0.3, 0.5, 0]


# Taking back


@pytest.mark.parametrize("step", range(3))
@pytest.mark.parametrize(
    ("count", "problem", "said"),
    [
        (1, "mismatch: version is b", r"an answer was wrong \(mismatch: version is b\)"),
        (2, "ServiceUnavailable", r"2 of 40 requests failed \(ServiceUnavailable\)"),
    ],
)
def test_an_answer_that_is_not_good_takes_a_step_back(
    bucket: ObjectStore, old: Target, new: Target, step: int, count: int, problem: str, said: str
) -> None:
    client = Client({step: some(count, problem)})
    asked = f"{100 * SHARES[step]:g}%"
    with pytest.raises(
        DeployFailed, match=rf"With {asked} of the requests {said}\. All requests of {PAIR} go"
    ):
        grow(bucket, from_to(old, new), client)
    assert len(client.steps) == step + 1, "no step comes after it"
    assert served(bucket) == {PAIR: Route(old)}
    newest = routing.read(bucket)
    assert newest.why.startswith(f"a deployment was taken back at {asked}: ")
    assert (newest.number, newest.run) == (step + 3, "run 1")


def test_one_failure_of_a_hundred_takes_nothing_back(bucket: ObjectStore, old: Target, new: Target) -> None:
    steps = grow(bucket, from_to(old, new), Client({1: some(1, "Timeout")}, requests=100), requests=100)
    assert [load.problems for _, load in steps] == [{}, {"Timeout": 1}, {}]
    assert served(bucket) == {PAIR: Route(new)}


def test_slowness_takes_a_step_back(bucket: ObjectStore, old: Target, new: Target) -> None:
    with pytest.raises(DeployFailed, match=r"With 10% of the requests P99 is .* more than 0 ms"):
        grow(bucket, from_to(old, new), Client(), limit_ms=0)
    assert served(bucket) == {PAIR: Route(old)}


@pytest.mark.parametrize(("asked", "failed"), [(100, 2), (0, 1)])
def test_errors_of_other_clients_take_a_step_back(
    bucket: ObjectStore, old: Target, new: Target, asked: int, failed: int
) -> None:
    with pytest.raises(DeployFailed, match=f"With 10% .* {failed} of {asked} requests of all clients failed"):
        grow(bucket, from_to(old, new), Client(), Others(asked, failed))
    assert served(bucket) == {PAIR: Route(old)}


@pytest.mark.parametrize(("asked", "failed"), [(0, 0), (100, 1)])
def test_few_errors_of_other_clients_take_nothing_back(
    bucket: ObjectStore, old: Target, new: Target, asked: int, failed: int
) -> None:
    grow(bucket, from_to(old, new), Client(), Others(asked, failed), shares=[])
    assert served(bucket) == {PAIR: Route(new)}


def test_cloudwatch_is_asked_for_the_whole_minutes_of_the_step(
    bucket: ObjectStore, old: Target, new: Target
) -> None:
    others, begin = Others(), datetime.now(UTC)
    grow(bucket, from_to(old, new), Client(), others, shares=[])
    end = datetime.now(UTC)
    assert {each["MetricName"] for each in others.questions} == {"Invocations", "Invocation5XXErrors"}
    for each in others.questions:
        assert each["Namespace"] == "AWS/SageMaker"
        assert (each["Period"], each["Statistics"]) == (60, ["Sum"])
        named = {one["Name"]: one["Value"] for one in each["Dimensions"]}
        assert named == {"EndpointName": "bqx", "VariantName": "all"}
        assert each["StartTime"].timestamp() % 60 == 0
        assert begin - timedelta(minutes=1) < each["StartTime"] <= end
        assert each["EndTime"] >= end.replace(second=0, microsecond=0) + timedelta(minutes=1)


@pytest.mark.parametrize("step", range(3))
def test_an_error_in_the_middle_takes_a_step_back(
    bucket: ObjectStore, old: Target, new: Target, step: int
) -> None:
    """Nobody watches the new version any more, whatever the error is."""

    def fault() -> None:
        raise KeyError("a fault of ours")

    with pytest.raises(DeployFailed, match=r"went no further \(KeyError: 'a fault of ours'\)") as error:
        grow(bucket, from_to(old, new), Client({step: at_once(fault)}))
    assert isinstance(error.value.__cause__, KeyError)
    assert served(bucket) == {PAIR: Route(old)}
    assert "KeyError" in routing.read(bucket).why


@pytest.mark.parametrize("code", ["AccessDenied", "Throttling"])
def test_a_step_that_cloudwatch_tells_nothing_of_is_taken_back(
    bucket: ObjectStore, old: Target, new: Target, code: str
) -> None:
    class Silent(Others):
        def get_metric_statistics(self, **asked: Any) -> dict[str, Any]:
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "GetMetricStatistics")

    with pytest.raises(DeployFailed, match=rf"With 10% .* read the metrics of the endpoint .*{code}: no"):
        grow(bucket, from_to(old, new), Client(), Silent())
    assert served(bucket) == {PAIR: Route(old)}


def test_an_answer_that_names_another_version_takes_a_step_back(
    bucket: ObjectStore, old: Target, new: Target
) -> None:
    """The endpoint itself is asked here, and its answers are compared with those of the archives."""

    class Mixing(Runtime):
        def invoke_endpoint(self, TargetModel: str, Body: bytes, **asked: Any) -> dict[str, Any]:
            body = super().invoke_endpoint(TargetModel, Body, **asked)["Body"].read()
            return {"Body": io.BytesIO(body.replace(new.version.encode(), old.version.encode()))}

    wrong = f"mismatch: version is {old.version}, not {new.version}"
    with pytest.raises(DeployFailed, match=rf"With 10% .* an answer was wrong \({wrong}\)"):
        grow(bucket, from_to(old, new), probes.asker(Mixing(bucket), "bqx"))
    assert served(bucket) == {PAIR: Route(old)}
    grow(bucket, from_to(old, new), probes.asker(Runtime(bucket), "bqx"))
    assert served(bucket) == {PAIR: Route(new)}


def test_one_bad_pair_takes_all_of_the_deployment_back(bucket: ObjectStore, old: Target, new: Target) -> None:
    first, second = deployed(bucket, OTHER), deployed(bucket, OTHER, seed=2)
    serve(bucket, gbpusd=Route(first))

    def ask(probe: Probe) -> Reply:
        return Reply(0.001, "mismatch: forecast of 15 minutes" if probe.target == second else "")

    changes = from_to(old, new) | from_to(first, second, OTHER)
    with pytest.raises(DeployFailed, match=f"All requests of {PAIR}, {OTHER} go to the versions that served"):
        grow(bucket, changes, ask)
    assert served(bucket) == {PAIR: Route(old), OTHER: Route(first)}


def test_a_challenger_that_served_before_is_there_again(
    bucket: ObjectStore, old: Target, new: Target
) -> None:
    before = Route(old, deployed(bucket, seed=3, columns=5), 0.3)
    columns = serve(bucket, eurusd=before).columns
    with pytest.raises(DeployFailed):
        grow(bucket, from_to(before, new), Client({2: some(REQUESTS, "Timeout")}))
    assert served(bucket) == {PAIR: before}
    assert routing.read(bucket).columns == columns, "its columns are known again"


def test_a_challenger_that_turns_out_bad_answers_nobody_any_more(
    bucket: ObjectStore, old: Target, new: Target
) -> None:
    before = Route(old, new, 0.3)
    serve(bucket, eurusd=before)
    with pytest.raises(DeployFailed):
        grow(bucket, from_to(before, new), Client({0: some(REQUESTS, "Timeout")}))
    assert served(bucket) == {PAIR: Route(old)}


def test_what_others_changed_meanwhile_of_other_pairs_stays(
    bucket: ObjectStore, old: Target, new: Target
) -> None:
    other = deployed(bucket, OTHER)
    meanwhile = at_once(lambda: serve(bucket, gbpusd=Route(other)), Reply(0.001, "Timeout"))
    with pytest.raises(DeployFailed):
        grow(bucket, from_to(old, new), Client({1: meanwhile}))
    assert served(bucket) == {PAIR: Route(old), OTHER: Route(other)}


@pytest.mark.parametrize("reply", [GOOD, Reply(0.001, "Timeout")])
def test_a_route_that_somebody_else_made_meanwhile_is_not_overruled(
    bucket: ObjectStore, old: Target, new: Target, reply: Reply
) -> None:
    """Neither if the step was good nor if it was not; pairs that nobody touched go back."""
    first, second = deployed(bucket, OTHER), deployed(bucket, OTHER, seed=2)
    serve(bucket, gbpusd=Route(first))
    third = deployed(bucket, seed=3)
    client = Client({0: at_once(lambda: serve(bucket, eurusd=Route(third)), reply)})
    why = "40 of 40 requests failed" if reply.problem else "Somebody changed the routing table"
    with pytest.raises(DeployFailed, match=f"{why}.* unless somebody else changed their routes"):
        grow(bucket, from_to(old, new) | from_to(first, second, OTHER), client)
    assert served(bucket) == {PAIR: Route(third), OTHER: Route(first)}
    assert len(client.steps) == 1


def test_a_canary_does_not_begin_on_a_route_that_somebody_else_made(
    bucket: ObjectStore, old: Target, new: Target
) -> None:
    state = serve(bucket, eurusd=Route(deployed(bucket, seed=3)))
    client = Client()
    with pytest.raises(DeployRefused, match="Somebody changed the routing table"):
        grow(bucket, from_to(old, new), client)
    assert (routing.read(bucket), client.asked) == (state, [])
