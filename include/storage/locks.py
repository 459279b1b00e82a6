"""Short locks: whoever reads a table must not queue behind us, so we ask briefly and often."""

from __future__ import annotations

import psycopg
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from include.storage.connection import Connection

LOCK_TIMEOUT = "500ms"  # nobody queues behind one request of ours for longer
STATEMENT_TIMEOUT = "1s"  # nor behind one that asks for a table and all its partitions
PATIENCE = 60.0  # seconds of jittered retries before we give up

REFUSED = (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled)


def attempts(patience: float, refused: tuple[type[Exception], ...] = REFUSED) -> Retrying:
    """Attempts for some seconds with a jittered pause between them; the last refusal is raised.

    Each attempt must be a transaction or a savepoint of its own, so that a failed one lets go of its locks.
    """
    return Retrying(
        retry=retry_if_exception_type(refused),
        wait=wait_random_exponential(multiplier=0.2, max=5),
        stop=stop_after_delay(patience),
        reraise=True,
    )


def limit_waiting(connection: Connection) -> None:
    """From here to the end of the transaction no lock is waited for longer than `LOCK_TIMEOUT`."""
    connection.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])


def end_limit(connection: Connection) -> None:
    """Wait for locks as long as it takes again."""
    connection.execute("SELECT set_config('lock_timeout', '0', true)")
