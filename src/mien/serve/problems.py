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
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_DETAILS = {404: "there is nothing at this address", 405: "this address does not take this method"}


class Problem(Exception):
    """Why a request is not answered: a status, one sentence, and the same for single inputs.

    Such an input is ``{"where": "#/inputs/1", "detail": "text is empty"}``.
    """

    def __init__(
        self, status: int, detail: str, errors: Sequence[Mapping[str, str]] = (), *, retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, errors, dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(retry_after)

    def response(self) -> Response:
        """The answer that says it."""
        title = HTTPStatus(self.status).phrase
        document = {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail}
        errors = {"errors": list(self.errors)} if self.errors else {}
        return Response(encode({**document, **errors}), self.status, self.headers, MEDIA_TYPE)


def encode(document: Any) -> bytes:
    """JSON in UTF-8. Half a surrogate pair, which UTF-8 cannot say, stays the escape that it came as."""
    return _ENCODER.encode(document).encode("utf-8", "backslashreplace")


async def answer_http_exception(_: Request, error: Exception) -> Response:
    """What the framework itself refuses, as a problem; an exception handler of the application."""
    assert isinstance(error, HTTPException)
    detail = _DETAILS.get(error.status_code, error.detail)
    return Problem(error.status_code, detail, headers=error.headers).response()
