"""Start, find again and stop the embedded stack: PostgreSQL, the stand-ins, the components of Airflow."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from include.errors import BqxError
from include.objects import ObjectStore
from local import services
from local.airflow import ROOT, components, environment, settings
from local.api import Airflow
from local.postgres import Postgres, is_free
from local.processes import Identity, end, keep_last, launch, listens, tail, undisturbed
from local.state import State

DATABASE = "bqx"
METADATA = "airflow"
TRACKING = "mlflow"
FIRST_PORT, LAST_PORT = 8080, 8179
MIGRATING = 300.0  # seconds that making Airflow's tables may take
PATIENCE = 180.0  # seconds until the components must be healthy
GRACE = 8.0  # seconds a component may take to end
HEALTHY = ("metadatabase", "scheduler", "dag_processor", "triggerer")


@dataclass(frozen=True)
class Stack:
    """The stack of one state folder.

    Attributes:
        state: its folder.
        root: the bundle Airflow serves.
        say: told what is going on, one line at a time.
    """

    state: State
    root: Path = ROOT
    say: Callable[[str], None] = field(default=print, compare=False)

    @cached_property
    def postgres(self) -> Postgres:
        """The database server."""
        return Postgres(self.state.postgres)

    @property
    def port(self) -> int:
        """Port of the API server and the user interface, as of the last start."""
        return int(self._recorded()["port"])

    @property
    def service_ports(self) -> dict[str, int]:
        """Port of each stand-in by name, as of the last start."""
        return dict(self._recorded()["service_ports"])

    @property
    def processes(self) -> dict[str, Identity]:
        """What was started last, dead or alive: stand-ins, then components of Airflow."""
        return {name: Identity(*identity) for name, identity in self._recorded()["components"].items()}

    @property
    def is_up(self) -> bool:
        """True if the database, every stand-in and every component are alive."""
        processes = self.processes
        expected = [*(one.name for one in services.SERVICES), *(one.name for one in components())]
        complete = list(processes) == expected
        return complete and all(p.alive for p in processes.values()) and self.postgres.process() is not None

    def api(self) -> Airflow:
        """A client of the running API server."""
        return Airflow(self.port)

    def start(self, port: int | None = None) -> bool:
        """Start whatever is not running. A stack that is half up, or outdated, is started anew.

        Args:
            port: port of the user interface; None keeps the last one or takes the first free one.

        Returns:
            True if Airflow was started, False if it was up already.

        Raises:
            BqxError: a port is taken, or something did not come up.
        """
        self.postgres.start()
        self.postgres.create_database(DATABASE)
        # After a power cut Airflow may forget its last half second; tasks are made to be run again.
        self.postgres.create_database(METADATA, {"synchronous_commit": "off"})
        self.postgres.create_database(TRACKING)  # MLflow makes its tables when the first run is tracked
        if (
            self.is_up
            and port in (None, self.port)
            and self._recorded()["version"] == self._version(self.port)
        ):
            self.say(f"Airflow is running already at http://127.0.0.1:{self.port}")
            return False
        self._end_components()
        port = self._choose_port(port)
        self._start_services()
        variables = environment(self._settings(port), os.environ)
        self._migrate(variables)
        self.say("Starting Airflow: API server and UI, scheduler, dag-processor, triggerer")
        for component in components():
            log = self.state.logs / f"{component.name}.log"
            keep_last(log)
            version = self._version(port)
            with undisturbed():  # stop must find it even if we are ended now
                process = launch(component.command, log=log, environment=variables, folder=self.root)
                self._record(self.processes | {component.name: process}, port, version=version)
        self._wait_until_healthy()
        return True

    def stop(self) -> None:
        """End everything this folder's stack started; of no effect if nothing runs."""
        self._end_components()
        self.postgres.stop()

    def check_alive(self) -> None:
        """Raise if a part of the stack has died.

        Raises:
            BqxError: it has; carries the end of its log.
        """
        for name, process in self.processes.items():
            if not process.alive:
                log = self.state.logs / f"{name}.log"
                part = f"Airflow's {name}" if name not in self.service_ports else f"The stand-in {name}"
                raise BqxError(f"{part} has died. The end of {log}:\n{tail(log)}")
        if self.postgres.process() is None:
            raise BqxError(f"PostgreSQL has died. The end of {self.postgres.log}:\n{tail(self.postgres.log)}")

    def exports(self) -> dict[str, str]:
        """Variables by which a client finds the stack."""
        return {
            "BQX_DATABASE_URL": self.postgres.url(DATABASE),
            "MLFLOW_TRACKING_URI": self.postgres.url(TRACKING),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "AIRFLOW_HOME": str(self.state.airflow),
            "AIRFLOW_API_URL": f"http://127.0.0.1:{self.port}",
        } | services.exports(self.state, self.service_ports)

    def place_of(self, address: str) -> ObjectStore:
        """A place in the stand-in of S3, opened as Airflow opens it."""
        return services.place_of(self.state, self.service_ports, address)

    def _start_services(self) -> None:
        variables = environment({"PYTHONPATH": str(ROOT)}, os.environ)
        for service in services.SERVICES:
            last = self.service_ports.get(service.name)
            services.start(service, self.state, last, variables, self._record_service, self.service_ports)

    def _record_service(self, name: str, process: Identity, port: int) -> None:
        ports = self.service_ports | {name: port}
        self._record(self.processes | {name: process}, self.port, version="", service_ports=ports)

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + PATIENCE
        with self.api() as airflow:
            while time.monotonic() < deadline:
                self.check_alive()
                # Another stack may have taken the port since we looked; its Airflow answers then, not ours.
                ours = listens(self.processes["api-server"], self.port)
                health = airflow.health() if ours else {}
                if all(health.get(name) == "healthy" for name in HEALTHY):
                    return
                time.sleep(0.3)
        logs = "\n".join(f"{name}:\n{tail(self.state.logs / f'{name}.log', 5)}" for name in self.processes)
        raise BqxError(f"Airflow did not become healthy within {PATIENCE:.0f} s ({health}).\n{logs}")

    def _end_components(self) -> None:
        processes = self.processes
        if processes:
            names = {service.name for service in services.SERVICES}
            # The stand-ins last: a task that ends may have something left to write.
            end([process for name, process in processes.items() if name not in names], patience=GRACE)
            end([process for name, process in processes.items() if name in names], patience=GRACE)
            with contextlib.suppress(OSError):  # on a full disk; a record of dead processes does no harm
                self._record({}, self.port, version="")

    def _migrate(self, variables: dict[str, str]) -> None:
        """Create or upgrade Airflow's tables, once per version of Airflow."""
        done, version = self.state.airflow / "migrated", importlib.metadata.version("apache-airflow")
        if done.exists() and done.read_text() == version:
            return
        self.say("Creating Airflow's metadata tables")
        log = self.state.logs / "migrate.log"
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        try:
            with log.open("w") as stream:
                subprocess.run(
                    command,
                    stdout=stream,
                    stderr=stream,
                    env=variables,
                    cwd=self.root,
                    timeout=MIGRATING,
                    check=True,
                )
        except subprocess.SubprocessError as error:
            why = type(error).__name__
            raise BqxError(
                f"Airflow's metadata tables could not be made ({why}). The end of {log}:\n{tail(log)}"
            ) from error
        done.write_text(version)

    def _settings(self, port: int) -> dict[str, str]:
        return settings(
            self.state,
            metadata_url=self.postgres.url(METADATA),
            bqx_url=self.postgres.url(DATABASE),
            tracking_url=self.postgres.url(TRACKING),
            port=port,
            root=self.root,
        ) | services.settings(self.state, self.service_ports)

    def _version(self, port: int) -> str:
        """Hash of what a running stack does not take up by itself: settings, plugins, the stand-ins' code."""
        digest = hashlib.sha256(json.dumps(self._settings(port), sort_keys=True).encode())
        digest.update(importlib.metadata.version("apache-airflow").encode())
        stand_ins = [service.module.replace(".", "/") for service in services.SERVICES]
        shared = ["local/stand_in.py", "include/pages.py"]
        for source in (self.root / "plugins", *(ROOT / name for name in (*stand_ins, *shared))):
            for path in sorted([source, *source.rglob("*")]):
                if path.suffix in (".py", ".j2") and path.is_file():
                    digest.update(path.read_bytes())
        return digest.hexdigest()

    def _choose_port(self, wanted: int | None) -> int:
        if wanted is not None:
            if is_free(wanted):
                return wanted
            raise BqxError(
                f"Port {wanted} is taken by another program. Choose another: make run PORT={wanted + 1}"
            )
        candidates: list[int] = [self.port, *range(FIRST_PORT, LAST_PORT + 1)]
        for port in candidates:
            if is_free(port):
                return port
        raise BqxError(
            f"Every port from {FIRST_PORT} to {LAST_PORT} is taken. Choose one: make run PORT=9000"
        )

    @property
    def _record_file(self) -> Path:
        return self.state.run / "processes.json"

    def _recorded(self) -> dict[str, Any]:
        nothing = {"components": {}, "port": FIRST_PORT, "service_ports": {}, "version": ""}
        try:
            return nothing | dict(json.loads(self._record_file.read_text()))
        except FileNotFoundError:
            return nothing

    def _record(self, components: dict[str, Identity], port: int, **more: Any) -> None:
        """Note what runs; what is not told stays as it was."""
        record = self._recorded() | {"components": components, "port": port} | more
        unfinished = self._record_file.with_suffix(".new")
        unfinished.write_text(json.dumps(record))
        unfinished.replace(self._record_file)
