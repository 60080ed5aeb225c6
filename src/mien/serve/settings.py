"""What can be set of the server."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, AnyUrl, BaseModel, ConfigDict, Field, SecretStr


def _origin(text: str) -> str:
    """An origin as browsers write it: no slash at the end, small letters, no port where it is the usual one."""
    try:
        found = text if text in ("*", "null") else str(AnyUrl(text)).rstrip("/")  # null: pages from files
    except ValueError:
        found = ""
    if not re.fullmatch(r"\*|null|[a-z][a-z\d+.-]*://[\w.:\[\]-]+", found, re.ASCII):
        raise ValueError(f"{text!r} is no origin, such as https://example.org, nor *")
    return found


def _host(text: str) -> str:
    """A host's name in small letters, without port."""
    if text != "*" and not re.fullmatch(r"[\w-]+(\.[\w-]+)*", text, re.ASCII):
        raise ValueError(f"{text[:80]!r} is no name of a host, such as mien.example.org, nor *")
    return text.lower()


class ServeSettings(BaseModel):
    """Settings of the server; ``mien serve`` has an option for each.

    Work is counted in units: an input is one, and a text one more for each 256 characters.

    Attributes:
        models: names of shipped models, and model folders. The first of a modality answers where a request names none.
            Empty: all that are shipped.
        host: address to listen on; the default is reached from this machine alone.
        port: to listen on; 0 for any that is free.
        api_key: what clients must show to be answered; None for no such check.
        origins: web pages of other hosts that may use the API from a browser, such as "https://example.org"; "*" for
            all.
        allow_hosts: names, beside this machine's own, that requests may have in ``Host``, such as "mien.example.org";
            "*" for all. Addresses always may.
        threads: threads that each model computes with; None for as many as the process may use.
        batch: units computed at once; None for as many as the modality says. 1 for no batching.
        window_ms: milliseconds for which the first input of a batch waits for others.
        queue: units that wait for a model at most; more are refused with 503.
        max_inputs: inputs in one request.
        max_body_mb: megabytes (10⁶ bytes) of one request; four times as many of all requests together.
        max_json_mb: of one request in JSON, which is held in memory as a whole.
        max_megapixels: millions of pixels of a picture or of a clip's frame.
        max_live_megapixels: of a live frame.
        max_clip_s: seconds of a clip.
        max_clip_work_s: seconds of work on a clip; then what was read by then is answered, and says so.
        max_live: clients that send live frames at the same time.
        max_connections: requests in progress; more are refused with 503.
        upload_timeout_s: seconds in which a request must have arrived.
        timeout_s: seconds in which a request that arrived must be answered.
        access_log: whether every request is logged; problems are in any case.
        open_page: whether :func:`mien.serve.run` shows the page in the browser of this machine.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    models: tuple[str, ...] = ()
    host: str = Field("127.0.0.1", min_length=1)  # an empty one would be all addresses
    port: int = Field(8000, ge=0, le=65535)
    api_key: SecretStr | None = Field(None, min_length=1)
    origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = ()
    allow_hosts: tuple[Annotated[str, AfterValidator(_host)], ...] = ()
    threads: int | None = Field(None, ge=1)
    batch: int | None = Field(None, ge=1, le=4096)
    window_ms: float = Field(2, ge=0, le=1000)
    queue: int = Field(1024, ge=1)
    max_inputs: int = Field(256, ge=1)
    max_body_mb: float = Field(64, gt=0, le=1e6)
    max_json_mb: float = Field(8, gt=0, le=1e6)
    max_megapixels: float = Field(25, gt=0, le=1e6)
    max_live_megapixels: float = Field(9, gt=0, le=1e6)
    max_clip_s: float = Field(120, gt=0)
    max_clip_work_s: float = Field(60, gt=0)
    max_live: int = Field(8, ge=0)
    max_connections: int = Field(1000, ge=1)
    upload_timeout_s: float = Field(60, gt=0)
    timeout_s: float = Field(90, gt=0)
    access_log: bool = True
    open_page: bool = False

    @property
    def max_body(self) -> int:
        """Bytes of one request."""
        return int(self.max_body_mb * 1e6)

    @property
    def max_json(self) -> int:
        """Bytes of one request in JSON."""
        return min(int(self.max_json_mb * 1e6), self.max_body)

    @property
    def max_live_pixels(self) -> int:
        """Pixels of a live frame."""
        return int(min(self.max_live_megapixels, self.max_megapixels) * 1e6)
