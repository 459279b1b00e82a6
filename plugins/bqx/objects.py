"""Where data sets and models are kept."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Variable


def object_store(prefix: str = "datasets") -> Any:
    """The bucket that Airflow is configured for; it is created unless it exists.

    Credentials, region, endpoint, retries: as the Airflow connection ``aws_default`` says. Call it from a
    running task only.

    Args:
        prefix: folder in the bucket that is meant.

    Returns:
        An ``include.dataset.store.ObjectStore``.

    Raises:
        MissingInput: the Airflow Variable that names the bucket is not set.
        BqxError: the bucket may not be used.
    """
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    from include import settings
    from include.dataset.store import ObjectStore
    from include.errors import MissingInput

    bucket = Variable.get(settings.BUCKET_VARIABLE, default=None)
    if not bucket:
        raise MissingInput(
            f"The Airflow Variable {settings.BUCKET_VARIABLE} is not set. Set it to the name of the S3 "
            f"bucket for data sets and models; the connection {settings.AWS_CONNECTION} leads there."
        )
    store = ObjectStore(S3Hook(aws_conn_id=settings.AWS_CONNECTION).get_conn(), str(bucket), prefix)
    store.ensure_bucket()
    return store
