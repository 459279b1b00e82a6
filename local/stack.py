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
from local import causes, services
from local.access import Access
from local.airflow import ROOT, Component, components, environment, settings
from local.api import Airflow
from local.causes import API_SERVER, POSTGRES
from local.postgres import Postgres, is_free
from local.processes import Identity, end, keep_last, launch, tail, undisturbed
from local.state import State, write_private

DATABASE = services.DATABASE
METADATA = "airflow"
TRACKING = "mlflow"
FIRST_PORT, LAST_PORT = 8080, 8179
MIGRATING = 300.0  # seconds that making Airflow's tables may take
PATIENCE = 180.0  # seconds until the components must be healthy
GRACE = 8.0  # seconds a component may take to end
HEALTHY = ("metadatabase", "scheduler", "dag_processor", "triggerer")
KEEPER = "keeper"  # starts again what died
TRIES = 3  # another program may take the port between our look and the start


class PortTaken(BqxError):
    """Another program took the port before our API server had it."""


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
        expected = [one.name for one in services.SERVICES] + [one.name for one in components()] + [KEEPER]
        complete = list(processes) == expected
        return complete and all(p.alive for p in processes.values()) and self.postgres.process() is not None

    @property
    def access(self) -> Access:
        """Who may use its Airflow."""
        return Access(self.state)

    @property
    def link(self) -> str:
        """An address that opens the user interface once."""
        return self.access.link(self.port)

    def api(self) -> Airflow:
        """A client of the running API server."""
        return Airflow(self.port, self.access)

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
        for left in reversed(range(TRIES)):
            self._end_components()
            try:
                self._start_all(self._choose_port(port))
                return True
            except PortTaken:
                if port is not None or not left:
                    raise
        raise AssertionError("unreachable")

    def _start_all(self, port: int) -> None:
        self._start_services()
        self._migrate(environment(self._settings(port), os.environ))
        self.access.tell_airflow()
        self.kept.unlink(missing_ok=True)
        self.say("Starting Airflow: API server and UI, scheduler, dag-processor, triggerer")
        version = self._version(port)
        for component in components():
            self._launch(component, port, version)
        self._wait_until_healthy()
        self._launch(self._keeper, port, version)

    def _launch(self, component: Component, port: int, version: str) -> None:
        log = self._log(component.name)
        keep_last(log)
        own = self._outside(port) if component.outside else environment(self._settings(port), os.environ)
        with undisturbed():  # stop must find it even if we are ended now
            process = launch(component.command, log=log, environment=own, folder=self.root)
            try:
                self._record(self.processes | {component.name: process}, port, version=version)
            except OSError:  # a full disk: what nobody can find again must not run
                end([process], patience=GRACE)
                raise

    @property
    def _keeper(self) -> Component:
        command = (sys.executable, "-m", "local.keeper", "--state", str(self.state.root))
        return Component(KEEPER, command, outside=True)

    def restart(self, name: str) -> None:
        """Start the database, a stand-in or a component that has died again, where it was.

        Raises:
            BqxError: it does not start, or another program has its port.
        """
        if name == POSTGRES:
            if not is_free(self.postgres.port):
                raise BqxError(f"Port {self.postgres.port} of PostgreSQL is taken by another program.")
            self.postgres.start()
            return
        end([self.processes[name]], patience=GRACE)  # whatever it left running
        version = self._recorded()["version"]
        for service in services.SERVICES:
            if service.name == name:
                port = self.service_ports[name]
                if not is_free(port):
                    raise BqxError(f"Port {port} of the stand-in {name} is taken by another program.")
                self._start_service(service)
                self._record(self.processes, self.port, version=version)
        for component in components():
            if component.name == name:
                self._launch(component, self.port, version)

    def stop(self) -> None:
        """End everything this folder's stack started; of no effect if nothing runs."""
        self._end_components()
        self.postgres.stop()

    def check_alive(self) -> None:
        """Raise if a part of the stack has died and nobody starts it again.

        Raises:
            BqxError: it has; says the cause.
        """
        dead = [name for name, process in self.processes.items() if not process.alive]
        if self.postgres.process() is None:
            dead.append(POSTGRES)
        keeper = self.processes.get(KEEPER)
        kept = keeper is not None and keeper.alive and not self.given_up
        if dead and (not kept or causes.is_full(self.state.root)):
            raise BqxError(self.cause(next(iter(self.given_up), dead[0])))

    def cause(self, name: str) -> str:
        """Why a process has died, as far as can be told."""
        if name in self.given_up and not causes.is_full(self.state.root):
            return f"{name} died again and again: {self.given_up[name]}"
        return causes.cause(name, self._log(name), self.state.root, self.port)

    def _log(self, name: str) -> Path:
        return self.postgres.log if name == POSTGRES else self.state.logs / f"{name}.log"

    @property
    def kept(self) -> Path:
        """What the keeper has given up, with the causes."""
        return self.state.run / "given_up.json"

    @property
    def given_up(self) -> dict[str, str]:
        """Processes that nobody starts again, with the causes."""
        try:
            return dict(json.loads(self.kept.read_text()))
        except FileNotFoundError:
            return {}

    def give_up(self, name: str, cause: str) -> None:
        """Note that a process is not started again."""
        write_private(self.kept, json.dumps(self.given_up | {name: cause}))

    def exports(self, port: int | None = None) -> dict[str, str]:
        """Variables by which a client finds the stack.

        Args:
            port: of the API server; None for that of the last start.
        """
        passfile = self.state.run / "pgpass"
        write_private(passfile, self.postgres.passfile_line)
        return {
            "BQX_DATABASE_URL": self.postgres.url(DATABASE, passfile),
            "MLFLOW_TRACKING_URI": self.postgres.url(TRACKING, passfile),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "AIRFLOW_HOME": str(self.state.airflow),
            "AIRFLOW_API_URL": f"http://127.0.0.1:{port or self.port}",
        } | services.exports(self.state, self.service_ports)

    def write_env(self) -> None:
        """Write `State.env`; Airflow must answer, it gives a token."""
        with self.api() as airflow:
            self.state.write_env(self.exports() | {"AIRFLOW_API_TOKEN": airflow.token()})

    def place_of(self, address: str) -> ObjectStore:
        """A place in the stand-in of S3, opened as Airflow opens it."""
        return services.place_of(self.state, self.service_ports, address)

    def _outside(self, port: int) -> dict[str, str]:
        """Environment of a component that is no part of Airflow."""
        known = {"PYTHONPATH": str(ROOT), "BQX_WATCHDOG_STATE": str(self.state.root / "watchdog.json")}
        return environment(known | self.exports(port), os.environ)

    def _start_services(self) -> None:
        for service in services.SERVICES:
            self._start_service(service)

    def _start_service(self, service: services.Service) -> None:
        variables = environment({"PYTHONPATH": str(ROOT)}, os.environ)
        last = self.service_ports.get(service.name)
        services.start(service, self.state, last, variables, self._record_service, self.service_ports)

    def _record_service(self, name: str, process: Identity, port: int) -> None:
        ports = self.service_ports | {name: port}
        self._record(self.processes | {name: process}, self.port, version="", service_ports=ports)

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + PATIENCE
        with self.api() as airflow:
            while time.monotonic() < deadline:
                self._check_start()
                # Another stack may have taken the port since we looked; its Airflow answers then, not ours.
                health = airflow.health() if airflow.is_ours() else {}
                if all(health.get(name) == "healthy" for name in HEALTHY):
                    return
                time.sleep(0.3)
        logs = "\n".join(f"{name}:\n{tail(self.state.logs / f'{name}.log', 5)}" for name in self.processes)
        raise BqxError(f"Airflow did not become healthy within {PATIENCE:.0f} s ({health}).\n{logs}")

    def _check_start(self) -> None:
        try:
            self.check_alive()
        except BqxError as error:  # looked at once: a process may die between two looks
            if causes.lost_its_port(self._log(API_SERVER)):
                raise PortTaken(str(error)) from error
            raise

    def _end_components(self) -> None:
        if KEEPER in self.processes:  # first, or it would start again what we end
            end([self.processes[KEEPER]], patience=GRACE)
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
        stand_ins += [source for service in services.SERVICES for source in service.sources]
        shared = ["local/stand_in.py", "local/auth.py", "local/access.py", "local/keeper.py"]
        shared += ["include/pages.py", "include/alerts"]
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
        write_private(self._record_file, json.dumps(record))
