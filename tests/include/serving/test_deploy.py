"""Deployments to the embedded endpoint: what serves changes as planned, or stays as it is."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from include.errors import BadParameter, DeployFailed, DeployRefused, NothingToDo
from include.objects import ObjectStore
from include.serving import archives, canary, deploy, load_test, probes, routing
from include.serving.endpoint import Clients
from include.serving.load_test import Load
from include.serving.routing import Route
from include.training.requests import Account
from tests.sagemaker import BUCKET, IMAGE, ROLE, Aws, served
from tests.serving import PARAMS, Deployment, decide, version_of

PAIR, OTHER = "eurusd", "gbpusd"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with served(tmp_path_factory.mktemp("aws")) as it:
        yield it


@pytest.fixture(scope="module")
def there(aws: Aws) -> Deployment:
    """An endpoint with a model of each pair; every test goes on from what the one before left."""
    bucket = ObjectStore(aws.s3, BUCKET, "")
    names = ("sagemaker", "cloudwatch", "application-autoscaling")
    deployment = Deployment(
        bucket,
        Clients(*(aws.client(name) for name in names)),
        aws.client("sagemaker-runtime", max_pool_connections=64),
        Account(BUCKET, IMAGE, ROLE, "us-east-1"),
    )
    for pair in (PAIR, OTHER):
        decide(bucket, pair)
    deployment.run("deploy", PAIR, OTHER)
    return deployment


@pytest.fixture
def deployment(aws: Aws, there: Deployment) -> Iterator[Deployment]:
    """The same; afterwards no rule disturbs it."""
    yield there
    aws.trouble.clear()


def calls(aws: Aws, *operations: str) -> Counter[str]:
    return Counter({each: len(aws.trouble.requests(each)) for each in operations})


MAKES = ("CreateModel", "CreateEndpointConfig", "CreateEndpoint", "UpdateEndpoint")


def test_the_first_models_serve_at_once(aws: Aws, deployment: Deployment) -> None:
    state = routing.read(deployment.bucket)
    assert (state.number, state.endpoint, set(state.pairs)) == (1, "bqx", {PAIR, OTHER})
    (columns,) = state.columns.values()
    assert columns == [f"table__column_{number}" for number in range(6)]
    assert all(route.challenger is None for route in state.pairs.values())
    found = deployment.clients.sagemaker.describe_endpoint(EndpointName="bqx")
    assert found["ProductionVariants"][0]["VariantName"] == "all"
    (target,) = deployment.clients.scaling.describe_scalable_targets(ServiceNamespace="sagemaker")[
        "ScalableTargets"
    ]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 4)
    alarms = deployment.clients.cloudwatch.describe_alarms()["MetricAlarms"]
    assert {alarm["AlarmName"] for alarm in alarms} == {"bqx-errors", "bqx-latency"}


def test_again_makes_nothing_and_asks_nobody(aws: Aws, deployment: Deployment) -> None:
    before, made = routing.read(deployment.bucket), calls(aws, *MAKES)
    told = deployment.run("deploy", PAIR, OTHER)
    assert not told["plan"]["asks"]
    with pytest.raises(NothingToDo, match="0 of 2 pairs change"):
        deploy.ask(told["plan"])
    assert routing.read(deployment.bucket) == before
    assert calls(aws, *MAKES) == made
    assert told["check"]["load"]["requests"] == 20
    assert "P99" in told["check"]["summary"]


def test_a_dry_run_only_says(aws: Aws, deployment: Deployment) -> None:
    decision = decide(deployment.bucket, PAIR, seed=50)
    before, keys = routing.read(deployment.bucket), aws.keys()
    told = deployment.run("deploy", PAIR, OTHER, dry_run=True)
    assert set(told) == {"plan"}
    assert not told["plan"]["asks"]
    assert f"xgboost `{version_of(decision)[:8]}`" in told["plan"]["page"]
    assert "1 pair served as wanted already" in told["plan"]["page"]
    assert routing.read(deployment.bucket) == before
    assert aws.keys() == keys


@contextmanager
def asked_all_the_time(deployment: Deployment) -> Iterator[list[str]]:
    """Clients that ask by the routing table as the API does; what was wrong is collected."""
    ended, wrong, count = threading.Event(), list[str](), iter(range(10**9))
    ask = probes.asker(deployment.runtime, "bqx")
    known: dict[Any, Any] = {}

    def client() -> None:
        while not ended.is_set():
            target = routing.read(deployment.bucket).choose(PAIR, str(next(count)))
            if target not in known:
                known[target] = probes.probes(deployment.bucket, [(PAIR, target)], 1)[0]
            problem = ask(known[target]).problem
            if problem:
                wrong.append(problem)

    threads = [threading.Thread(target=client) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield wrong
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert next(count) > 5, "nobody asked"


def test_a_new_version_comes_by_a_canary_without_a_failed_request(deployment: Deployment) -> None:
    before = deployment.served()
    decision = decide(deployment.bucket, PAIR, seed=2)
    with asked_all_the_time(deployment) as wrong:
        told = deployment.run("deploy", PAIR, OTHER, bake_seconds=0.7)
    assert wrong == []
    assert deployment.served() == Route(before.champion._replace(
        version=version_of(decision), target=f"{PAIR}/{version_of(decision)}.tar.gz", decision=decision.key
    ))  # fmt: skip
    assert [share for share, _ in told["route"]["steps"]] == [0.1, 0.5, 1.0]
    shares = [state.pairs[PAIR].share for state in routing.states(deployment.bucket)[-3:]]
    assert shares == [0.1, 0.5, 0.0]
    assert routing.read(deployment.bucket).why == "deploy of 2 pairs: 100%"


def test_a_rollback_changes_the_table_only_and_at_once(aws: Aws, deployment: Deployment) -> None:
    history = routing.states(deployment.bucket)
    made = calls(aws, *MAKES, "InvokeEndpoint")
    began = time.monotonic()
    told = deployment.run("roll back", PAIR)
    assert time.monotonic() - began < 5
    assert set(told) == {"plan", "route"}
    assert deployment.served() == Route(history[0].pairs[PAIR].champion)
    assert calls(aws, *MAKES, "InvokeEndpoint") == made
    with pytest.raises(DeployRefused, match="nothing to roll back: no other model served before"):
        deployment.run("roll back", PAIR)
    deployment.run("roll back", PAIR, state=history[-1].number)
    assert deployment.served() == history[-1].pairs[PAIR]
    with pytest.raises(BadParameter, match="no state 999"):
        deployment.run("roll back", PAIR, state=999)


def test_two_models_share_the_requests_and_one_is_promoted(deployment: Deployment) -> None:
    champion = deployment.served().champion
    challenger = decide(deployment.bucket, PAIR, seed=3)
    deployment.run("split", PAIR, version=version_of(challenger), share=0.3)
    route = deployment.served()
    assert (route.champion, route.share) == (champion, 0.3)
    assert route.challenger is not None
    assert route.challenger.version == version_of(challenger)
    deployment.run("split", PAIR, share=0.6)
    assert deployment.served().share == 0.6
    with pytest.raises(DeployRefused, match="nothing to promote: it has no challenger"):
        deployment.run("promote", OTHER)
    deployment.run("promote", PAIR, OTHER)
    assert deployment.served() == Route(route.challenger)
    with pytest.raises(DeployRefused, match="is its champion already"):
        deployment.run("split", PAIR, version=version_of(challenger))
    with pytest.raises(BadParameter, match=f"no version {'0' * 16} of {PAIR}"):
        deployment.run("split", PAIR, version="0" * 16)
    deployment.run("split", PAIR, version=champion.version, share=0.5)
    deployment.run("roll back", PAIR)
    assert deployment.served() == Route(route.challenger), "the challenger goes first"


def test_a_pair_whose_model_is_not_the_one_decided_is_left_as_it_is(deployment: Deployment) -> None:
    before = deployment.served()
    bad, good = decide(deployment.bucket, PAIR, seed=4), decide(deployment.bucket, OTHER, seed=4)
    deployment.bucket.put(bad.content["archives"][0]["key"], b"broken")
    with pytest.raises(DeployFailed, match=r"1 pair not deployed.*\n.*eurusd: .*is not the model that"):
        deployment.run("deploy", PAIR, OTHER)
    assert deployment.served() == before
    assert deployment.served(OTHER).champion.version == version_of(good)
    with pytest.raises(DeployRefused, match="None of 1 pairs can be deployed"):
        deployment.run("deploy", PAIR)
    assert deployment.served() == before


def test_an_archive_that_was_overwritten_gets_no_traffic(deployment: Deployment) -> None:
    before = deployment.served()
    decision = decide(deployment.bucket, PAIR, seed=5)
    stranger = deployment.bucket.get(archives.key_of(deployment.served(OTHER).champion.target)) or b""
    deployment.bucket.put(f"serving/models/{PAIR}/{version_of(decision)}.tar.gz", stranger)
    with pytest.raises(DeployRefused, match="exists and is not what decision"):
        deployment.run("deploy", PAIR)
    assert deployment.served() == before


def test_an_endpoint_that_answers_wrongly_gets_no_traffic(deployment: Deployment) -> None:
    before = deployment.served()
    decision = decide(deployment.bucket, PAIR, seed=6)
    asked = PARAMS | {"action": "deploy", "pairs": [PAIR]}
    planned = deploy.plan(deployment.bucket, deployment.clients, lambda: deployment.account, "bqx", asked)
    packed = deploy.pack(deployment.bucket, planned)
    key = f"serving/models/{PAIR}/{version_of(decision)}.tar.gz"
    right = deployment.bucket.get(key) or b""
    # The endpoint loads another archive under that name, and it is put right afterwards: it goes on with it.
    deployment.bucket.put(key, deployment.bucket.get(archives.key_of(before.champion.target)) or b"")
    with pytest.raises(ClientError):
        deployment.runtime.invoke_endpoint(
            EndpointName="bqx", TargetModel=f"{PAIR}/{version_of(decision)}.tar.gz", Body=b"{}",
            ContentType="application/json",
        )  # fmt: skip
    deployment.bucket.put(key, right)
    with pytest.raises(DeployFailed, match=r"wrong answers, the first is a mismatch.*Traffic was not moved"):
        deploy.check(deployment.bucket, deployment.clients, deployment.runtime, planned, packed, asked)
    assert deployment.served() == before


@pytest.mark.parametrize("trouble", ["ServiceUnavailable", "mismatch: version", "slow"])
def test_a_canary_is_taken_back(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    before = deployment.served()
    decision = decide(deployment.bucket, PAIR, seed=7)
    ran = load_test.run

    def troubled(*asked: Any) -> Load:
        load = ran(*asked)
        if routing.read(deployment.bucket).pairs[PAIR].share != 0.5:
            return load
        return load._replace(p99=10**6) if trouble == "slow" else load._replace(problems={trouble: 3})

    monkeypatch.setattr(load_test, "run", troubled)
    with pytest.raises(
        DeployFailed, match=rf"With 50% of the requests .*All requests of {PAIR} go to the ver"
    ):
        deployment.run("deploy", PAIR, bake_seconds=0.2)
    assert deployment.served() == before
    states = routing.states(deployment.bucket)
    assert [state.pairs[PAIR].share for state in states[-3:]] == [0.1, 0.5, 0.0]
    assert "was taken back at 50%" in states[-1].why
    assert version_of(decision) in str(states[-2])


def test_errors_of_other_clients_take_a_canary_back(deployment: Deployment) -> None:
    from datetime import UTC, datetime

    place = [{"Name": "EndpointName", "Value": "others"}, {"Name": "VariantName", "Value": "all"}]
    for name, value in (("Invocations", 100.0), ("Invocation5XXErrors", 2.0)):
        deployment.clients.cloudwatch.put_metric_data(
            Namespace="AWS/SageMaker",
            MetricData=[{"MetricName": name, "Dimensions": place, "Value": value}],
        )
    told = canary._errors(deployment.clients.cloudwatch, "others", datetime.now(UTC))
    assert told == "2 of 100 requests of all clients failed"
    assert canary._errors(deployment.clients.cloudwatch, "nobody", datetime.now(UTC)) == ""


def test_an_update_that_is_taken_back_is_a_failure_with_its_reason(aws: Aws, deployment: Deployment) -> None:
    before = deployment.served()
    old = deployment.clients.sagemaker.describe_endpoint(EndpointName="bqx")["EndpointConfigName"]
    aws.trouble.add("hosting", "Update", status=500, message="no capacity", times=1)
    decide(deployment.bucket, PAIR, seed=8)
    taken_back = pytest.raises(DeployFailed, match=rf"took the update back and serves {old} .*no capacity")
    with asked_all_the_time(deployment) as wrong, taken_back:
        deployment.run("deploy", PAIR, endpoint_instance_type="ml.c5.large")
    assert wrong == []
    assert deployment.served() == before
    targets = deployment.clients.scaling.describe_scalable_targets(ServiceNamespace="sagemaker")
    assert len(targets["ScalableTargets"]) == 1, "what serves is scaled again"
    with asked_all_the_time(deployment) as wrong:
        deployment.run("deploy", PAIR, endpoint_instance_type="ml.c5.large")
    assert wrong == []
    found = deployment.clients.sagemaker.describe_endpoint(EndpointName="bqx")
    assert found["EndpointConfigName"] != old
    assert found["EndpointStatus"] == "InService"
    assert deployment.served() != before


def test_neither_update_nor_way_back(aws: Aws, deployment: Deployment) -> None:
    before = deployment.served()
    aws.trouble.add("hosting", "Update", status=500, message="no capacity", times=1)
    aws.trouble.add("hosting", "Rollback", status=500, message="no way", times=1)
    with pytest.raises(DeployFailed, match="serves a mix of old and new instances"):
        deployment.run("deploy", PAIR, endpoint_instance_type="ml.c5.xlarge")
    assert deployment.served() == before
    with pytest.raises(DeployFailed, match="serves a mix of old and new instances"):
        deployment.run("deploy", PAIR, endpoint_instance_type="ml.c5.xlarge")
    deployment.clients.sagemaker.delete_endpoint(EndpointName="bqx")
    deployment.run("deploy", PAIR, endpoint_instance_type="ml.c5.xlarge")
    assert deployment.served() == before


def test_an_endpoint_that_cannot_be_made_is_made_anew(aws: Aws, deployment: Deployment) -> None:
    deployment.clients.sagemaker.delete_endpoint(EndpointName="bqx")
    aws.trouble.add("hosting", "Create", status=500, message="no capacity", times=1)
    with pytest.raises(DeployFailed, match=r"has failed and serves nothing: .*no capacity"):
        deployment.run("deploy", PAIR)
    deployment.run("deploy", PAIR)
    assert calls(aws, "DeleteEndpoint")["DeleteEndpoint"] >= 2


def test_nothing_is_left_behind(aws: Aws, deployment: Deployment) -> None:
    deployment.run("deploy", PAIR, OTHER)
    configs = deployment.clients.sagemaker.list_endpoint_configs()["EndpointConfigs"]
    models = deployment.clients.sagemaker.list_models()["Models"]
    assert len(configs) <= 1 + deploy.CONFIGS_KEPT
    assert len(models) == 1, "all configurations are of the same container"
