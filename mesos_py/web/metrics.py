"""Shows figures in Prometheus's text format, with those of the process itself."""

from collections.abc import Callable, Iterator, Sequence

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from prometheus_client import CONTENT_TYPE_LATEST, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

import mesos_py
from mesos_py.types.metrics import Metric
from mesos_py.web.app import may_fail
from mesos_py.web.reader import Reader

__all__ = ["metrics"]

_KINDS = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily}


def metrics(reader: Reader, prefix: str, read: Callable[[], Sequence[Metric]]) -> HTTPRouteHandler:
    """The route; ``read`` is called in the loop's thread."""

    async def page(figures: Sequence[Metric]) -> bytes:
        return generate_latest(_Page(prefix, figures))

    async def read_metrics() -> Response[bytes]:
        """Figures for Prometheus; a moment old, as all that is read here."""
        snapshot = await reader.snapshot("metrics", read)
        return Response(await reader.once(snapshot, "text", page), media_type=CONTENT_TYPE_LATEST)

    text = {200: ResponseSpec(str, description="Text format of Prometheus", media_type="text/plain")}
    return get("/metrics", summary="Figures", tags=["daemon"], responses=text | may_fail(403, 503))(read_metrics)


class _Page(Collector):
    """One answer."""

    def __init__(self, prefix: str, figures: Sequence[Metric]) -> None:
        self._prefix = prefix
        self._figures = figures

    def collect(self) -> Iterator[Family]:
        """Part of Collector."""
        build = GaugeMetricFamily("mesos_build_info", "What runs here.", labels=["version"])
        build.add_metric([mesos_py.__version__], 1)
        yield build
        for figure in self._figures:
            family = _KINDS[figure.kind](f"{self._prefix}_{figure.name}", figure.help, labels=list(figure.labels))
            for labels, value in figure.samples:
                family.add_metric(list(labels), value)
            yield family
        yield from ProcessCollector(registry=None).collect()
