"""The verb ``serve``."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from mien.errors import InputError, invalid


def serve(
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            help="A shipped model's name, or a model or run folder; may be given several times.",
            show_default="all that are shipped",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all, also from outside.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any that is free.")] = 8000,
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="MIEN_API_KEY",
            help="What clients must show. Better set as a variable: options can be seen by others on the machine.",
        ),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(help="A web page's host that may use the API, such as https://example.org; several, or *."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="A name under which clients reach the server, such as mien.example.org; several, or *."),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of each model.", show_default="all cores")] = None,
    batch: Annotated[
        int | None,
        typer.Option(min=1, help="Inputs computed at once; 1: each alone.", show_default="32 texts, 8 pictures"),
    ] = None,
    window_ms: Annotated[float, typer.Option(min=0, help="How long the first of a batch waits for others.")] = 2,
    queue: Annotated[int, typer.Option(min=1, help="Inputs that wait for a model at most; then 503.")] = 1024,
    max_inputs: Annotated[int, typer.Option(min=1, help="Inputs of one request.")] = 256,
    max_body_mb: Annotated[float, typer.Option(help="Megabytes of one request.")] = 64,
    max_json_mb: Annotated[float, typer.Option(help="Megabytes of one request in JSON, and of a live frame.")] = 8,
    max_megapixels: Annotated[
        float | None, typer.Option(help="Of a picture or a clip's frame.", show_default="25")
    ] = None,
    max_live_megapixels: Annotated[float, typer.Option(help="Of a live frame.")] = 9,
    max_clip_s: Annotated[float, typer.Option(help="Seconds of a clip.")] = 120,
    max_clip_work_s: Annotated[float, typer.Option(help="Seconds of work on a clip.")] = 60,
    max_live: Annotated[int, typer.Option(min=0, help="Clients with live frames at the same time.")] = 8,
    max_connections: Annotated[int, typer.Option(min=1, help="Requests in progress; more get 503.")] = 1000,
    upload_timeout_s: Annotated[float, typer.Option(help="Seconds in which a request must have arrived.")] = 60,
    timeout_s: Annotated[float, typer.Option(help="Seconds in which it must then be answered.")] = 90,
    access_log: Annotated[bool, typer.Option(help="Whether each request is logged, as JSON on standard error.")] = True,
    open_page: Annotated[bool, typer.Option("--open", help="Show the page in the browser.")] = False,
) -> None:
    """Serve the models over HTTP, with a page at / and an API at /v1/ (needs the extra serve)."""
    values: dict[str, Any] = dict(locals())
    if api_key == "" or (api_key is None and os.environ.get("MIEN_API_KEY") == ""):
        raise InputError("the API key is empty: set one, or unset MIEN_API_KEY")  # anyone would be let in
    lists = {"model": "models", "origin": "origins", "allow_host": "allow_hosts"}
    values |= {setting: tuple(values.pop(option) or ()) for option, setting in lists.items()}
    from pydantic import ValidationError

    from mien.serve import run
    from mien.serve.settings import ServeSettings

    try:
        settings = ServeSettings(**{name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        name, _, wrong = invalid(error, values).partition(": ")
        option = {setting: option for option, setting in lists.items()}.get(name, name).replace("_", "-")
        raise InputError(f"--{option}: {wrong}") from None
    run(settings)
