"""Metrics of the server, for Prometheus."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from mien import __version__

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_INPUTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The metrics that ``/metrics`` shows, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        own: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter("mien_requests", "Requests answered.", ["method", "route", "status"], **own)
        self.seconds = Histogram("mien_request_seconds", "From head to answer.", ["route"], buckets=_SECONDS, **own)
        self.in_progress = Gauge("mien_requests_in_progress", "Requests that wait for their answer.", **own)
        self.inputs = Counter("mien_inputs", "Inputs computed.", ["model"], **own)
        self.batches = Histogram("mien_batch_inputs", "Inputs in a batch.", ["model"], buckets=_INPUTS, **own)
        self.work = Histogram("mien_batch_seconds", "Computing a batch.", ["model"], buckets=_SECONDS, **own)
        self.waiting = Gauge("mien_queue_units", "Units of work that wait for a model.", ["model"], **own)
        self.live = Gauge("mien_live_clients", "Clients that send live frames.", **own)
        self.frames = Counter("mien_live_frames", "Live frames, by what became of them.", ["outcome"], **own)
        Gauge("mien_info", "This server.", ["version"], **own).labels(__version__).set(1)

    def record_batch(self, model: str, inputs: int, seconds: float) -> None:
        """Count a batch that was computed."""
        self.inputs.labels(model).inc(inputs)
        self.batches.labels(model).observe(inputs)
        self.work.labels(model).observe(seconds)
