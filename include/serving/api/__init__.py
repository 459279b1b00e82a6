"""The HTTP API before the endpoint: one handler, served by ASGI or run as AWS Lambda."""
