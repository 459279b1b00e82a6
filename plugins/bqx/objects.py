"""Where data sets, models and reports are kept, and bars may be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from airflow.sdk import Variable

from bqx.aws import client


def object_store(prefix: str = "datasets") -> Any:
    """The bucket that Airflow is configured for; it is created unless it exists.

    Credentials, region, endpoint, retries: as the Airflow connection ``aws_default`` says. Call it from a
    running task only.

    Args:
        prefix: folder in the bucket that is meant.

    Returns:
        An ``include.objects.ObjectStore``.

    Raises:
        MissingInput: the Airflow Variable that names the bucket is not set.
        BqxError: the bucket may not be used.
    """
    from include import settings
    from include.errors import MissingInput
    from include.objects import ObjectStore

    bucket = _bucket()
    if not bucket:
        raise MissingInput(
            f"The Airflow Variable {settings.BUCKET_VARIABLE} is not set. Set it to the name of the S3 "
            f"bucket for data sets, models and reports; the connection {settings.AWS_CONNECTION} leads there."
        )
    store = ObjectStore(client("s3"), bucket, prefix)
    store.ensure_bucket()
    return store


def bucket() -> Any:
    """The whole bucket, an ``include.objects.ObjectStore``; None where no bucket is named."""
    return object_store("") if _bucket() else None


def training_account() -> Any:
    """Bucket, images, role and region of training jobs, as the Airflow Variables and ``aws_default`` say.

    Returns:
        An ``include.training.requests.Account``.

    Raises:
        MissingInput: a Variable is not set.
    """
    from include import settings
    from include.training.requests import checked_account

    store = object_store("")
    image, role, networks_image = (
        str(Variable.get(name, default=None) or "")
        for name in (
            settings.TRAINING_IMAGE_VARIABLE,
            settings.SAGEMAKER_ROLE_VARIABLE,
            settings.NETWORKS_IMAGE_VARIABLE,
        )
    )
    return checked_account(store.bucket, image, role, str(store.client.meta.region_name), networks_image)


def reports() -> Any:
    """Where reports go: the folder ``reports/`` of the bucket.

    Without a bucket they go to the folder that an Airflow Variable names, else to ``bqx_reports`` in
    AIRFLOW_HOME; every worker must see the same folder then. Call it from a running task only.

    Returns:
        An ``include.reports.Reports``.
    """
    from include import settings
    from include.objects import FolderStore
    from include.reports import FOLDER, Reports

    if _bucket():
        return Reports(object_store(FOLDER))
    home = Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser()
    return Reports(
        FolderStore(Path(Variable.get(settings.REPORTS_VARIABLE, default=None) or home / "bqx_reports"))
    )


def place_of(source: str | None) -> Any:
    """The place in a bucket that an address such as ``s3://bucket/bars`` names.

    Args:
        source: where bars are: an address, a folder, or None.

    Returns:
        An ``include.objects.ObjectStore``, or None if `source` is no address of S3.
    """
    from include.objects import ObjectStore, bucket_and_prefix

    named = bucket_and_prefix(source) if source else None
    return None if named is None else ObjectStore(client("s3"), *named)


def _bucket() -> str:
    from include import settings

    return str(Variable.get(settings.BUCKET_VARIABLE, default=None) or "")
