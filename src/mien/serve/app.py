"""The application: its routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, Response
from prometheus_client import generate_latest
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from mien import __version__
from mien.errors import printable
from mien.modality import Modality, get_modality, modality_names
from mien.results import Result
from mien.serve import schemas
from mien.serve.batching import Busy, TooMuch
from mien.serve.clips import Clip
from mien.serve.live import add_live
from mien.serve.metrics import Metrics
from mien.serve.middleware import RequestMiddleware
from mien.serve.models import Models
from mien.serve.problems import Problem, answer_http_exception, encode
from mien.serve.requests import PredictRequest, RequestReader
from mien.serve.settings import ServeSettings

T = TypeVar("T")

_PAGE = Path(__file__).parent / "page"
_ASSETS = Path(__file__).parents[1] / "assets"
_SAMPLES = ("people.png", "moods.mp4")
_TEMPLATE = "static.html"  # of pages that mien writes
_FEW = 8  # predictions that are written out at once; more are in a thread
_SOON = 0.25  # seconds within which most answers are there, so that it is not worth to watch for the client to leave
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def create_app(settings: ServeSettings) -> FastAPI:
    """See :func:`mien.serve.create_app`."""
    metrics = Metrics()
    models = Models(settings, metrics.record_batch)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with models:
            yield

    quiet: Any = {"auto_configure": False, "tracing": False, "metrics": False, "logs": False}
    app = FastAPI(
        title=schemas.TITLE, version=__version__, description=schemas.ABOUT, lifespan=lifespan, telemetry=quiet,
        docs_url=None, redoc_url=None, redirect_slashes=False,
    )  # fmt: skip
    app.state.settings, app.state.metrics, app.state.models = settings, metrics, models
    app.add_exception_handler(HTTPException, answer_http_exception)
    app.add_middleware(RequestMiddleware, settings=settings, metrics=metrics)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=settings.origins, allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key"],
            expose_headers=["Retry-After", "X-Request-ID"],
        )  # fmt: skip
    reader = RequestReader(settings)
    for modality in map(get_modality, modality_names()):
        if modality.kind != "row":
            _add_predict(app, modality, models, reader, settings)
    _add_facts(app, models, metrics)
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        return app.openapi_schema or schemas.complete(generate(), key=settings.api_key is not None)

    app.openapi = openapi  # type: ignore[method-assign]
    add_live(app)
    _add_page(app, settings.origins)
    return app


# ------------------------------------------------------------------------------------------------------- predictions


def _add_predict(
    app: FastAPI, modality: Modality, models: Models, reader: RequestReader, settings: ServeSettings
) -> None:
    async def predict(request: Request) -> Response:
        async with reader.read(request, modality.kind) as parsed:
            served = models.choose(parsed.model, modality.name)
            predictor, roll_up = served.view(parsed.labels, parsed.explain, parsed.language, parsed.all_faces)
            if parsed.faces:
                predictor = served.counting(predictor, parsed.faces)
            request.scope["mien"] = {"model": served.name, "inputs": len(parsed.items)}
            costs = await served.costs(parsed.inputs, parsed.explain)
            work = served.batcher.predict(predictor, parsed.inputs, costs)
            try:
                results = await _while_wanted(work, request.receive, settings.timeout_s)
            except Busy as error:
                raise Problem(503, str(error), retry_after=error.seconds) from None
            except TooMuch as error:
                raise Problem(413, str(error)) from None
            except TimeoutError:
                detail = f"no answer within {settings.timeout_s:g} s; try again with less, or later"
                raise Problem(503, detail, retry_after=10) from None
            results = _rename(results, parsed)
        if sum(1 + len(result.items) + len(result.timeline) for result in results) > _FEW:
            return await asyncio.to_thread(_answer, served.name, results, roll_up)
        return _answer(served.name, results, roll_up)

    able = models.reading(modality.name)
    named = all(served.languages for served in able)  # else there is one that reads any
    app.add_api_route(
        f"/v1/{modality.name}", predict, methods=["POST"], name=f"read_{modality.name}",
        operation_id=f"read_{modality.name}", summary=f"Read emotion in {modality.summary}", tags=["read"],
        response_class=Response, include_in_schema=bool(able),
        responses={
            200: {"model": schemas.Answer, "description": "results in the order of the inputs"},
            **schemas.describe_problems(400, 401, 404, 408, 413, 415, 421, 422, 500, 503),
        },
        openapi_extra=schemas.describe_body(
            modality.kind, modality.explained, settings.max_inputs, [served.name for served in able],
            list(dict.fromkeys(space for served in able for space in served.spaces)),
            list(dict.fromkeys(code for served in able for code in served.languages)) if named else [],
            modality.options,
        ),
    )  # fmt: skip


async def _while_wanted(work: Coroutine[Any, Any, T], receive: Receive, seconds: float) -> T:
    """What comes of the work; a TimeoutError where it takes longer, a ClientDisconnect where the client leaves."""
    task = asyncio.ensure_future(work)
    tasks: set[asyncio.Future[Any]] = {task}
    try:
        await asyncio.wait(tasks, timeout=min(_SOON, seconds))
        if not task.done():
            tasks.add(asyncio.ensure_future(_until_gone(receive)))
            await asyncio.wait(tasks, timeout=seconds - _SOON, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientDisconnect if any(other.done() for other in tasks) else TimeoutError
    finally:
        for other in tasks:
            other.cancel()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _rename(results: list[Result], parsed: PredictRequest) -> list[Result]:
    """The results under the names that the client knows; a problem where none of the inputs could be read."""
    named, errors = [], []
    for (item, name, place), result in zip(parsed.items, results, strict=True):
        error = result.error
        if name is not None:
            if error and isinstance(item, Clip):
                error = error.replace(item.path, printable(name))
            result = replace(result, input=name, error=error)  # noqa: PLW2901
        named.append(result)
        if error:
            errors.append({"where": place, "detail": error})
    if len(errors) == len(named):
        raise Problem(422, f"{errors[0]['where']}: {errors[0]['detail']}", errors[:20])
    return named


def _answer(model: str, results: list[Result], roll_up: Callable[[Result], Result]) -> Response:
    parts = [encode(roll_up(result).to_dict()) for result in results]  # one by one: Python's lock is held for each
    return _json(b'{"model": %b, "results": [%b]}' % (encode(model), b", ".join(parts)))


def _json(document: Any) -> Response:
    body = document if isinstance(document, bytes) else encode(document)
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


# -------------------------------------------------------------------------------------------------------------- facts


def _add_facts(app: FastAPI, models: Models, metrics: Metrics) -> None:
    def fact(path: str, shape: Any, *problems: int) -> Callable[[Any], Any]:
        found: dict[int | str, dict[str, Any]] = {200: {"model": shape, "description": "as asked"}}
        responses = found | schemas.describe_problems(421, *problems)
        return app.get(path, tags=["facts"], response_class=Response, responses=responses)

    @fact("/v1/models", schemas.ModelList, 401)
    async def list_models() -> Response:
        """The models that are served: what they read, in which labels, and how well."""
        return _json({"models": [models.facts(served) for served in models]})

    @fact("/v1/models/{name}", schemas.ModelCard, 401, 404)
    async def show_model(name: str) -> Response:
        """One model and its card."""
        served = models.get(name)
        return _json({**models.facts(served), "card": served.card, **served.label_facts()})

    @fact("/healthz", schemas.Health)
    async def health() -> Response:
        """That the server runs."""
        return _json({"status": "ok"})

    @fact("/readyz", schemas.Health, 503)
    async def ready() -> Response:
        """Whether it computes what comes."""
        if reason := models.stuck():
            raise Problem(503, reason, retry_after=10)
        return _json({"status": "ready"})

    text: dict[int | str, Any] = {
        200: {"description": "Prometheus' text format", "content": {"text/plain": {"schema": {"type": "string"}}}}
    }

    @app.get("/metrics", tags=["facts"], response_class=Response, responses=text | schemas.describe_problems(401))
    async def measured() -> Response:
        """Counts and times, for Prometheus."""
        for served in models:
            metrics.waiting.labels(served.name).set(served.batcher.waiting)
        return Response(generate_latest(metrics.registry), media_type="text/plain; version=0.0.4; charset=utf-8")


# --------------------------------------------------------------------------------------------------------------- page


def _add_page(app: FastAPI, origins: Sequence[str]) -> None:
    """The files of ``page/``, each under its own name: a wrong address stays a wrong address.

    A page may load nothing from elsewhere, send nothing elsewhere, and be framed only by pages of *origins*.
    """
    nobody = "'none'"
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
        "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
        f"frame-ancestors {' '.join(origins) or nobody}"
    )
    headers = {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    }

    async def send_file(_: Request, path: Path) -> Response:
        return FileResponse(path, media_type=_TYPES.get(path.suffix), headers=headers)

    for name in _SAMPLES:
        app.add_route(f"/samples/{name}", partial(send_file, path=_ASSETS / name))
    for path in sorted(_PAGE.rglob("*")):
        if path.is_file() and path.name != _TEMPLATE:
            name = path.relative_to(_PAGE).as_posix()
            app.add_route("/" if name == "index.html" else f"/{name}", partial(send_file, path=path))
    app.add_route("/docs", partial(send_file, path=_PAGE / "docs.html"))
