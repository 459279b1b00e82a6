"""The code of the product at the embedded endpoint: answers, refusals, and models that take turns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError

from include.serving import code
from include.serving.container import wire
from include.serving.container.wire import Answer, Refused, Rows
from include.training.archive import pack_files
from tests.hosting import PREFIX, create_config, wait
from tests.sagemaker import BUCKET, IMAGE, ROLE, Aws, served
from tests.versions import Version, rows, version

PAIRS = tuple(f"pair{number:02}" for number in range(8))
VERSIONS = {pair: version(pair, seed=number) for number, pair in enumerate(PAIRS)}
SIZE = max(sum(len(body) for body in each.files.values()) for each in VERSIONS.values())


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """An endpoint with eight models and memory for three."""
    with served(tmp_path_factory.mktemp("aws"), model_memory=3 * SIZE) as aws:
        aws.put(code.code_key(), code.pack())
        for each in VERSIONS.values():
            aws.put(f"models/{each.target}", each.archive)
        container = {
            "Image": IMAGE, "Mode": "MultiModel", "ModelDataUrl": PREFIX,
            "Environment": {
                "SAGEMAKER_PROGRAM": code.ENTRY,
                "SAGEMAKER_SUBMIT_DIRECTORY": f"s3://{BUCKET}/{code.code_key()}",
            },
        }  # fmt: skip
        aws.sagemaker.create_model(ModelName="bqx", ExecutionRoleArn=ROLE, PrimaryContainer=container)
        create_config(aws, "bqx", "bqx")
        aws.sagemaker.create_endpoint(EndpointName="bqx", EndpointConfigName="bqx")
        wait(aws, "bqx", "InService")
        yield aws


@pytest.fixture(scope="module")
def endpoint(aws: Aws) -> Iterator[Endpoint]:
    client = aws.client("sagemaker-runtime")
    yield Endpoint(client)
    client.close()


class Endpoint:
    """Asks as the product does."""

    def __init__(self, client: Any) -> None:
        self._invoke = client.invoke_endpoint

    def ask(self, known: Version, asked: Rows, **changes: str) -> Answer:
        told = {"name": known.name, "feature_hash": known.feature_hash, "target": known.target} | changes
        try:
            answer = self._invoke(
                EndpointName="bqx",
                TargetModel=told["target"],
                ContentType=wire.CONTENT_TYPE,
                Body=wire.request(told["name"], told["feature_hash"], asked),
            )
        except ClientError as error:
            response = error.response
            refused = wire.read_error(response["OriginalMessage"], response["OriginalStatusCode"])
            assert refused is not None, response
            raise refused from error
        return wire.read_answer(answer["Body"].read())


def is_right(known: Version, asked: Rows, answer: Answer) -> bool:
    expected = known.says(asked)
    assert (answer.pair, answer.version) == (known.pair, known.name)
    return all(
        bool(np.allclose(each.raw.value, expected[each.minutes], rtol=1e-9, atol=1e-15))
        for each in answer.horizons
    )


def test_it_answers_what_the_boosters_say(endpoint: Endpoint) -> None:
    for known in VERSIONS.values():
        asked = rows(5)
        assert is_right(known, asked, endpoint.ask(known, asked))


def test_models_take_turns_under_load_and_no_answer_is_of_another(endpoint: Endpoint) -> None:
    draws = np.random.default_rng(4)
    order = [VERSIONS[PAIRS[number]] for number in draws.integers(0, len(PAIRS), 120)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda known: is_right(known, rows(2), endpoint.ask(known, rows(2))), order))
    assert all(found)


def test_a_request_for_another_version_is_refused(endpoint: Endpoint) -> None:
    first, other = VERSIONS[PAIRS[0]], VERSIONS[PAIRS[1]]
    for changes, code_ in (
        ({"name": other.name}, wire.VERSION),
        ({"target": other.target}, wire.VERSION),
        ({"feature_hash": "0" * 64}, wire.FEATURES),
    ):
        with pytest.raises(Refused) as caught:
            endpoint.ask(first, rows(), **changes)
        assert (caught.value.code, caught.value.status) == (code_, 400)


def test_a_missing_value_is_refused_by_name(endpoint: Endpoint) -> None:
    asked = rows()
    asked.features[1, 2] = np.nan
    with pytest.raises(Refused, match="table__column_2 is not known at") as caught:
        endpoint.ask(VERSIONS[PAIRS[0]], asked)
    assert caught.value.code == wire.MISSING


def test_a_corrupt_archive_never_answers(aws: Aws, endpoint: Endpoint) -> None:
    known = VERSIONS[PAIRS[0]]
    broken = known.files | {"xgboost/h15.ubj": known.files["xgboost/h30.ubj"]}
    aws.put("models/broken.tar.gz", pack_files(broken))
    for _ in range(2):
        with pytest.raises(Refused, match=r"xgboost/h15.ubj is not the file that was deployed") as caught:
            endpoint.ask(known, rows(), target="broken.tar.gz")
        assert (caught.value.code, caught.value.status) == (wire.CORRUPT, 500)
    assert json.loads(known.files["serving.json"])["version"] == known.name
