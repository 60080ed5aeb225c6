"""The HTTP server: the predictors behind an API, for many clients at once. Needs the extra "serve".

::

    server.py     uvicorn with the application            middleware.py   host, key, limits, metrics, log
    app.py        the routes                              requests.py     from a body to inputs
    models.py     the models that are served              schemas.py      what OpenAPI says of all this
    batching.py   inputs of many requests together        live.py         a camera's frames over a WebSocket
    settings.py   what can be set                         scale.py        the same on several machines
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mien.errors import require

if TYPE_CHECKING:
    from fastapi import FastAPI

    from mien.serve.settings import ServeSettings

__all__ = ["create_app", "run"]

_NEEDED = ("fastapi", "uvicorn", "httptools", "websockets", "python_multipart", "prometheus_client")


def create_app(settings: ServeSettings | None = None) -> FastAPI:
    """The ASGI application, for any server of such; its models are loaded here.

    Raises:
        ModelError: a model is missing or damaged.
        MissingExtra: the packages of the extra "serve" are not installed.
    """
    for package in _NEEDED:
        require(package, "serve")
    from mien.serve import app
    from mien.serve.settings import ServeSettings

    return app.create_app(settings or ServeSettings())


def run(settings: ServeSettings) -> None:
    """Serve until told to stop (Ctrl-C or SIGTERM); requests that were accepted are answered first.

    Raises:
        MissingExtra: the packages of the extra "serve" are not installed.
        ModelError: a model is missing or damaged.
        MienError: the address cannot be listened on.
    """
    for package in _NEEDED:
        require(package, "serve")
    from mien.serve import server

    server.run(settings)
