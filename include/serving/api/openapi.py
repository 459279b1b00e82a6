"""The OpenAPI document, made from the schemas that validate requests."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from include.serving.api import schema

VERSION = "1.0.0"
_REASONS = {
    401: "No token, or a wrong one.",
    404: "Unknown path or pair, or no model of the pair is deployed.",
    405: "Another method is meant.",
    408: "The body did not arrive in time.",
    409: "The data are too old or not there: no forecast is made up.",
    413: "The body is too large.",
    422: "The body is not what the schema asks for.",
    429: "More requests than the API takes.",
    500: "A defect of the API.",
    503: "Database, routing table or endpoint do not answer in time, or another model answered.",
}
# Where the API runs says which of them is asked for.
_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "description": "A server of one's own: its token."},
    "iam": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "Behind API Gateway: a signature of AWS, version 4.",
        "x-amazon-apigateway-authtype": "awsSigv4",
    },
}
_OF_ALL = (401, 405, 429, 500, 503)


def document() -> dict[str, Any]:
    """The document, version 3.1.0."""
    models: list[type[BaseModel]] = [schema.Question, schema.Forecast, schema.Health, schema.Problem]
    _, found = models_json_schema(
        [(model, "serialization") for model in models], ref_template="#/components/schemas/{model}"
    )
    asked = {"required": True, "content": _content("Question")}
    predict = _operation(
        "predict", "The forecast of the newest minute", "Forecast", (404, 408, 409, 413, 422)
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "BQX forecasts",
            "version": VERSION,
            "description": "Forecasts of BQX for 28 currency pairs, each with interval and model version.",
        },
        "security": [{scheme: []} for scheme in _SCHEMES],
        "paths": {
            "/predict": {"post": predict | {"requestBody": asked}},
            "/health": {"get": _operation("health", "Whether forecasts can be made", "Health")},
            "/openapi.json": {"get": _operation("openapi", "This document")},
        },
        "components": {
            "schemas": found["$defs"],
            "securitySchemes": _SCHEMES,
        },
    }


def _operation(name: str, summary: str, answer: str = "", problems: tuple[int, ...] = ()) -> dict[str, Any]:
    content = _content(answer) if answer else {"application/json": {"schema": {"type": "object"}}}
    refused = {
        str(status): {"description": _REASONS[status], "content": _content("Problem")}
        for status in sorted((*_OF_ALL, *problems))
    }
    return {
        "operationId": name,
        "summary": summary,
        "responses": {"200": {"description": "The answer.", "content": content}, **refused},
    }


def _content(model: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{model}"}}}
