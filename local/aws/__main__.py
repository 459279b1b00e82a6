"""``python -m local.aws --folder F --port P --s3 URL``: serve until SIGTERM or Ctrl-C.

Environment: AWS_SECRET_ACCESS_KEY, the secret that clients must sign with.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from local.aws.server import Server
from local.aws.settings import GRACE, HOST, MODEL_MEMORY, QUOTA, RATE, Settings
from local.s3.server import KEY_ID, SECRET
from local.stand_in import serve


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve a folder; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.aws", description=__doc__)
    add = parser.add_argument
    add("--folder", type=Path, required=True, help="where jobs and logs are kept")
    add("--port", type=int, default=0, help="0 for any that is free")
    add("--s3", required=True, metavar="URL", help="address of the S3 stand-in")
    add(
        "--image", action="append", default=[], metavar="PATTERN=PYTHON", type=_image,
        help="which interpreter stands for the images of a pattern",
    )  # fmt: skip
    add("--key-id", default=KEY_ID, help="access key id that clients must sign with")
    add("--quota", type=int, default=QUOTA, help="instances of one type that training jobs may have at once")
    add("--rate", type=int, default=RATE, help="calls of one operation of SageMaker in any second")
    add("--grace", type=float, default=GRACE, help="seconds between SIGTERM and SIGKILL of a stopped job")
    add("--slots", type=int, default=os.cpu_count() or 1, help="jobs whose code runs at once; others wait")
    add("--model-memory", type=int, default=MODEL_MEMORY, help="bytes of models that an instance holds")
    add("--topic", action="append", default=[], metavar="ARN", help="a topic of SNS that is there")
    options = parser.parse_args(arguments)
    settings = Settings(
        options.folder,
        options.s3,
        images=tuple(options.image),
        key_id=options.key_id,
        secret=os.environ.get("AWS_SECRET_ACCESS_KEY", SECRET),
        quota=options.quota,
        rate=options.rate,
        grace=options.grace,
        slots=options.slots,
        model_memory=options.model_memory,
        topics=tuple(options.topic),
    )
    return serve(
        lambda: Server(settings, options.port),
        options.port,
        f"AWS stand-in at http://{HOST}:{{port}}, jobs in {options.folder}",
    )


def _image(told: str) -> tuple[str, str]:
    pattern, _, python = told.partition("=")
    if not pattern or not python:
        raise argparse.ArgumentTypeError(f"{told!r} is not PATTERN=PYTHON")
    return pattern, python


if __name__ == "__main__":
    sys.exit(main())
