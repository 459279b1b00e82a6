"""An instance: the contract of the container, and which models are in its memory."""

from __future__ import annotations

import http.client
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from local.aws.channels import InputError
from local.aws.errors import ServiceError
from local.aws.hosting.instance import Gone, Instance, Invocation
from local.aws.storage import Storage
from local.s3.server import KEY_ID, SECRET
from tests import s3
from tests.hosting import PREFIX, SCRIPT
from tests.sagemaker import BUCKET, packed, wait_for

SIZE = 1000  # bytes of a model
JSON = {"Content-Type": "application/json", "Accept": "*/*"}


class World:
    """S3 with code and models, and instances over it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.s3 = folder, s3.connect(port)
        self.s3.create_bucket(Bucket=BUCKET)
        self.put("code/host.tar.gz", packed({"inference.py": SCRIPT}))
        self.storage = Storage(f"http://127.0.0.1:{port}", KEY_ID, SECRET)

    def put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def model(self, name: str, text: str = "", size: int = SIZE) -> None:
        self.put(f"models/{name}", packed({"model.txt": (text or name).ljust(size)}))

    @contextmanager
    def instance(self, memory: int = 10**9, **environment: Any) -> Iterator[Instance]:
        known = {"SAGEMAKER_PROGRAM": "inference.py"}
        known |= {"SAGEMAKER_SUBMIT_DIRECTORY": f"s3://{BUCKET}/code/host.tar.gz"}
        instance = Instance(
            self.folder / "root",
            {"ModelDataUrl": PREFIX, "Environment": known | environment},
            sys.executable,
            "us-east-1",
            self.storage,
            memory,
            self.folder / "log" / "host.log",
        )
        try:
            instance.start(30)
            yield instance
        finally:
            instance.stop()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with s3.served(tmp_path / "s3") as store:
        world = World(tmp_path, store.server_port)
        yield world
        world.s3.close()
        world.storage.close()


def ask(instance: Instance, target: str, **asked: Any) -> Invocation:
    return instance.invoke(target, json.dumps(asked).encode(), JSON)


def model_of(told: Invocation) -> str:
    assert told.reply.status == 200, told.reply
    return str(json.loads(told.reply.body)["model"])


def test_the_container_contract(world: World) -> None:
    with world.instance(2 * SIZE) as instance:
        connection = http.client.HTTPConnection("127.0.0.1", instance.port)

        def call(method: str, path: str, told: Any = None) -> tuple[int, Any]:
            connection.request(method, path, None if told is None else json.dumps(told), JSON)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read().partition(b"\n")[0])

        folders = {}
        for name, size in (("a", SIZE), ("b", SIZE), ("c", SIZE), ("large", 3 * SIZE), ("broken", SIZE)):
            folders[name] = str(world.folder / "unpacked" / name)
            Path(folders[name]).mkdir(parents=True)
            (Path(folders[name]) / "model.txt").write_text(name.ljust(size))
        loads = {name: {"model_name": name, "url": url} for name, url in folders.items()}
        assert call("GET", "/ping")[0] == 200
        assert call("GET", "/models") == (200, {"models": []})
        assert call("POST", "/models", loads["broken"]) == (
            500,
            {"error": "corrupt_archive", "message": "broken"},
        )
        assert call("POST", "/models", loads["a"])[0] == 200
        assert call("POST", "/models", loads["a"])[0] == 409
        assert call("POST", "/models", loads["large"])[0] == 507
        assert call("POST", "/models", loads["b"])[0] == 200
        assert call("POST", "/models", loads["c"])[0] == 507
        known = [{"modelName": name, "modelUrl": folders[name]} for name in "ab"]
        assert call("GET", "/models") == (200, {"models": known})
        assert call("GET", "/models/a") == (200, known[0])
        assert call("GET", "/models/c")[0] == 404
        assert call("POST", "/models/a/invoke", {})[1]["model"] == "a"
        assert call("POST", "/models/a/invoke", {"status": 418})[0] == 418
        assert call("POST", "/models/c/invoke", {})[0] == 404
        assert call("DELETE", "/models/a")[0] == 200
        assert call("DELETE", "/models/a")[0] == 404
        assert call("POST", "/models", loads["c"])[0] == 200
        connection.close()


def test_the_model_that_was_not_used_for_longest_goes(world: World) -> None:
    for name in "abcd":
        world.model(name)
    with world.instance(2 * SIZE) as instance:
        hits = []
        for name in "abacab":
            told = ask(instance, name)
            assert model_of(told) == name
            hits.append(told.hit)
        assert hits == [False, False, True, False, True, False]  # c took the place of b, b that of c
        assert [instance.has(name) for name in "abcd"] == [True, True, False, False]
        assert instance.loaded == 2


def test_what_loading_took_is_told(world: World) -> None:
    for name in "ab":
        world.model(name)
    with world.instance(SIZE) as instance:
        first, again = ask(instance, "a"), ask(instance, "a")
        loading = {"ModelLoadingWaitTime", "ModelLoadingTime"}
        assert set(first.times) == {"ModelLatency", "ModelDownloadingTime", *loading}
        assert set(again.times) == {"ModelLatency"}
        assert "ModelUnloadingTime" in ask(instance, "b").times
        assert set(ask(instance, "a").times) == {"ModelLatency", "ModelUnloadingTime", *loading}  # from disk
        assert first.times["ModelLoadingWaitTime"] >= first.times["ModelLoadingTime"] > 0


def test_a_key_that_is_overwritten_goes_on_serving_the_old_model(world: World) -> None:
    world.model("a")
    world.model("b")
    with world.instance(SIZE) as instance:
        assert model_of(ask(instance, "a")) == "a"
        world.model("a", "new")
        assert model_of(ask(instance, "b")) == "b"
        assert model_of(ask(instance, "a")) == "a"


def test_a_model_that_is_asked_is_not_unloaded(world: World) -> None:
    world.model("a")
    world.model("b")
    with world.instance(SIZE) as instance:
        ask(instance, "a")
        told: list[str] = []
        slow = threading.Thread(target=lambda: told.append(model_of(ask(instance, "a", sleep=0.5))))
        slow.start()
        while not instance.in_flight:
            pass
        assert model_of(ask(instance, "b")) == "b"
        assert told or not slow.is_alive()  # b has waited for it
        slow.join()
        assert told == ["a"]


def test_a_model_is_loaded_once_whoever_asks(world: World) -> None:
    world.model("a")
    with world.instance() as instance:
        found: list[Invocation] = []
        threads = [threading.Thread(target=lambda: found.append(ask(instance, "a"))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [model_of(each) for each in found] == ["a"] * 8
        assert sorted(each.hit for each in found) == [False] + [True] * 7


def test_a_model_larger_than_the_memory_is_refused_and_others_stay(world: World) -> None:
    world.model("a")
    world.model("large", size=3 * SIZE)
    with world.instance(2 * SIZE) as instance:
        assert ask(instance, "large").reply.status == 507
        assert model_of(ask(instance, "a")) == "a"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (None, "Failed to download model data(bucket: bqx, key: models/x)"),
        (b"no archive", "Failed to extract model data archive"),
        (packed({"model.txt": "x" * 5000})[:-20], "Failed to extract model data archive"),
    ],
    ids=("absent", "no archive", "torn"),
)
def test_an_archive_that_cannot_be_had_is_named(world: World, body: bytes | None, told: str) -> None:
    if body is not None:
        world.put("models/x", body)
    with world.instance() as instance:
        for _ in range(2):
            with pytest.raises(ServiceError, match="ValidationError") as caught:
                ask(instance, "x")
            assert told in caught.value.message
        world.model("x")
        assert model_of(ask(instance, "x")) == "x"  # nothing of the bad one was kept
        assert instance.loaded == 1


def test_a_model_that_does_not_load_says_why(world: World) -> None:
    world.model("x", "broken")
    with world.instance() as instance:
        told = ask(instance, "x").reply
        assert told.status == 500
        assert json.loads(told.body.partition(b"\n")[0])["error"] == "corrupt_archive"
        assert instance.loaded == 0


def test_a_process_that_dies_is_gone_and_another_begins_anew(world: World) -> None:
    world.model("a")
    with world.instance() as instance:
        ask(instance, "a")
        with pytest.raises(Gone):
            ask(instance, "a", die=True)
        wait_for(lambda: not instance.is_alive)  # it is found dead a moment after its connection has broken
    with world.instance() as instance:
        assert model_of(ask(instance, "a")) == "a"


@pytest.mark.parametrize(
    ("environment", "error", "told"),
    [
        ({"SAGEMAKER_SUBMIT_DIRECTORY": "s3://bqx/none"}, InputError, "does not exist"),
        ({"SAGEMAKER_PROGRAM": "other.py"}, Gone, "Connection|Remote"),
    ],
)
def test_code_that_is_not_there_lets_the_start_fail(
    world: World, environment: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told), world.instance(**environment):
        pass
    if error is Gone:
        assert "No module named 'other'" in (world.folder / "log" / "host.log").read_text()
