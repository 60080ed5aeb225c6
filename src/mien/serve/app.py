"""The application: its routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import FileResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from mien import __version__
from mien.results import Result
from mien.serve import schema
from mien.serve.batching import Busy, TooMuch
from mien.serve.bodies import Asked, Room, apart, reading
from mien.serve.live import add_live
from mien.serve.models import Models
from mien.serve.observe import Guard, Metrics
from mien.serve.problems import Problem, answer_problem, encode
from mien.serve.settings import ServeSettings

T = TypeVar("T")

PAGE = Path(__file__).parent / "page"
MODALITIES = ("text", "face", "video", "scene")

NOBODY = "'none'"  # of a Content-Security-Policy
_FEW = 8  # predictions that are written out at once; more are in a thread
_SOON = 0.25  # seconds within which most answers are there, so that it is not worth to watch for the client to leave
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def create_app(settings: ServeSettings) -> FastAPI:
    """See :func:`mien.serve.create_app`."""
    metrics = Metrics()
    models = Models(settings, metrics.batch)
    room = Room(4 * settings.max_body)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with models:
            yield

    quiet: Any = {"auto_configure": False, "tracing": False, "metrics": False, "logs": False}
    app = FastAPI(
        title=schema.TITLE, version=__version__, description=schema.ABOUT, lifespan=lifespan, telemetry=quiet,
        docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False,
    )  # fmt: skip
    app.state.settings, app.state.metrics, app.state.models = settings, metrics, models
    app.add_exception_handler(HTTPException, answer_problem)
    app.add_middleware(Guard, settings=settings, metrics=metrics)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=settings.origins, allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key"],
            expose_headers=["Retry-After", "X-Request-ID"],
        )  # fmt: skip
    for modality in MODALITIES:
        _add_reader(app, modality, models, settings, room)
    _add_facts(app, models, settings, metrics)
    add_live(app)
    _add_page(app, settings.origins)
    return app


# ------------------------------------------------------------------------------------------------------- predictions


def _add_reader(app: FastAPI, modality: str, models: Models, settings: ServeSettings, room: Room) -> None:
    async def read(request: Request) -> Response:
        async with reading(request, modality, settings, room) as asked:
            served = models.choose((modality,), asked.model)
            predictor, roll = served.view(asked.labels)
            request.scope["mien"] = {"model": served.name, "inputs": len(asked.inputs)}
            costs = await apart(8 * served.length(asked.inputs), lambda: served.costs(asked.inputs))
            work = served.batcher.predict(predictor, asked.inputs, costs)
            try:
                results = await _while_wanted(work, request.receive, settings.timeout_s)
            except Busy as error:
                raise Problem(503, str(error), headers={"Retry-After": str(error.seconds)}) from None
            except TooMuch as error:
                raise Problem(413, str(error)) from None
            except TimeoutError:
                text = f"no answer within {settings.timeout_s:g} s; try again with less, or later"
                raise Problem(503, text, headers={"Retry-After": "10"}) from None
            results = _named(results, asked)
        if sum(1 + len(result.items) + len(result.timeline) for result in results) > _FEW:
            return await asyncio.to_thread(_answer, served.name, results, roll)
        return _answer(served.name, results, roll)

    able = [served for served in models if served.modality == modality]
    app.add_api_route(
        f"/v1/{modality}", read, methods=["POST"], name=f"read_{modality}", operation_id=f"read_{modality}",
        summary=f"Read emotion in {_WHAT[modality]}", tags=["read"], response_class=Response,
        responses={
            200: {"model": schema.Answer, "description": "results in the order of the inputs"},
            **schema.problems(400, 401, 404, 408, 413, 415, 421, 422, 500, 503),
        },
        openapi_extra=schema.request_body(
            modality, settings.max_inputs, [served.name for served in able],
            list(dict.fromkeys(space for served in able for space in served.spaces)),
        ),
        include_in_schema=bool(able),
    )  # fmt: skip


_WHAT = {
    "text": "texts", "face": "the faces of pictures", "video": "the faces of clips", "scene": "whole pictures",
}  # fmt: skip


async def _while_wanted(work: Coroutine[Any, Any, T], receive: Receive, seconds: float) -> T:
    """What comes of the work.

    Raises:
        TimeoutError: it took longer.
        ClientDisconnect: nobody waits for it any more.
    """
    task = asyncio.ensure_future(work)
    watch: asyncio.Task[None] | None = None
    try:
        await asyncio.wait([task], timeout=min(_SOON, seconds))
        if not task.done():
            watch = asyncio.ensure_future(_left(receive))
            await asyncio.wait([task, watch], timeout=seconds - _SOON, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if watch is not None and watch.done():
            raise ClientDisconnect
        raise TimeoutError
    finally:
        task.cancel()
        if watch is not None:
            watch.cancel()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _named(results: list[Result], asked: Asked) -> list[Result]:
    """The results under the names that the client knows.

    Raises:
        Problem: 422, none of the inputs could be read.
    """
    named, errors = [], []
    for item, result, name, place in zip(asked.inputs, results, asked.names, asked.places, strict=True):
        if name is not None:
            path = getattr(item, "path", None)
            error = result.error.replace(path, name) if result.error and path else result.error
            result = replace(result, input=name, error=error)  # noqa: PLW2901
        named.append(result)
        if result.error:
            errors.append({"where": place, "detail": result.error})
    if len(errors) == len(named):
        raise Problem(422, f"{errors[0]['where']}: {errors[0]['detail']}", errors[:20])
    return named


def _answer(model: str, results: list[Result], roll: Callable[[Result], Result]) -> Response:
    parts = [encode(roll(result).to_dict()) for result in results]  # one by one: Python's lock is held for each
    return _json(b'{"model": %b, "results": [%b]}' % (encode(model), b", ".join(parts)))


def _json(document: Any) -> Response:
    body = document if isinstance(document, bytes) else encode(document)
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


# -------------------------------------------------------------------------------------------------------------- facts


def _add_facts(app: FastAPI, models: Models, settings: ServeSettings, metrics: Metrics) -> None:
    def fact(path: str, shape: Any, *problems: int) -> Callable[[Any], Any]:
        found: dict[int | str, dict[str, Any]] = {200: {"model": shape, "description": "as asked"}}
        told = {**found, **schema.problems(421, *problems)}
        return app.get(path, tags=["facts"], response_class=Response, responses=told)

    @fact("/v1/models", schema.ModelList, 401)
    async def list_models() -> Response:
        """The models that are served: what they read, in which labels, and how well."""
        return _json({"models": models.to_dict()})

    @fact("/v1/models/{name}", schema.ModelCard, 401, 404)
    async def show_model(name: str) -> Response:
        """One model and its card."""
        served = models.get(name)
        return _json({**models.facts(served), "card": served.card(), "label_spaces": served.label_spaces()})

    @fact("/healthz", schema.Health)
    async def health() -> Response:
        """That the server runs."""
        return _json({"status": "ok"})

    @fact("/readyz", schema.Health, 503)
    async def ready() -> Response:
        """Whether it computes what comes."""
        if reason := models.stuck():
            raise Problem(503, reason, headers={"Retry-After": "10"})
        return _json({"status": "ready"})

    text: dict[int | str, Any] = {
        200: {"description": "Prometheus' text format", "content": {"text/plain": {"schema": {"type": "string"}}}}
    }

    @app.get("/metrics", tags=["facts"], response_class=Response, responses={**text, **schema.problems(401)})
    async def measured() -> Response:
        """Counts and times, for Prometheus."""
        for served in models:
            metrics.waiting.labels(served.name).set(served.batcher.waiting)
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            app.openapi_schema = schema.complete(made, key=settings.api_key is not None)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]

    @app.get("/openapi.json", include_in_schema=False, response_class=Response)
    async def openapi() -> Response:
        return _json(document())


# --------------------------------------------------------------------------------------------------------------- page


def _add_page(app: FastAPI, origins: Sequence[str]) -> None:
    """The files of ``page/``, each under its own name: a wrong address stays a wrong address.

    A page may load nothing from elsewhere, send nothing elsewhere, and be framed only by pages of *origins*.
    """
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
        "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
        f"frame-ancestors {' '.join(origins) or NOBODY}"
    )
    headers = {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    }
    for path in sorted(PAGE.rglob("*")):
        if path.is_file():
            name = path.relative_to(PAGE).as_posix()
            _add_file(app, "/" if name == "index.html" else f"/{name}", path, headers)


def _add_file(app: FastAPI, address: str, path: Path, headers: dict[str, str]) -> None:
    async def file() -> Response:
        return FileResponse(path, media_type=_TYPES.get(path.suffix), headers=headers)

    app.add_api_route(address, file, methods=["GET"], include_in_schema=False, response_class=Response)
