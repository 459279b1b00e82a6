"""Every state of an endpoint leads to one step, or to a failure that says what serves and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from include.errors import AwsBusy, DeployFailed, DeployRefused
from include.serving import endpoint
from include.serving.endpoint import Clients, Step
from include.serving.requests import OWNED, VARIANT, Wanted, wanted
from include.training.requests import Account
from tests.clouds import Cloud
from tests.serving import PARAMS

ACCOUNT = Account("bqx", "111122223333.dkr.ecr.us-east-1.amazonaws.com/xgb:1", "role/serving", "us-east-1")
WANTED = wanted(ACCOUNT, "bqx", "code/serving.tar.gz", PARAMS)
OLD = "bqx-old"
MOVING = ("Creating", "Updating", "RollingBack", "SystemUpdating", "Deleting")


class ObjectNotFound(Exception):
    """Nothing is scaled."""


class Exceptions:
    """What the clients may raise, by the names that boto3 has for it."""

    ClientError = ClientError
    ObjectNotFoundException = ObjectNotFound


class Aws:
    """Clients that remember what they were asked to change; `endpoint` is what DescribeEndpoint says."""

    def __init__(self, status: str | None = None, config: str = OLD, **more: Any) -> None:
        self.changes: list[str] = []
        self.parts: dict[str, dict[str, Any]] = {OLD: {"ProductionVariants": [{"InstanceType": "ml.old"}]}}
        self.refusal: Callable[[str], Exception | None] = lambda operation: None
        self.endpoint = None if status is None else {
            "EndpointStatus": status, "EndpointConfigName": config, **more,
        }  # fmt: skip
        self.exceptions = type(
            "", (), {"ClientError": ClientError, "ObjectNotFoundException": ObjectNotFound}
        )

    @property
    def clients(self) -> Clients:
        return Clients(self, self, self)

    def describe_endpoint(self, EndpointName: str) -> dict[str, Any]:
        if self.endpoint is None:
            raise missing("endpoint")
        return self.endpoint

    def describe_endpoint_config(self, EndpointConfigName: str) -> dict[str, Any]:
        return self._part(EndpointConfigName)

    def describe_model(self, ModelName: str) -> dict[str, Any]:
        return self._part(ModelName)

    def create_model(self, **request: Any) -> None:
        self._change("create_model")
        self.parts[request["ModelName"]] = request | {"CreationTime": "now"}

    def create_endpoint_config(self, **request: Any) -> None:
        self._change("create_endpoint_config")
        self.parts[request["EndpointConfigName"]] = request | {"CreationTime": "now"}

    def __getattr__(self, operation: str) -> Callable[..., None]:
        return lambda **request: self._change(operation)

    def _part(self, name: str) -> dict[str, Any]:
        if name not in self.parts:
            raise missing("part")
        return self.parts[name]

    def _change(self, operation: str) -> None:
        refusal = self.refusal(operation)
        if refusal:
            raise refusal
        self.changes.append(operation)


def refused(code: str, message: str, status: int = 400) -> ClientError:
    """An error of AWS."""
    told: Any = {
        "Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status},
    }  # fmt: skip
    return ClientError(told, "Operation")


def missing(what: str) -> ClientError:
    """What SageMaker says of a name that it does not know."""
    return refused("ValidationException", f"Could not find {what} of that name.")


def test_it_is_made_where_there_is_none() -> None:
    aws = Aws()
    assert endpoint.ensure_endpoint(aws.clients, WANTED) == Step(ready=False, begun=True)
    assert aws.changes == ["create_endpoint"]


def test_an_endpoint_that_another_attempt_made_is_looked_at_again() -> None:
    aws = Aws()
    aws.refusal = lambda operation: refused("ValidationException", "Cannot create already existing endpoint.")
    assert not endpoint.ensure_endpoint(aws.clients, WANTED).ready


@pytest.mark.parametrize("status", MOVING)
@pytest.mark.parametrize("begun", [False, True])
def test_what_ends_by_itself_is_waited_for(status: str, begun: bool) -> None:
    aws = Aws(status)
    assert endpoint.ensure_endpoint(aws.clients, WANTED, begun) == Step(ready=False, begun=begun)
    assert aws.changes == []


@pytest.mark.parametrize(
    "aws",
    [
        Aws("Creating", WANTED.config_name),
        Aws("Updating", PendingDeploymentSummary={"EndpointConfigName": WANTED.config_name}),
    ],
)
def test_what_a_lost_attempt_began_counts_as_begun(aws: Aws) -> None:
    assert endpoint.ensure_endpoint(aws.clients, WANTED) == Step(ready=False, begun=True)


@pytest.mark.parametrize("begun", [False, True])
def test_in_service_as_wanted_is_ready_and_scaled(begun: bool) -> None:
    aws = Aws("InService", WANTED.config_name)
    for _ in range(2):  # again, with the same outcome
        assert endpoint.ensure_endpoint(aws.clients, WANTED, begun) == Step(ready=True, begun=True)
    assert aws.changes == ["register_scalable_target", "put_scaling_policy"] * 2


def test_another_configuration_is_updated_once_scaling_has_stopped() -> None:
    aws = Aws("InService")
    assert endpoint.ensure_endpoint(aws.clients, WANTED) == Step(ready=False, begun=True)
    assert aws.changes == ["deregister_scalable_target", "update_endpoint"]


def test_instances_of_the_same_type_stay_scaled_during_an_update() -> None:
    aws = Aws("InService")
    aws.parts[OLD] = {"ProductionVariants": [{"InstanceType": WANTED.instance_type}]}
    endpoint.ensure_endpoint(aws.clients, WANTED)
    assert aws.changes == ["update_endpoint"]


def test_scaling_that_has_stopped_already_does_not_matter() -> None:
    aws = Aws("InService")
    aws.refusal = lambda operation: ObjectNotFound() if operation.startswith("deregister") else None
    assert endpoint.ensure_endpoint(aws.clients, WANTED).begun
    assert aws.changes == ["update_endpoint"]


def test_an_update_under_way_is_looked_at_again() -> None:
    aws = Aws("InService")
    aws.refusal = lambda operation: (
        refused("ValidationException", "Cannot update in-progress endpoint.")
        if operation == "update_endpoint"
        else None
    )
    assert endpoint.ensure_endpoint(aws.clients, WANTED) == Step(ready=False, begun=False)


def test_an_update_that_was_taken_back_is_a_failure_with_its_reason() -> None:
    aws = Aws("InService", OLD, FailureReason="alarm bqx-errors fired")
    with pytest.raises(DeployFailed, match=f"took the update back and serves {OLD}.*alarm bqx-errors fired"):
        endpoint.ensure_endpoint(aws.clients, WANTED, begun=True)
    assert "update_endpoint" not in aws.changes
    assert "register_scalable_target" in aws.changes  # the old instances are scaled again


def test_an_endpoint_that_had_failed_is_deleted_and_made_anew() -> None:
    aws = Aws("Failed", FailureReason="no capacity")
    assert endpoint.ensure_endpoint(aws.clients, WANTED) == Step(ready=False, begun=False)
    assert aws.changes == ["delete_endpoint"]


@pytest.mark.parametrize(
    ("status", "begun", "said"),
    [
        ("Failed", True, "has failed and serves nothing"),
        ("UpdateRollbackFailed", False, "a mix of old and new instances"),
        ("UpdateRollbackFailed", True, "a mix of old and new instances"),
        ("OutOfService", False, "takes no requests"),
        ("OutOfService", True, "takes no requests"),
        ("Levitating", False, "not known here: Levitating"),
        ("Levitating", True, "not known here: Levitating"),
    ],
)
def test_other_states_need_a_person(status: str, begun: bool, said: str) -> None:
    aws = Aws(status, FailureReason="disk on fire")
    with pytest.raises(DeployFailed, match=f"(?s){said}.*disk on fire"):
        endpoint.ensure_endpoint(aws.clients, WANTED, begun)
    assert aws.changes == []


def test_a_failure_without_a_reason_says_so() -> None:
    with pytest.raises(DeployFailed, match="SageMaker gave no reason"):
        endpoint.ensure_endpoint(Aws("OutOfService").clients, WANTED)


def test_parts_are_made_once() -> None:
    aws = Aws()
    for _ in range(2):
        assert endpoint.ensure_parts(aws.clients, WANTED) == WANTED.config_name
    made = [change for change in aws.changes if change.startswith("create")]
    assert made == ["create_model", "create_endpoint_config"]
    assert aws.parts[WANTED.config_name]["ProductionVariants"][0]["VariantName"] == VARIANT


@pytest.mark.parametrize("name", [WANTED.model_name, WANTED.config_name])
def test_a_part_of_that_name_with_another_content_is_refused(name: str) -> None:
    aws = Aws()
    aws.parts[name] = {"ModelName": name, "EndpointConfigName": name}
    with pytest.raises(DeployRefused, match="is not what its name says"):
        endpoint.ensure_parts(aws.clients, WANTED)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refused("ThrottlingException", "slow down"), AwsBusy),
        (refused("InternalFailure", "oops", 500), AwsBusy),
        (refused("AccessDeniedException", "no"), DeployRefused),
        (refused("ValidationException", "no such role"), DeployRefused),
    ],
)
def test_what_aws_refuses_is_said_for_people(error: ClientError, kind: type[Exception]) -> None:
    aws = Aws()
    aws.refusal = lambda operation: error
    with pytest.raises(kind):
        endpoint.ensure_endpoint(aws.clients, WANTED)
    assert aws.changes == []


def other_config(params: dict[str, Any]) -> Wanted:
    """What is wanted with other parameters."""
    return wanted(ACCOUNT, "bqx", "code/serving.tar.gz", PARAMS | params)


def test_another_type_of_instance_is_another_configuration_of_the_same_model() -> None:
    larger = other_config({"endpoint_instance_type": "ml.m5.2xlarge"})
    assert larger.config_name != WANTED.config_name
    assert larger.model_name == WANTED.model_name


def test_with_how_many_instances_an_endpoint_begins_makes_no_other_configuration() -> None:
    aws = Aws()
    endpoint.ensure_parts(aws.clients, WANTED)
    made = list(aws.changes)
    more = other_config({"instances": PARAMS["instances"] + 1})
    assert endpoint.ensure_parts(aws.clients, more) == WANTED.config_name
    assert [each for each in aws.changes[len(made) :] if each.startswith("create")] == []


# Alarms


def alarms(params: dict[str, Any]) -> dict[str, Any]:
    """The alarms that are there once the parts are, by name."""
    cloud = Cloud()
    endpoint.ensure_parts(Clients(cloud, cloud, cloud), other_config(params))
    return cloud.alarms


def test_an_error_or_slowness_of_this_endpoint_is_an_alarm() -> None:
    told = alarms({"p99_ms": 250})
    assert told.keys() == {"bqx-errors", "bqx-latency"}
    errors, latency = told["bqx-errors"], told["bqx-latency"]
    assert (errors["MetricName"], errors["Statistic"]) == ("Invocation5XXErrors", "Sum")
    assert errors["Threshold"] == 0
    assert (latency["MetricName"], latency["ExtendedStatistic"]) == ("ModelLatency", "p99")
    assert latency["Threshold"] == 250_000, "SageMaker tells microseconds"
    for each in told.values():
        assert {one["Name"]: one["Value"] for one in each["Dimensions"]} == {
            "EndpointName": "bqx", "VariantName": VARIANT,
        }  # fmt: skip
        assert (each["Namespace"], each["Period"], each["EvaluationPeriods"]) == ("AWS/SageMaker", 60, 1)
        assert each["ComparisonOperator"] == "GreaterThanThreshold"
        assert each["TreatMissingData"] == "notBreaching", "nobody asks at night"


def test_an_update_goes_back_on_the_alarms_that_are_there() -> None:
    named = WANTED.deployment["AutoRollbackConfiguration"]["Alarms"]
    assert {each["AlarmName"] for each in named} == alarms({}).keys()


def test_alarms_follow_another_limit_though_the_configuration_stays() -> None:
    cloud = Cloud()
    for limit in (250, 300, 300):
        endpoint.ensure_parts(Clients(cloud, cloud, cloud), other_config({"p99_ms": limit}))
    assert len(cloud.configs) == 1
    assert {name: each["Threshold"] for name, each in cloud.alarms.items()} == {
        "bqx-errors": 0, "bqx-latency": 300_000,
    }  # fmt: skip


# Tidying


class Shared(Cloud):
    """An account in which other endpoints run, too.

    Attributes:
        others: what DescribeEndpoint says of them, by name.
    """

    def __init__(self) -> None:
        super().__init__()
        self.others: dict[str, dict[str, Any]] = {}

    def describe_endpoint(self, EndpointName: str) -> dict[str, Any]:
        return self.others.get(EndpointName) or super().describe_endpoint(EndpointName)

    def get_paginator(self, operation: str) -> Any:
        if operation != "list_endpoints":
            return super().get_paginator(operation)
        pages = [{"Endpoints": [{"EndpointName": name}]} for name in ("bqx", *self.others)]
        return type("", (), {"paginate": staticmethod(lambda: pages)})

    def add(self, config: str, model: str = "bqx-model", ours: bool = True) -> None:
        """A configuration, newer than all others, and its model."""
        tags = [OWNED] if ours else [{"Key": "bqx:serving", "Value": "somebody"}]
        if model not in self.models:
            self.create_model(ModelName=model, Tags=tags)
        variants = [{"VariantName": VARIANT, "ModelName": model, "InstanceType": "ml.m5.large"}]
        self.create_endpoint_config(EndpointConfigName=config, ProductionVariants=variants, Tags=tags)

    def runs(self, config: str, status: str = "InService") -> None:
        self.endpoint = {"EndpointName": "bqx", "EndpointConfigName": config, "EndpointStatus": status}


@pytest.fixture
def shared() -> Shared:
    """Five configurations of ours, a model each; the second oldest one runs."""
    it = Shared()
    for letter in "abcde":
        it.add(f"bqx-{letter}", f"bqx-model-{letter}")
    it.runs("bqx-b")
    return it


@pytest.mark.parametrize("status", [None, *MOVING, "Failed", "UpdateRollbackFailed", "OutOfService"])
def test_nothing_is_removed_unless_the_endpoint_is_in_service(shared: Shared, status: str | None) -> None:
    if status is None:
        shared.endpoint = None
    else:
        shared.runs("bqx-b", status)
    assert endpoint.tidy(shared, "bqx", 0) == []
    assert (len(shared.configs), len(shared.models)) == (5, 5)


def test_what_runs_stays_and_the_newest_others(shared: Shared) -> None:
    gone = endpoint.tidy(shared, "bqx", 2)
    assert sorted(gone) == ["bqx-a", "bqx-c", "bqx-model-a", "bqx-model-c"]
    assert shared.configs.keys() == {"bqx-b", "bqx-d", "bqx-e"}
    assert shared.models.keys() == {"bqx-model-b", "bqx-model-d", "bqx-model-e"}
    assert endpoint.tidy(shared, "bqx", 2) == []


def test_all_others_go_if_none_is_to_be_kept(shared: Shared) -> None:
    assert len(endpoint.tidy(shared, "bqx", 0)) == 8
    assert (list(shared.configs), list(shared.models)) == (["bqx-b"], ["bqx-model-b"])


def test_as_many_as_are_kept_all_stay(shared: Shared) -> None:
    assert endpoint.tidy(shared, "bqx", 4) == []


def test_a_model_stays_as_long_as_a_configuration_names_it(shared: Shared) -> None:
    shared.add("bqx-f", "bqx-model-a")
    assert "bqx-model-a" not in endpoint.tidy(shared, "bqx", 1)
    assert shared.configs.keys() == {"bqx-b", "bqx-f"}
    assert shared.models.keys() == {"bqx-model-b", "bqx-model-a"}


def test_a_model_of_ours_stays_while_somebody_elses_configuration_names_it(shared: Shared) -> None:
    shared.add("theirs", "bqx-model-a", ours=False)
    assert endpoint.tidy(shared, "bqx", 3) == ["bqx-a"]
    assert "bqx-model-a" in shared.models


def test_a_model_that_no_configuration_names_goes(shared: Shared) -> None:
    shared.create_model(ModelName="bqx-alone", Tags=[OWNED])
    assert endpoint.tidy(shared, "bqx", 4) == ["bqx-alone"]


def test_what_is_not_ours_stays_whatever_its_name_is(shared: Shared) -> None:
    shared.add("bqx-theirs", "bqx-model-theirs", ours=False)
    assert endpoint.tidy(shared, "bqx", 3) == ["bqx-a", "bqx-model-a"], "nor does it count among ours"
    assert "bqx-theirs" in shared.configs
    assert "bqx-model-theirs" in shared.models


def test_a_name_that_has_our_prefix_elsewhere_is_not_ours(shared: Shared) -> None:
    """SageMaker lists names that contain it anywhere; a tag may have been copied."""
    shared.add("their-bqx-z", "their-bqx-model")
    assert endpoint.tidy(shared, "bqx", 3) == ["bqx-a", "bqx-model-a"]
    assert "their-bqx-z" in shared.configs
    assert "their-bqx-model" in shared.models


def test_what_another_endpoint_runs_or_is_about_to_stays(shared: Shared) -> None:
    pending = {"PendingDeploymentSummary": {"EndpointConfigName": "bqx-c"}}
    shared.others["another"] = {"EndpointStatus": "Updating", "EndpointConfigName": "bqx-a", **pending}
    assert endpoint.tidy(shared, "bqx", 0) == ["bqx-e", "bqx-d", "bqx-model-e", "bqx-model-d"]
    assert shared.configs.keys() == {"bqx-a", "bqx-b", "bqx-c"}
    assert shared.models.keys() == {"bqx-model-a", "bqx-model-b", "bqx-model-c"}
