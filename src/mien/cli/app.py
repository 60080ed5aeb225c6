"""The command line: an application of thin verbs over the library, which is imported only when a verb needs it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mien import __version__
from mien.cli.bench import bench
from mien.cli.data import data_app
from mien.cli.demo import demo
from mien.cli.evaluate import evaluate
from mien.cli.models import export, models
from mien.cli.predict import predict
from mien.cli.report import report
from mien.cli.serve import serve
from mien.cli.train import train
from mien.cli.usage import Verbs
from mien.cli.watch import watch
from mien.errors import MienError, cut_message, print_line, quoted

app = typer.Typer(
    cls=Verbs,
    help="Reads emotion from text, faces and clips: predict, train, evaluate. Offline.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (predict, report, watch, train, evaluate, serve, models, export, bench, demo):
    app.command()(verb)
app.add_typer(data_app, name="data")


def main() -> None:
    """Run the command line; every error that is foreseen is one line and exit code 1."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # emoji must not stop a terminal or pipe of another encoding
            stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        app()
    except MienError as error:
        _fail(error)
    except ModuleNotFoundError as error:
        if (error.name or "mien").startswith("mien"):
            raise
        _fail(f"this needs the package {error.name}, which is not installed; docs/install.md names the extras")
    except MemoryError:
        _fail("out of memory")
    except OSError as error:
        _fail(f"{quoted(error.filename or 'input or output')}: {error.strerror or error}")


def _fail(error: object) -> None:
    again = f"; go on with: {command}" if (command := getattr(error, "command", "")) else ""
    print_line(f"mien: {' '.join(cut_message(str(error)).split())}{again}", sys.stderr)
    sys.exit(1)


def _version(value: bool) -> None:
    if value:
        print_line(f"mien {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass
