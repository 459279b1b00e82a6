"""Requests to SageMaker for the endpoint, its model and its configuration; alarms and scaling beside them.

Models and configurations are called after what they are, so they are never changed, only replaced. Versions
of the pairs' models are no part of them: the endpoint loads archives by name, and changes only with
container, instances or the code that answers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from include.errors import BadParameter, MissingInput
from include.serving.archives import FOLDER
from include.serving.code import ENTRY
from include.training.requests import DIGITS, Account

__all__ = ["OWNED", "PREFIX", "VARIANT", "Alarm", "Wanted", "checked_account", "comparable", "wanted"]

PREFIX = "bqx-"  # of the names of models and configurations
OWNED = {"Key": "bqx:serving", "Value": "bqx_deploy"}  # tag of what may be removed again
VARIANT = "all"  # the one variant, for ever: SageMaker keeps the properties of a variant by its name
SCALE_OUT_SECONDS, SCALE_IN_SECONDS = 60, 300  # cool-down
ERRORS, LATENCY = "errors", "latency"  # alarms, and which metric each of them watches
NAMESPACE = "AWS/SageMaker"
INITIAL_COUNT = "InitialInstanceCount"
MICROSECONDS = 1_000  # of a millisecond; SageMaker tells latency in microseconds
Plain = dict[str, Any]


class Wanted(NamedTuple):
    """What is to be there.

    Attributes:
        endpoint: name of the endpoint.
        model, config: requests for CreateModel and CreateEndpointConfig.
        deployment: how SageMaker moves the traffic to new instances, and what makes it go back.
        scaling: ``least`` and ``most`` instances, ``target``, requests per minute and instance.
        alarms: requests for PutMetricAlarm.
    """

    endpoint: str
    model: Plain
    config: Plain
    deployment: Plain
    scaling: Plain
    alarms: list[Plain]

    @property
    def config_name(self) -> str:
        """Name of the configuration that is to run."""
        return str(self.config["EndpointConfigName"])

    @property
    def model_name(self) -> str:
        """Name of its model."""
        return str(self.model["ModelName"])

    @property
    def code(self) -> str:
        """Address of the archive with the inference code."""
        return str(self.model["PrimaryContainer"]["Environment"]["SAGEMAKER_SUBMIT_DIRECTORY"])

    @property
    def instance_type(self) -> str:
        """What it runs on."""
        return str(self.config["ProductionVariants"][0]["InstanceType"])


def wanted(account: Account, endpoint: str, code_key: str, params: Mapping[str, Any]) -> Wanted:
    """The endpoint that a deployment asks for.

    Args:
        account: where it runs; its image is the one that serves.
        endpoint: its name.
        code_key: of the archive with the inference code.
        params: those of the form of bqx_deploy.
    """
    model = _model(account, code_key)
    config = _config(model["ModelName"], params)
    alarms = _alarms(endpoint, params["p99_ms"])
    return Wanted(
        endpoint=endpoint,
        model=model,
        config=config,
        deployment=_deployment(alarms, params["bake_seconds"]),
        scaling={
            "least": params["least_instances"],
            "most": params["most_instances"],
            "target": params["requests_per_instance"],
        },
        alarms=alarms,
    )


def checked_account(bucket: str, image: str, role: str, region: str) -> Account:
    """The account, if all of it is known.

    Raises:
        MissingInput: a Variable is not set.
        BadParameter: the role has no ARN.
    """
    for name, value, what in (
        ("bqx_serving_image", image, "the address of AWS's XGBoost 3.2 image in your region"),
        ("bqx_sagemaker_role", role, "the ARN of the role that endpoints take"),
    ):
        if not value:
            raise MissingInput(f"The Airflow Variable {name} is not set. Set it to {what}.")
    if not role.startswith("arn:"):
        raise BadParameter(
            f"The Airflow Variable bqx_sagemaker_role is {role!r}. For an endpoint SageMaker takes the ARN "
            "of the role, not its name: set it to arn:aws:iam::ACCOUNT:role/NAME."
        )
    return Account(bucket, image, role, region)


def _model(account: Account, code_key: str) -> Plain:
    container = {
        "Image": account.image,
        "Mode": "MultiModel",
        "ModelDataUrl": f"s3://{account.bucket}/{FOLDER}/",
        "MultiModelConfig": {"ModelCacheSetting": "Enabled"},
        "Environment": {
            "SAGEMAKER_PROGRAM": ENTRY,
            "SAGEMAKER_SUBMIT_DIRECTORY": f"s3://{account.bucket}/{code_key}",
            "SAGEMAKER_REGION": account.region,
        },
    }
    told = {"ExecutionRoleArn": account.role, "PrimaryContainer": container}
    return {"ModelName": _named(told), **told, "Tags": [OWNED]}


def _config(model: str, params: Mapping[str, Any]) -> Plain:
    variant = {
        "VariantName": VARIANT,
        "ModelName": model,
        "InstanceType": params["endpoint_instance_type"],
        INITIAL_COUNT: params["instances"],
        "InitialVariantWeight": 1.0,
    }
    # With how many instances an endpoint begins makes no other configuration: later their number is scaled.
    return {
        "EndpointConfigName": _named({"ProductionVariants": [_without_count(variant)]}),
        "ProductionVariants": [variant],
        "Tags": [OWNED],
    }


def _without_count(variant: Mapping[str, Any]) -> Plain:
    return {name: value for name, value in variant.items() if name != INITIAL_COUNT}


def comparable(config: Mapping[str, Any]) -> Plain:
    """What makes an endpoint configuration another one."""
    variants = [_without_count(variant) for variant in config["ProductionVariants"]]
    return {**config, "ProductionVariants": variants}


def _deployment(alarms: list[Plain], bake_seconds: int) -> Plain:
    """All traffic moves at once, the old instances wait; an alarm in that time brings it back to them.

    SageMaker requires the wait between steps, of which there is one; the old instances stay for the other.
    """
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": bake_seconds},
            "TerminationWaitInSeconds": bake_seconds,
            "MaximumExecutionTimeoutInSeconds": max(3600, 4 * bake_seconds),
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": alarm["AlarmName"]} for alarm in alarms]},
    }


class Alarm(NamedTuple):
    """What an alarm watches.

    Attributes:
        metric: of SageMaker.
        statistic: of its minutes, in the terms of PutMetricAlarm.
        limit: above which it fires.
        words: what has happened then.
    """

    metric: str
    statistic: Mapping[str, str]
    limit: float
    words: str


def _alarms(endpoint: str, p99_ms: float) -> list[Plain]:
    watched = {
        ERRORS: Alarm("Invocation5XXErrors", {"Statistic": "Sum"}, 0, "answers with errors"),
        LATENCY: Alarm(
            "ModelLatency", {"ExtendedStatistic": "p99"}, p99_ms * MICROSECONDS, "answers too slowly"
        ),
    }
    return [
        {
            "AlarmName": f"{endpoint}-{name}",
            "AlarmDescription": f"Endpoint {endpoint} {alarm.words}: an update under way is taken back.",
            "Namespace": NAMESPACE,
            "MetricName": alarm.metric,
            "Dimensions": [
                {"Name": "EndpointName", "Value": endpoint},
                {"Name": "VariantName", "Value": VARIANT},
            ],
            **alarm.statistic,
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": float(alarm.limit),
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
        }
        for name, alarm in watched.items()
    ]


def _named(told: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    return f"{PREFIX}{digest[:DIGITS]}"
