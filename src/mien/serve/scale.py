"""The same application in several processes or machines: Ray Serve. Needs the extras "serve" and "scale".

::

    serve run mien.serve.scale:application replicas=4 models=text,face

Ray starts the replicas, shares requests out among them, and starts those anew that fail; each gathers its own batches.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from mien.errors import require
from mien.serve import create_app
from mien.serve.settings import ServeSettings

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reports its use to its makers where not told otherwise


def application(args: Mapping[str, Any]) -> Any:
    """A Ray Serve application, for ``serve run`` and ``ray.serve.run``.

    Args:
        args: settings by name, as :class:`mien.serve.settings.ServeSettings` has them (``models`` separated by commas),
            ``replicas``, the number of processes (1), and ``cpus``, the cores that each takes (1). Host and port are
            Ray's affair.

    Returns:
        ``ray.serve.Application``.

    Raises:
        ValueError: a setting that there is not, or of the wrong kind.
        MissingExtra: the packages of the extra "scale" are not installed.
    """
    values = dict(args)
    replicas, cpus = int(values.pop("replicas", 1)), float(values.pop("cpus", 1))
    for name in ("models", "origins", "allow_hosts"):
        if isinstance(values.get(name), str):
            values[name] = tuple(values[name].split(","))
    settings = ServeSettings(**{"threads": max(1, round(cpus)), **values})
    serve = require("ray.serve", "scale")

    def build() -> Any:
        return create_app(settings)

    deployment = serve.deployment(
        serve.ingress(build)(), name="mien", num_replicas=replicas, ray_actor_options={"num_cpus": cpus},
        max_ongoing_requests=settings.max_connections,
        graceful_shutdown_timeout_s=settings.timeout_s,
    )  # fmt: skip
    return deployment.bind()
