"""What the code of a job finds: folders, files and variables as SageMaker's training toolkit makes them."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.aws import channels
from local.aws.channels import InputError
from local.aws.jobs import name_of
from local.aws.storage import Place, Storage

HOST = "algo-1"
BASE = Path("/opt/ml")  # where AWS has what lies in the private root here
_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")


class Container:
    """The private root of one attempt of a job.

    Args:
        root: a folder that is not there yet; it becomes ``/opt/ml``.
        job: document of the job.
    """

    def __init__(self, root: Path, job: Mapping[str, Any]) -> None:
        self.root, self._job = root, job
        self.code, self.model = root / "code", root / "model"
        self.output, self.output_data = root / "output", root / "output" / "data"
        self.config, self.data = root / "input" / "config", root / "input" / "data"
        self._all = dict(job.get("HyperParameters", {}))
        self.parameters = {k: _decoded(v) for k, v in self._all.items() if not k.startswith("sagemaker_")}

    @property
    def program(self) -> str:
        """The script that is run, ``sagemaker_program``.

        Raises:
            InputError: the job has none.
        """
        program = _decoded(self._all.get("sagemaker_program", ""))
        if not program:
            raise InputError(
                "AlgorithmError: the hyperparameter sagemaker_program names no script; the stand-in runs "
                "script mode alone, exit code: 1"
            )
        return str(program)

    @property
    def arguments(self) -> list[str]:
        """The script's arguments: every hyperparameter but those of the toolkit, by name."""
        told = []
        for name, value in sorted(self.parameters.items()):
            told += [f"--{name}" if len(name) > 1 else f"-{name}", str(value)]
        return told

    @property
    def checkpoints(self) -> Path | None:
        """Where the job keeps its checkpoints; None if it has none."""
        config = self._job.get("CheckpointConfig")
        return self.local(config.get("LocalPath", "/opt/ml/checkpoints")) if config else None

    @property
    def failure(self) -> str:
        """What the job wrote about its failure; empty for nothing."""
        try:
            return (self.output / "failure").read_text(errors="replace").strip()
        except OSError:
            return ""

    def local(self, path: str) -> Path:
        """The place of a path below ``/opt/ml`` in the private root."""
        return self.root / Path(path).relative_to(BASE)

    def prepare(self) -> None:
        """Make folders and configuration."""
        for folder in (self.code, self.model, self.output_data, self.config, self.data, self.root / "tmp"):
            folder.mkdir(parents=True)
        for name, document in {
            "hyperparameters": self._all,
            "inputdataconfig": self._channels(),
            "resourceconfig": self._resources(),
        }.items():
            (self.config / f"{name}.json").write_text(json.dumps(document))
        if self.checkpoints:
            self.checkpoints.mkdir(parents=True, exist_ok=True)

    def unpack(self, storage: Storage) -> None:
        """Fetch and unpack the code.

        Raises:
            InputError: there is none, or it is no archive.
        """
        uri = str(_decoded(self._all.get("sagemaker_submit_directory", "")))
        unpack(uri, "sagemaker_submit_directory", storage, self.code)

    def environment(self, endpoint: str, s3: str, key_id: str, secret: str) -> dict[str, str]:
        """All variables the job sees: nothing of the stack's but its addresses.

        Args:
            endpoint: of the embedded AWS.
            s3: of the S3 stand-in.
            key_id: of the stand-ins' key.
            secret: likewise.
        """
        account = {
            "AWS_ACCESS_KEY_ID": key_id, "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_ENDPOINT_URL": endpoint, "AWS_ENDPOINT_URL_S3": s3,
        }  # fmt: skip
        region = str(self._job["region"])
        return (
            bare(self.root / "tmp", self.code, region)
            | ({} if self._job.get("EnableNetworkIsolation") else account)
            | dict(self._job.get("Environment", {}))
            | {"SAGEMAKER_BASE_DIR": str(self.root), "SAGEMAKER_REGION": region}
            | {"SAGEMAKER_JOB_NAME": name_of(self._job), "CURRENT_HOST": HOST}
            | {"TRAINING_JOB_NAME": name_of(self._job), "TRAINING_JOB_ARN": self._job["TrainingJobArn"]}
            | self._toolkit()
        )

    def _toolkit(self) -> dict[str, str]:
        folders = {name: str(self.data / name) for name in channels.names(self._job)}
        program = self.program
        shared = {
            "hosts": [HOST], "current_host": HOST, "network_interface_name": "eth0",
            "num_cpus": os.cpu_count() or 1, "num_gpus": 0, "log_level": 20, "is_hetero": False,
            "module_name": program.removesuffix(".py"), "user_entry_point": program, "framework_module": None,
            "module_dir": _decoded(self._all.get("sagemaker_submit_directory", "")),
            "input_dir": str(self.root / "input"), "input_config_dir": str(self.config),
            "model_dir": str(self.model), "output_dir": str(self.output),
            "output_data_dir": str(self.output_data),
            "output_intermediate_dir": str(self.output / "intermediate"),
            "resource_config": self._resources(), "input_data_config": self._channels(),
            "current_instance_type": self._resources()["current_instance_type"],
            "current_instance_group": "homogeneousCluster", "current_instance_group_hosts": [HOST],
            "instance_groups": ["homogeneousCluster"], "distribution_instance_groups": ["homogeneousCluster"],
            "instance_groups_dict": {"homogeneousCluster": self._resources()["instance_groups"][0]},
        }  # fmt: skip
        environment = shared | {
            "hyperparameters": self.parameters, "channel_input_dirs": folders, "is_master": True,
            "job_name": name_of(self._job), "master_hostname": HOST, "additional_framework_parameters": {},
        }  # fmt: skip
        told: dict[str, Any] = shared | {
            "hps": self.parameters, "channels": list(folders), "user_args": self.arguments,
            "framework_params": {}, "training_env": environment,
        }  # fmt: skip
        told |= {f"channel_{name}": path for name, path in folders.items()}
        told |= {f"hp_{name}": value for name, value in self.parameters.items()}
        return {f"SM_{name.upper()}": _encoded(value) for name, value in told.items()}

    def _channels(self) -> dict[str, dict[str, str]]:
        told = {}
        for channel in self._job.get("InputDataConfig", ()):
            source = channel["DataSource"]["S3DataSource"]
            told[channel["ChannelName"]] = {
                "TrainingInputMode": "File",
                "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
                "RecordWrapperType": channel.get("RecordWrapperType", "None"),
            } | ({"ContentType": channel["ContentType"]} if "ContentType" in channel else {})
        return told

    def _resources(self) -> dict[str, Any]:
        kind = self._job["ResourceConfig"]["InstanceType"]
        group = {"instance_group_name": "homogeneousCluster", "instance_type": kind, "hosts": [HOST]}
        return {
            "current_host": HOST, "current_instance_type": kind, "hosts": [HOST],
            "current_group_name": "homogeneousCluster", "instance_groups": [group],
            "network_interface_name": "eth0",
        }  # fmt: skip


