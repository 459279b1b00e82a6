"""The errors of Airtable that this server knows, with the texts and codes of the real one."""

from __future__ import annotations

import json
from typing import Any

_KNOWN = {
    "AUTHENTICATION_REQUIRED": (401, "Authentication required"),
    "INVALID_PERMISSIONS": (403, "You are not permitted to perform this operation"),
    "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND": (
        403,
        "Invalid permissions, or the requested model was not found. Check that both your user and your token "
        "have the required permissions, and that the model names and/or ids are correct.",
    ),
    "NOT_FOUND": (404, ""),
    "REQUEST_TOO_LARGE": (413, "Request body too large"),
    "CANNOT_CREATE_DUPLICATE_RECORDS": (422, "Cannot update more than one record with the same key"),
    "INVALID_FILTER_BY_FORMULA": (422, "The formula for filtering records is invalid"),
    "INVALID_MULTIPLE_CHOICE_OPTIONS": (422, "Insufficient permissions to create new select option"),
    "INVALID_RECORDS": (422, "You must provide an array of up to 10 record objects"),
    "INVALID_RECORD_ID": (422, "That is not a valid record ID"),
    "INVALID_REQUEST_MISSING_FIELDS": (422, 'Could not find field "fields" in the request body'),
    "INVALID_REQUEST_UNKNOWN": (
        422,
        "Invalid request: parameter validation failed. Check your request data.",
    ),
    "INVALID_VALUE_FOR_COLUMN": (422, "A field cannot accept the provided value"),
    "LIST_RECORDS_ITERATOR_NOT_AVAILABLE": (422, "The iterator has expired or is not valid"),
    "ROW_DOES_NOT_EXIST": (422, "A record does not exist"),
    "ROW_TABLE_DOES_NOT_MATCH_LINKED_TABLE": (422, "A record is not of the linked table"),
    "UNKNOWN_FIELD_NAME": (422, "Unknown field name"),
    "RATE_LIMIT_REACHED": (429, "Rate limit exceeded. Please try again later"),
    "INTERNAL_SERVER_ERROR": (500, "An unexpected error occurred"),
    "SERVICE_UNAVAILABLE": (503, "The service is temporarily unavailable. Please retry shortly."),
}


class Fault(Exception):
    """A request that is answered with an error of Airtable.

    Args:
        code: one of those above.
        message: what to say instead of the usual text.
        headers: more headers of the answer.
    """

    def __init__(self, code: str, message: str = "", headers: dict[str, str] | None = None) -> None:
        self.code = code
        self.status, usual = _KNOWN[code]
        self.message = message or usual
        self.headers = headers or {}
        super().__init__(f"{code}: {self.message}")

    @property
    def body(self) -> bytes:
        """What the client reads: three shapes, as the real one has them."""
        told: dict[str, Any] = {"error": {"type": self.code, "message": self.message}}
        if self.code == "RATE_LIMIT_REACHED":
            told = {"errors": [{"error": self.code, "message": self.message}]}
        elif self.code == "NOT_FOUND":
            told = {"error": self.code}
        return json.dumps(told).encode()
