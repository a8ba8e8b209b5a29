"""The vhb command. Commands live in `vhb.commands`, one file each; heavy imports happen when a command runs."""

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from vhb.commands.agents import agents
from vhb.commands.api import api
from vhb.commands.clean import clean
from vhb.commands.compare import compare
from vhb.commands.control import cancel, retry
from vhb.commands.datasets import datasets
from vhb.commands.dlq import dlq
from vhb.commands.doctor import doctor
from vhb.commands.evaluate import evaluate, report
from vhb.commands.events import events
from vhb.commands.explain import explain
from vhb.commands.init import init
from vhb.commands.query import query
from vhb.commands.registries import environments, metrics, models, tasks
from vhb.commands.results import results
from vhb.commands.run import run
from vhb.commands.schema import schema
from vhb.commands.show import show
from vhb.commands.status import status, watch
from vhb.commands.submit import submit
from vhb.commands.up import up
from vhb.commands.validate import validate

app = typer.Typer(
    name="vhb",
    help="VLMHyperBench: compare vision-language models on your own documents.\n\n"
    "Start with `vhb run JOB`: everything on this machine, from a job file to a report.",
    epilog="Exit codes: 0 done, 1 finished with failures, 2 bad input, 3 a server cannot be reached, 130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"vhb {version('vhb')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", metavar="", is_eager=True, callback=_version, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


_ALONE = "On this machine"
_STACK = "On a running stack"
_DEPLOYED = "Deployed"
_LOOK = "Look things up"

_PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    _ALONE: (run, up, validate, doctor, clean),
    _DEPLOYED: (init,),
    _STACK: (
        submit,
        status,
        watch,
        results,
        show,
        agents,
        explain,
        events,
        cancel,
        retry,
        evaluate,
        report,
        compare,
        query,
    ),
    _LOOK: (schema,),
}
for panel, functions in _PANELS.items():
    for function in functions:
        app.command(rich_help_panel=panel)(function)
app.add_typer(dlq, name="dlq", rich_help_panel=_STACK)
app.add_typer(api, name="api", rich_help_panel=_STACK)
for group, name in (
    (models, "models"),
    (tasks, "tasks"),
    (metrics, "metrics"),
    (datasets, "datasets"),
    (environments, "environments"),
):
    app.add_typer(group, name=name, rich_help_panel=_LOOK)


def main() -> None:
    """Entry point: exit codes as in interface.md; a user's mistake is a sentence on stderr, never a traceback."""
    try:
        app()  # leaves by SystemExit: 0, the command's own code, 2 for a wrong call, 130 for Ctrl-C
    except Exception as error:
        sys.exit(_explain(error))


def _explain(error: Exception) -> int:
    from vhb_shared.bus.connection import Unreachable
    from vhb_shared.errors import Unavailable, UserError

    if isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        return _explain(error.exceptions[0])
    if isinstance(error, UserError):
        for problem in error.lines:
            print(f"vhb: {problem}", file=sys.stderr)
        return 2
    if isinstance(error, (Unreachable, Unavailable)):
        print(f"vhb: {error}", file=sys.stderr)
        return 3
    if isinstance(error, BrokenPipeError):  # `vhb events | head`: nobody reads on
        sys.stdout = None
        return 0
    if _is_nats(error):
        print(f"vhb: the server stopped answering ({error or type(error).__name__}); try again.", file=sys.stderr)
        return 3
    raise error


def _is_nats(error: Exception) -> bool:
    from nats.errors import Error

    return isinstance(error, Error)


if __name__ == "__main__":
    main()
