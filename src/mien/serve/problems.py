"""Errors as clients get them: problem details by RFC 9457, one clear sentence, never a traceback."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """Why a request is not answered.

    Args:
        status: of HTTP.
        detail: one sentence that says what is wrong and where.
        errors: the same for single inputs: ``{"pointer": "#/inputs/1", "detail": "text is empty"}``.
        headers: to be sent along, such as Retry-After.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, errors, dict(headers or {})

    def response(self) -> Response:
        """The answer that says it."""
        return Response(self.body(), self.status, self.headers, MEDIA_TYPE)

    def body(self) -> bytes:
        """The JSON document."""
        title = HTTPStatus(self.status).phrase
        document: dict[str, Any] = {
            "type": "about:blank", "title": title, "status": self.status, "detail": self.detail,
        }  # fmt: skip
        if self.errors:
            document["errors"] = list(self.errors)
        return encode(document)


def encode(document: Any) -> bytes:
    """JSON in UTF-8. Half a surrogate pair, which UTF-8 cannot say, stays the escape that it came as."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")


async def answer_problem(_: Request, error: Exception) -> Response:
    """For the application's exception handlers: `Problem`, and what the framework itself refuses."""
    if isinstance(error, HTTPException):
        details = {404: "there is nothing at this address", 405: "this address does not take this method"}
        error = Problem(error.status_code, details.get(error.status_code, error.detail), (), error.headers)
    assert isinstance(error, Problem)
    return error.response()
