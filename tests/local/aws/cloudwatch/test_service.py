"""CloudWatch behind the port of the embedded AWS: protocol, errors, tags."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from tests.cloudwatch import Watch
from tests.local.aws.test_control import refused
from tests.s3 import signed
from tests.sagemaker import connect


def raw(watch: Watch, body: bytes, path: str = "/", **headers: str) -> tuple[int, dict[str, Any], bytes]:
    """Status, headers and body of what any client may send."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    url = watch.server.endpoint + path
    told = signed("POST", url, body, told, service="monitoring")
    asked = urllib.request.Request(url, body, told, method="POST")
    try:
        with urllib.request.urlopen(asked) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def test_operations_that_are_not_there_are_named(watch: Watch) -> None:
    code, message = refused(watch.client.list_metric_streams)
    assert code == "NotImplementedException"
    assert "does not have ListMetricStreams. It has PutMetricData, GetMetricStatistics" in message


def test_an_error_has_both_its_names(watch: Watch) -> None:
    target = "GraniteServiceVersion20100801.GetDashboard"
    status, headers, body = raw(watch, b'{"DashboardName": "none"}', X_Amz_Target=target)
    assert (status, json.loads(body)["__type"]) == (404, "DashboardNotFoundError")
    assert headers["x-amzn-query-error"] == "ResourceNotFound;Sender"


@pytest.mark.parametrize(
    ("body", "path", "headers", "code"),
    [
        (b"{", "/", {"X_Amz_Target": "G.ListMetrics"}, b"SerializationException"),
        (b"{}", "/", {"X_Amz_Target": "G.Nonsense"}, b"UnknownOperationException"),
        (b"", "/service/CloudWatch/operation/ListMetrics", {}, b"NotImplementedException"),
        (
            b"Action=ListMetrics", "/", {"Content_Type": "application/x-www-form-urlencoded"},
            b"NotImplementedException",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(
    watch: Watch, body: bytes, path: str, headers: dict[str, str], code: bytes
) -> None:
    status, _, answer = raw(watch, body, path, **headers)
    assert status >= 400
    assert code in answer


def test_what_does_not_fit_the_model_is_refused(watch: Watch) -> None:
    target = "GraniteServiceVersion20100801.PutMetricData"
    _, headers, body = raw(watch, b'{"MetricData": [{"Value": "a"}]}', X_Amz_Target=target)
    message = json.loads(body)["message"]
    assert headers["x-amzn-query-error"] == "ValidationError;Sender"
    assert 'Missing required parameter in input: "Namespace"' in message
    assert 'Missing required parameter in MetricData[0]: "MetricName"' in message
    assert "Invalid type for parameter MetricData[0].Value" in message


def test_a_stranger_is_refused(watch: Watch) -> None:
    stranger = connect("cloudwatch", watch.server.endpoint, "somebody")
    assert refused(stranger.list_metrics)[0] == "UnrecognizedClientException"
    stranger.close()


def test_tags_of_alarms_and_dashboards(watch: Watch) -> None:
    client = watch.client
    watch.alarm(Tags=[{"Key": "owner", "Value": "bqx"}])
    client.put_dashboard(DashboardName="cost", DashboardBody='{"widgets": []}')
    for arn, before in (
        (watch.describe()["AlarmArn"], {"owner": "bqx"}),
        (client.get_dashboard(DashboardName="cost")["DashboardArn"], {}),
    ):

        def tags(arn: str = arn) -> dict[str, str]:
            told = client.list_tags_for_resource(ResourceARN=arn)["Tags"]
            return {tag["Key"]: tag["Value"] for tag in told}

        assert tags() == before
        client.tag_resource(ResourceARN=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
        client.untag_resource(ResourceARN=arn, TagKeys=["b", "none"])
        assert tags() == before | {"a": "1"}
        many = [{"Key": f"k{number}", "Value": ""} for number in range(50)]
        assert "at most 50 tags" in refused(client.tag_resource, ResourceARN=arn, Tags=many)[1]
    watch.alarm(Tags=[{"Key": "owner", "Value": "somebody"}])  # an update leaves the tags as they are
    assert (
        client.list_tags_for_resource(ResourceARN=watch.describe()["AlarmArn"])["Tags"][0]["Value"] == "bqx"
    )
    for arn in (
        "arn:aws:cloudwatch:us-east-1:123456789012:alarm:none",
        "arn:aws:cloudwatch::1:dashboard/cost",
    ):
        code, _ = refused(client.list_tags_for_resource, ResourceARN=arn)
        assert code == "ResourceNotFoundException"
