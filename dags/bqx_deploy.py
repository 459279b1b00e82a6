"""### Serve the chosen models from one endpoint

One multi-model endpoint answers for all pairs. A model version is an archive that never changes, and a
routing table says which version answers for a pair. Nothing gets traffic before it has proved itself; nothing
happens without an approval; whatever is refused or fails leaves what serves as it is.

1. **plan** says who would answer for each pair. With `dry_run` that is all. **approval** shows it and waits.
2. **pack** makes the archives, each model byte for byte the one that its decision names.
3. **prepare** makes model, configuration and alarms; **endpoint** makes or updates the endpoint and waits
   without holding a worker. An update that SageMaker took back is a failure, with its reason.
4. **check** loads every model, compares answers with those of the archives, and measures P99 under load and
   after a quiet minute.
5. **route** moves traffic: 10, 50, then 100 percent of the requests. Errors, slowness or a wrong answer bring
   it back.
6. **conclude** removes what nothing needs any more, and names pairs that were not deployed.

`action = promote` and `roll back` change the routing table only and take effect within a minute; `split`
(A/B) first makes sure that the challenger is there and answers rightly.

Example configuration:

    {"action": "split", "pairs": ["eurusd"], "version": "0123456789abcdef", "share": 0.5}
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import chain, dag
from bqx.approval import approval
from bqx.endpoint import endpoint_name, runtime, serving_account, serving_clients
from bqx.objects import object_store
from bqx.operators.endpoint import EndpointOperator
from bqx.retries import no_retry_for
from bqx.running import run_id
from bqx.wiring import dag_arguments, step

from include import forms, settings
from include.pairs import PAIRS

PARAMS = {"pairs": forms.pairs_param(PAIRS)} | forms.DEPLOY_PARAMS | {"dry_run": forms.DRY_RUN}

Plain = dict[str, Any]


@step()
def plan(params: Plain) -> Plain:
    """Find out who would answer for each pair; reads only."""
    from include.serving import deploy

    return deploy.plan(object_store(""), serving_clients(), serving_account, endpoint_name(), params)


@step()
def ask(planned: Plain) -> None:
    """Nobody is asked if nothing changes."""
    from include.serving import deploy

    deploy.ask(planned)


@step(trigger_rule="none_failed")
def pack(planned: Plain) -> Plain:
    """Make the archives that are to be served; skips the rest of this stage if none is needed."""
    from include.serving import deploy

    return deploy.pack(object_store(""), planned)


@step()
def prepare(planned: Plain) -> Plain:
    """Make code, model, configuration and alarms."""
    from include.serving import deploy

    return deploy.prepare(object_store(""), serving_clients(), planned)


@step()
def check(planned: Plain, packed: Plain, params: Plain) -> Plain:
    """Load every model, compare answers, measure."""
    from include.serving import deploy

    return deploy.check(object_store(""), serving_clients(), runtime(), planned, packed, params)


@step(trigger_rule="none_failed")
def route(planned: Plain, packed: Plain | None, params: Plain) -> Plain:
    """Let the new versions answer."""
    from include.serving import deploy

    return deploy.route(object_store(""), serving_clients(), runtime(), planned, packed, params, run_id())


@step(trigger_rule="none_failed")
def conclude(planned: Plain, packed: Plain | None, params: Plain) -> None:
    """Remove what nothing needs any more; fail if a pair could not be deployed."""
    from include.serving import deploy

    deploy.conclude(object_store(""), serving_clients(), planned, packed, params)


@dag(
    dag_id="bqx_deploy",
    dag_display_name="BQX 4 · serving",
    doc_md=__doc__,
    schedule=None,
    tags=["bqx", "phase-4", "serving"],
    **dag_arguments(PARAMS),
)
def bqx_deploy() -> None:
    """Plan, ask, pack, prepare, update, check, route."""
    planned = plan()
    approved = approval(
        "{{ ti.xcom_pull('plan')['subject'] }}",
        "{{ ti.xcom_pull('plan')['page'] }}",
        hours=settings.APPROVAL_HOURS,
        fail_on_reject=True,  # whatever comes after this stage must not begin
    )
    packed, prepared = pack(planned), prepare(planned)
    endpoint = EndpointOperator(
        task_id="endpoint",
        config=prepared,
        check_interval="{{ params.poll_seconds }}",
        aws_conn_id=settings.AWS_CONNECTION,
        execution_timeout=None,  # SageMaker has limits of its own
        retry_policy=no_retry_for(settings.FINAL_ERRORS),
    )
    checked, routed = check(planned, packed), route(planned, packed)
    ended = conclude(planned, packed)
    chain(ask(planned), approved, packed, prepared, endpoint, checked, routed, ended)


bqx_deploy()
