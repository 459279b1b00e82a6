"""What the image of the Lambda function runs. Loading it does all that the first request would wait for."""

from __future__ import annotations

import os

from include.serving.api import aws_lambda

aws_lambda.begin(os.environ)
answer = aws_lambda.answer
