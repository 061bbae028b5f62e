"""Commands that run a daemon; their options are the fields of its configuration."""

import ast
import importlib
import inspect
import os
import sys
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import click
from click.core import ParameterSource
from msgspec import NODEFAULT, Meta, Struct, structs

from mesos_py.cli.command import Command
from mesos_py.cli.tables import Column, show
from mesos_py.daemons.config import AgentConfig, LocalConfig, MasterConfig, load, print_config

__all__ = ["daemon", "local", "master"]

_HELP = {
    "master": """Run a master: it shares the cluster among frameworks.

    Examples:
      mesos master
      mesos master --broker amqps://master:secret@rabbit/ --http-host 0.0.0.0
      mesos master --zookeeper zk://zk1:2181,zk2:2181,zk3:2181/mesos
      mesos master --config /etc/mesos/master.toml --weights web=2,batch=0.5
    """,
    "agent": """Run an agent: it offers this machine's resources and runs tasks.

    Examples:
      mesos agent
      mesos agent --resources 'cpus:4;mem:8192;ports:[31000-31999]' --attributes 'rack:r1'
      mesos agent --config /etc/mesos/agent.toml

    TERM and INT stop it and let its tasks run on; the next one takes them over.
    USR1 makes it leave the cluster with its tasks.

    The commands below do not run one, but have an agent of a cluster emptied, spared or forgotten:
      mesos agent drain node7 --wait
    """,
    "local": """Run a whole cluster in one process, to try things out.

    Examples:
      mesos local
      mesos local --agents 5 --resources 'cpus:2;mem:1024'
      MESOS_HTTP_PORT=8080 mesos local
    """,
}
_EPILOG = """\
Each option is also a key of the TOML file that --config names, with _ for -, and an environment variable
MESOS_<KEY>. Options win over the environment, and that over the file."""


C = TypeVar("C", bound=click.Command)


def daemon(name: str, kind: type[Struct], cls: type[C], **settings: Any) -> C:
    """The command that runs ``mesos_py.daemons.<name>``, of class ``cls``, which gets the ``settings`` too."""

    def run(config_file: str | None, show_config: bool, show_isolation: bool = False, **flags: object) -> int:
        ctx = click.get_current_context()
        if ctx.invoked_subcommand is not None:
            _expect_no_options(ctx)
            return 0
        # MESOS_BROKER is where clients go; a cluster to try things out must not take that broker's master's place
        environ = {key: value for key, value in os.environ.items() if (name, key) != ("local", "MESOS_BROKER")}

        def read() -> Struct:
            return load(kind, file=config_file, environ=environ, flags=flags)

        config = read()
        if show_config:
            click.echo(print_config(config), nl=False)
            return 0
        if show_isolation:
            assert isinstance(config, AgentConfig)
            _print_isolation(config)
            return 0
        code = importlib.import_module(f"mesos_py.daemons.{name}").main(config, read)
        assert isinstance(code, int)
        return code

    options = [
        click.Option(
            ["--config", "config_file"],
            metavar="FILE",
            envvar="MESOS_CONFIG",
            show_envvar=True,
            help="TOML file with the keys below.",
        ),
        click.Option(["--print-config", "show_config"], is_flag=True, help="Print the configuration as TOML and exit."),
        *_options(kind),
    ]
    if kind is AgentConfig:
        help_ = "Print which isolation this host lets the agent enforce, and exit."
        options.insert(2, click.Option(["--print-isolation", "show_isolation"], is_flag=True, help=help_))
    return cls(name, callback=run, params=[*options], help=_HELP[name], epilog=_EPILOG, **settings)


def _expect_no_options(ctx: click.Context) -> None:
    """A daemon is configured or one is operated, never both."""
    given = [name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if given:
        raise click.UsageError(f"options of the daemon do not go with the command {ctx.invoked_subcommand!r}", ctx)


def _print_isolation(config: AgentConfig) -> None:
    from mesos_py.daemons.isolation import isolation_states  # noqa: PLC0415  (slow)

    columns = [
        Column("ISOLATOR", lambda state: state["name"]),
        Column("STATE", lambda state: "on" if state["is_on"] else "lacking" if state["is_lacking"] else "off"),
        Column("DETAIL", lambda state: state["detail"]),
    ]
    show(columns, [structs.asdict(state) for state in isolation_states(config)], "")


def _options(kind: type[Struct]) -> list[click.Option]:
    hints, docs = get_type_hints(kind, include_extras=True), field_docs(kind)
    own = [name for name in kind.__struct_fields__ if name in kind.__annotations__]
    inherited = [name for name in kind.__struct_fields__ if name not in own]
    return [_option(kind, name, hints[name], docs.get(name, "")) for name in (*own, *inherited)]


def _option(kind: type[Struct], name: str, hint: Any, doc: str) -> click.Option:
    default = _default(kind, name)
    flag = "--" + name.replace("_", "-")
    shown = "" if default in ("", {}, None) or isinstance(default, bool) else f"  [default: {default}]"
    if hint is bool:
        return click.Option([f"{flag}/--no-{flag[2:]}", name], default=None, help=doc)
    return click.Option([flag, name], type=_click_type(hint), metavar=_metavar(hint), default=None, help=doc + shown)


def _default(kind: type[Struct], name: str) -> Any:
    at = kind.__struct_fields__.index(name) - len(kind.__struct_fields__)
    default = kind.__struct_defaults__[at]
    factory: Callable[[], Any] | None = getattr(default, "factory", None)
    if factory is not None:
        return factory()
    return None if default is NODEFAULT else default


def _click_type(hint: Any) -> click.ParamType[Any]:
    limits: dict[str, Any] = {}
    if get_origin(hint) is Annotated:
        hint, meta = get_args(hint)
        assert isinstance(meta, Meta)
        above = meta.gt is not None
        limits = {"min": meta.gt if above else meta.ge, "max": meta.le, "min_open": above}
    kinds: dict[Any, Callable[..., click.ParamType[Any]]] = {int: click.IntRange, float: click.FloatRange}
    return kinds[hint](**limits) if hint in kinds else click.STRING


def _metavar(hint: Any) -> str:
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) is dict:
        return "NAME=VALUE,..."
    return {int: "N", float: "NUMBER"}.get(hint, "TEXT")


@cache
def field_docs(kind: type[Struct]) -> dict[str, str]:
    """The strings that stand under the fields of a Struct and its bases."""
    docs: dict[str, str] = {}
    for owner in reversed(kind.__mro__):
        if not (issubclass(owner, Struct) and owner.__module__.startswith("mesos_py.")):
            continue
        body = _class_body(sys.modules[owner.__module__].__name__, owner.__name__)
        for field, below in pairwise(body):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    docs[name] = " ".join(text.split())
    return docs


@cache
def _class_body(module: str, name: str) -> list[ast.stmt]:
    source = inspect.getsource(sys.modules[module])
    return next(node.body for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == name)


master = daemon("master", MasterConfig, Command)
local = daemon("local", LocalConfig, Command)
