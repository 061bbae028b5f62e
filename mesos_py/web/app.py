"""What the master's and the agent's HTTP APIs have in common: errors, OpenAPI, access, health."""

import platform
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final

from litestar import Litestar, MediaType, Request, Response, get
from litestar.exceptions import HTTPException, ValidationException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import OpenAPIType, Schema
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition
from msgspec import Struct

import mesos_py
from mesos_py.runtime.condition import Condition
from mesos_py.runtime.logs import get_log
from mesos_py.types.resources import Resources
from mesos_py.web.access import Access, guard
from mesos_py.web.authentication import Authenticate
from mesos_py.web.reader import BusyError, Reader

__all__ = ["Problem", "Version", "health", "make_app", "may_fail", "problem", "version"]

_HEALTH_TIMEOUT_S = 2.0

_SHOWN: Final = {"states": "state", "statuses": "status", "roles": "role", "data": "body"}
"""What is not called as it is in our code."""


class Problem(Struct, frozen=True):
    """Why a request was not done, in one line."""

    error: str


class Health(Struct, frozen=True):
    """The daemon answers."""

    healthy: bool = True


class Readiness(Struct, frozen=True):
    """The daemon does what it is there for."""

    status: str
    ready: bool = True


class Version(Struct, frozen=True, kw_only=True):
    """What runs here."""

    version: str
    python: str
    host: str


_MEANING: Final = {
    400: "A parameter has no possible value.",
    401: "Say who you are.",
    403: "Not allowed.",
    404: "There is no such thing.",
    409: "Not possible in the present state.",
    503: "Try again later, or elsewhere.",
}


def may_fail(*status_codes: int) -> dict[int, ResponseSpec]:
    """For the OpenAPI document: with which codes a request may fail."""
    return {
        code: ResponseSpec(data_container=Problem, description=_MEANING[code], generate_examples=False)
        for code in status_codes
    }


def problem(status_code: int, error: str) -> HTTPException:
    """To be raised: the answer to a request that cannot be done."""
    return HTTPException(status_code=status_code, detail=error)


def make_app(
    title: str, description: str, routes: Sequence[HTTPRouteHandler], access: Access, authenticate: Authenticate
) -> Litestar:
    """An ASGI application."""
    return Litestar(
        list(routes),
        middleware=[guard(access, _refusal, authenticate)],
        exception_handlers={BusyError: _busy, HTTPException: _refused, Exception: _broken},
        type_encoders={Resources: Resources.to_wire},
        plugins=[_ResourcesSchema()],
        openapi_config=OpenAPIConfig(
            title=title,
            description=description,
            version=mesos_py.__version__,
            path="/schema",
            render_plugins=[JsonRenderPlugin(path="/", media_type=MediaType.JSON)],
            use_handler_docstrings=True,
        ),
        logging_config=None,
    )


def health(reader: Reader, condition: Callable[[], Condition]) -> list[HTTPRouteHandler]:
    """The routes that say whether the daemon's loop turns, and whether it does what it is there for."""

    async def read_health() -> Health:
        """200 if the daemon answers, 503 if it hangs: then it is to be started again."""
        await reader.read(lambda: None, timeout_s=_HEALTH_TIMEOUT_S)
        return Health()

    async def read_readiness() -> Readiness:
        """200 if it leads, stands by or is registered, 503 if it waits for something: then it is to be left alone."""
        now = await reader.read(condition, timeout_s=_HEALTH_TIMEOUT_S)
        if not now.is_ready:
            raise problem(503, now.text)
        return Readiness(now.text)

    daemon: dict[str, Any] = {"tags": ["daemon"], "responses": may_fail(503)}
    return [
        get(["/health", "/health/live"], summary="Liveness", **daemon)(read_health),
        get("/health/ready", summary="Readiness", **daemon)(read_readiness),
    ]


def version() -> HTTPRouteHandler:
    """The route that says what runs here."""

    async def read_version() -> Version:
        """The version of mesos_py and of what it runs on."""
        return Version(version=mesos_py.__version__, python=platform.python_version(), host=platform.node())

    return get("/version", summary="Version", tags=["daemon"])(read_version)


# Errors


def _refusal(status_code: int, why: str) -> HTTPException:
    error = problem(status_code, why)
    if status_code == 401:
        error.headers = {"WWW-Authenticate": 'Basic realm="mesos", charset="UTF-8"'}
    return error


def _busy(_request: Request[Any, Any, Any], error: BusyError) -> Response[Problem]:
    return Response(Problem(str(error)), status_code=503, headers={"Retry-After": "1"})


def _refused(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    if error.status_code >= 500 and error.status_code != 503:
        return _broken(request, error)
    text = error.detail
    if isinstance(error, ValidationException):
        text = "; ".join(map(_wrong, _invalid(error))) or text
    elif error.status_code == 404 and text == "Not Found":
        text = f"there is no {request.url.path}"
    elif error.status_code == 405:
        text = f"{request.url.path} cannot be asked with {request.method}"
    return Response(Problem(text), status_code=error.status_code, headers=error.headers)


def _invalid(error: ValidationException) -> list[dict[str, str]]:
    return [each for each in error.extra if "key" in each] if isinstance(error.extra, list) else []


def _wrong(found: dict[str, str]) -> str:
    """What is wrong with one part of a request; the message about a body that is not there is only its name."""
    name, message = found["key"], found["message"]
    return f"{_SHOWN.get(name, name)}: {'missing' if message == repr(name) else message}"


def _broken(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """Our own mistake: the log gets all of it, the client only what to look for there."""
    error_id = secrets.token_hex(4)
    get_log().error("request failed", error_id=error_id, method=request.method, path=request.url.path, exc_info=error)
    return Response(Problem(f"internal error {error_id}; the daemon's log says more"), status_code=500)


# OpenAPI


class _ResourcesSchema(OpenAPISchemaPlugin):
    """Describes resources in the OpenAPI document."""

    @staticmethod
    def is_plugin_supported_type(value: Any) -> bool:
        """Part of the plugin protocol."""
        return value is Resources

    @classmethod
    def to_openapi_schema(cls, field_definition: FieldDefinition, schema_creator: Any) -> Schema:  # noqa: ARG003
        """Part of the plugin protocol."""
        number = Schema(type=OpenAPIType.NUMBER)
        pair = Schema(type=OpenAPIType.ARRAY, items=Schema(type=OpenAPIType.INTEGER), min_items=2, max_items=2)
        ranges = Schema(type=OpenAPIType.ARRAY, items=pair)
        names = Schema(type=OpenAPIType.ARRAY, items=Schema(type=OpenAPIType.STRING))
        return Schema(
            type=OpenAPIType.OBJECT,
            description="Resources by name; a reserved one has its role in brackets. mem and disk are in MB.",
            additional_properties=Schema(any_of=[number, ranges, names]),
        )
