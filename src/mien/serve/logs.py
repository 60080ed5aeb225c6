"""Log lines that quote nobody: neither texts, nor names of files, nor messages of stray exceptions."""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime

log = logging.getLogger("mien.serve")
_OWN = ("mien", "uvicorn")  # loggers whose messages quote no input


class JsonLines(logging.Formatter):
    """A log line as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """See :meth:`logging.Formatter.format`."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": at, "level": record.levelname.lower()}
        line["event"] = record.getMessage() if record.name.startswith(_OWN) else f"a message of {record.name}"
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1] is not None:
            line |= describe_error(record.exc_info[1])
        return json.dumps(line, ensure_ascii=True)


def describe_error(error: BaseException) -> dict[str, str]:
    """The kind of an exception and where it was raised; not its message, which may quote an input."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return {"error": type(error).__name__, "at": " < ".join(f"{f.filename}:{f.lineno}" for f in reversed(frames))}