def unpack(uri: str, named: str, storage: Storage, folder: Path) -> None:
    """Fetch an archive of code and unpack it into a folder.

    Args:
        uri: of the archive.
        named: where that address stood, for the message.
        storage: S3.
        folder: where to.

    Raises:
        InputError: there is none, or it is no archive.
    """
    packed = storage.read(Place.of(uri)) if uri.startswith("s3://") else None
    if packed is None:
        raise InputError(f"AlgorithmError: the code {uri!r} ({named}) does not exist, exit code: 1")
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
            archive.extractall(folder, filter="data")
    except tarfile.TarError as error:
        raise InputError(f"AlgorithmError: {uri} cannot be unpacked: {error}, exit code: 1") from error


def bare(temporary: Path, code: Path, region: str) -> dict[str, str]:
    """Variables that every container has: nothing of the stack's, and no way to accounts of its user.

    Args:
        temporary: the home folder, and where temporary files go.
        code: where Python looks for modules.
        region: of AWS.
    """
    return (
        {name: os.environ[name] for name in _INHERITED if name in os.environ}
        | {"HOME": str(temporary), "TMPDIR": str(temporary), "USER": "root"}
        | {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(code)}
        | {"AWS_REGION": region, "AWS_DEFAULT_REGION": region, "AWS_EC2_METADATA_DISABLED": "true"}
        | {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    )


def _decoded(text: str) -> Any:
    """A hyperparameter as the toolkit reads it: JSON if it is, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _encoded(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
