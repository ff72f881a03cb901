"""The commands of the first level. Each passes its arguments on and returns the exit code; what it needs is imported
as it is called."""

from __future__ import annotations

from typing import Annotated

import typer

from promptlab import __version__
from promptlab.cli import groups
from promptlab.cli.options import (
    Asking,
    Color,
    Parameters,
    RunNumber,
    Sending,
    Showing,
    TextOrJson,
    spread,
)

app = typer.Typer(
    name="promptlab",
    help="Send one prompt to many models at once and see thinking and answers apart, side by side, live.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # rich help costs 70 ms of every start
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"promptlab {__version__}")
        raise typer.Exit


@app.command()
@spread
def ask(
    prompt: Annotated[str | None, typer.Argument(help="What is asked. What comes by stdin is its context.",
                                                 show_default=False)] = None,
    *,
    asking: Asking,
    sending: Sending,
    showing: Showing,
    parameters: Parameters,
) -> int:  # fmt: skip
    """Send one prompt to every target at once; several values of a parameter (-t 0.2,1.3) make a pane each."""
    from promptlab.cli.ask import ask

    asked = asking.asked(prompt, parameters, sending.params)
    return ask(asked, showing.output(quiet=sending.quiet), sending.limits(), sending.way())


@app.command()
def runs(
    count: Annotated[int, typer.Option("--count", "-n", min=0, help="How many, newest first; 0 for all.")] = 20,
    format: TextOrJson = None,
    color: Color = "auto",
) -> int:
    """List past runs, newest first."""
    from promptlab.cli import history

    return history.runs(count, format, color)


@app.command()
@spread
def show(
    run: RunNumber = None,
    requests: Annotated[bool, typer.Option("--requests", help="The requests as they went out.")] = False,
    *,
    showing: Showing,
) -> int:
    """Show a past run, through the same renderers as when it ran."""
    from promptlab.cli import history

    return history.show(run, showing.output(), requests=requests)


@app.command()
@spread
def rerun(run: RunNumber = None, *, sending: Sending, showing: Showing) -> int:
    """Send a past run's requests again, exactly as they were."""
    from promptlab.cli import history

    output = showing.output(quiet=sending.quiet)
    return history.rerun(run, output, sending.limits(), sending.way(), sending.params)


@app.command()
def doctor(format: TextOrJson = None, color: Color = "auto") -> int:
    """What works here and what does not, with the fix beside it; exit code 1 where something is broken."""
    from promptlab.cli.doctor import doctor

    return doctor(format, color)


@app.command()
def path() -> None:
    """Print where things are kept."""
    from promptlab.config import places, shipped_profiles

    where = places()
    kept = {"history": where.database, "config": where.settings, "profiles": where.config / "profiles",
            "shipped": shipped_profiles(), "cache": where.cache}  # fmt: skip
    for name, place in kept.items():
        typer.echo(f"{name:9} {place}")


app.add_typer(groups.models, name="models")
app.add_typer(groups.keys, name="keys")
app.add_typer(groups.local, name="local")
app.add_typer(groups.endpoints, name="endpoints")
app.add_typer(groups.profiles, name="profiles")
