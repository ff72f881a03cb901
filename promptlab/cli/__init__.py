"""The command line: argv to a plan, to the engine, to sinks; errors to stderr and an exit code.

Nothing heavy is imported here: `promptlab --help` is held under a tenth of a second.
"""

from __future__ import annotations

import inspect
import io
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptlab import __version__
from promptlab.errors import LabError, UsageError
from promptlab.params import PARAMETERS

if TYPE_CHECKING:
    from promptlab.cli.here import Look
    from promptlab.keys import KeyChain

CANCELLED, CAPPED, SOME_FAILED, ALL_FAILED = 130, 4, 3, 1

app = typer.Typer(
    name="promptlab",
    help="Send one prompt to many models at once and see thinking and answers apart, side by side, live.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # rich help costs 70 ms of every start
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _with_parameters(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command one option for each declared parameter, gathered in its `parameters` argument."""
    signature = inspect.signature(function, eval_str=True)
    kept = [p for p in signature.parameters.values() if p.name != "parameters"]
    options = []
    for parameter in PARAMETERS.values():
        flags = [f"--{parameter.name.replace('_', '-')}", *([parameter.flag] if parameter.flag else [])]
        text = f"{parameter.help} ({parameter.range_text()})"
        info = typer.Option(*flags, help=text, metavar="VALUES", show_default=False)
        # A list for each: the last of two would win in silence.
        options.append(
            inspect.Parameter(
                parameter.name, inspect.Parameter.KEYWORD_ONLY, default=None,
                annotation=Annotated[list[str] | None, info],
            )
        )  # fmt: skip

    def command(**arguments: Any) -> None:
        given = {name: arguments.pop(name) or [] for name in PARAMETERS}
        function(**arguments, parameters=[(name, text) for name, texts in given.items() for text in texts])

    command.__name__, command.__doc__ = function.__name__, function.__doc__
    command.__signature__ = inspect.Signature([*kept, *options])  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in [*kept, *options]}
    return command


Models = Annotated[
    list[str] | None,
    typer.Option("--model", "-m", metavar="TARGET", help="ENDPOINT/MODEL, local, or local:FILE.gguf; repeat it for "
                 "more; own settings: -m 'local?temperature=0.2'", show_default=False),
]  # fmt: skip
RunNumber = Annotated[int | None, typer.Argument(help="A run's number; the last one without it.", show_default=False)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on stderr but errors.")]
HideThinking = Annotated[bool, typer.Option("--hide-thinking", "-R", help="Don't show thinking traces.")]
Usage = Annotated[bool, typer.Option("--usage", "-u", help="Show all token counts and the cost.")]
Format = Annotated[str | None, typer.Option("--format", metavar="FORMAT", help="text, md, json or jsonl.",
                                            show_default=False)]  # fmt: skip
Plain = Annotated[bool, typer.Option("--plain", help="Append-only lines; nothing is repainted.")]
Color = Annotated[str, typer.Option("--color", metavar="WHEN", help="auto, always or never.")]
Raw = Annotated[bool, typer.Option("--raw", help="Into a pipe or file: the answer's bytes as they came.")]
NoSave = Annotated[bool, typer.Option("--no-save", help="Keep nothing in the history.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Requests at once, in all.")]
Timeout = Annotated[float | None, typer.Option("--timeout", min=0.1, metavar="SECONDS", show_default=False,
                                               help="The most that one request may take.")]  # fmt: skip
TimeoutFirst = Annotated[float, typer.Option("--timeout-first", min=0.1, metavar="SECONDS",
                                             help="The longest wait for the first sign of life.")]  # fmt: skip
TimeoutSilence = Annotated[float, typer.Option("--timeout-silence", min=0.1, metavar="SECONDS",
                                               help="The longest silence after it.")]  # fmt: skip
Offline = Annotated[bool, typer.Option("--offline", help="Don't fetch the embedded model's weights.")]
Params = typer.Option("--params", metavar="MODE", show_default=False,
                      help="Where a model would not honour a parameter: adapt (the default) leaves out what it refuses "
                      "and says so, strict stops before sending, force sends as asked.")  # fmt: skip
PlainHttp = Annotated[bool, typer.Option("--plain-http", help="Reach --base-url by http:// though it is another "
                                         "machine: everybody on the way can read it.")]  # fmt: skip
EnvFile = Annotated[Path | None, typer.Option("--env-file", metavar="FILE", show_default=False,
                                              help="Read keys from a .env file too.")]  # fmt: skip
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print exactly what would be sent; send nothing.")]


@app.command()
@_with_parameters
def ask(
    prompt: Annotated[str | None, typer.Argument(help="What is asked. What comes by stdin is its context.",
                                                 show_default=False)] = None,
    model: Models = None,
    base_url: Annotated[str | None, typer.Option("--base-url", metavar="URL", show_default=False,
                        help="Any OpenAI-compatible server, for the targets of this command.")] = None,
    key_env: Annotated[str | None, typer.Option("--key-env", metavar="NAME", show_default=False,
                       help="The environment variable with its key.")] = None,
    plain_http: PlainHttp = False,
    env_file: EnvFile = None,
    profile: Annotated[str | None, typer.Option("--profile", "-p", metavar="NAME", show_default=False,
                       help="A profile's name or file.")] = None,
    var: Annotated[list[str] | None, typer.Option("--var", metavar="NAME=VALUE", show_default=False,
                   help="A variable of the profile; repeat it for more.")] = None,
    system: Annotated[str | None, typer.Option("--system", "-s", metavar="TEXT", show_default=False,
                      help="System prompt.")] = None,
    file: Annotated[list[str] | None, typer.Option("--file", "-f", metavar="FILE", show_default=False,
                    help="A text file as context; repeat it for more.")] = None,
    option: Annotated[list[str] | None, typer.Option("--option", "-o", metavar="NAME=VALUE", show_default=False,
                      help="Any parameter; body.NAME=JSON for a field that only this server knows.")] = None,
    params: Annotated[str, Params] = "adapt",
    hide_thinking: HideThinking = False,
    quiet: Quiet = False,
    usage: Usage = False,
    format: Format = None,
    plain: Plain = False,
    color: Color = "auto",
    raw: Raw = False,
    no_save: NoSave = False,
    dry_run: DryRun = False,
    jobs: Jobs = 64,
    timeout: Timeout = None,
    timeout_first: TimeoutFirst = 600.0,
    timeout_silence: TimeoutSilence = 300.0,
    offline: Offline = False,
    *,
    parameters: list[tuple[str, str]],
) -> None:  # fmt: skip
    """Send one prompt to every target at once; several values of a parameter (-t 0.2,1.3) make a pane each."""
    from promptlab.cli.ask import Asked, Way, ask
    from promptlab.cli.output import Output
    from promptlab.engine import Limits

    output = Output(format, plain, color, raw, hide_thinking, quiet, usage)
    limits = Limits(jobs=jobs, first=timeout_first, silence=timeout_silence, total=timeout)
    asked = Asked(
        prompt, model or [], base_url, key_env, profile, var or [], system, file or [], option or [], parameters,
        params, plain_http,
    )  # fmt: skip
    _exit(ask(asked, output, limits, Way(not no_save, dry_run, offline, env_file)))


@app.command()
def runs(
    count: Annotated[int, typer.Option("--count", "-n", min=0, help="How many, newest first; 0 for all.")] = 20,
    format: Annotated[str | None, typer.Option("--format", metavar="FORMAT", help="text or json.",
                                               show_default=False)] = None,
    color: Color = "auto",
) -> None:  # fmt: skip
    """List past runs, newest first."""
    from promptlab.cli import history

    _exit(history.runs(count, format, color))


@app.command()
def show(
    run: RunNumber = None,
    requests: Annotated[bool, typer.Option("--requests", help="The requests as they went out.")] = False,
    hide_thinking: HideThinking = False,
    usage: Usage = False,
    format: Format = None,
    plain: Plain = False,
    color: Color = "auto",
    raw: Raw = False,
) -> None:  # fmt: skip
    """Show a past run, through the same renderers as when it ran."""
    from promptlab.cli import history
    from promptlab.cli.output import Output

    _exit(history.show(run, Output(format, plain, color, raw, hide_thinking, False, usage), requests=requests))


@app.command()
def rerun(
    run: Annotated[
        int | None, typer.Argument(help="A run's number; the last one without it.", show_default=False)
    ] = None,
    hide_thinking: HideThinking = False,
    quiet: Quiet = False,
    usage: Usage = False,
    format: Format = None,
    plain: Plain = False,
    color: Color = "auto",
    raw: Raw = False,
    no_save: NoSave = False,
    dry_run: DryRun = False,
    params: Annotated[str | None, Params] = None,
    env_file: EnvFile = None,
    jobs: Jobs = 64,
    timeout: Timeout = None,
    timeout_first: TimeoutFirst = 600.0,
    timeout_silence: TimeoutSilence = 300.0,
    offline: Offline = False,
) -> None:
    """Send a past run's requests again, exactly as they were."""
    from promptlab.cli import history
    from promptlab.cli.ask import Way
    from promptlab.cli.output import Output
    from promptlab.engine import Limits

    output = Output(format, plain, color, raw, hide_thinking, quiet, usage)
    limits = Limits(jobs=jobs, first=timeout_first, silence=timeout_silence, total=timeout)
    _exit(history.rerun(run, output, limits, Way(not no_save, dry_run, offline, env_file), params))


models_app = typer.Typer(help="Which models can be used here, and what is known of each.", rich_markup_mode=None)
keys_app = typer.Typer(help="API keys: kept by the system's keyring, never shown.", rich_markup_mode=None,
                       no_args_is_help=True)  # fmt: skip
app.add_typer(models_app, name="models")
app.add_typer(keys_app, name="keys")
Refresh = Annotated[bool, typer.Option("--refresh", help="Wait for slow servers, up to 10 s, and keep their lists.")]
All = Annotated[bool, typer.Option("--all", help="Every model, and every server that was looked for.")]
OnlyAt = Annotated[str | None, typer.Option("--endpoint", "-e", metavar="NAME", help="Only this endpoint's.",
                                            show_default=False)]  # fmt: skip
Thinking = Annotated[bool, typer.Option("--thinks", help="Only those that think.")]
OnlyLocal = Annotated[bool, typer.Option("--local", help="Only those on this machine.")]
MaxPrice = Annotated[float | None, typer.Option("--max-price", min=0, metavar="USD", show_default=False,
                                                help="The most per million tokens, in and out.")]  # fmt: skip
MinContext = Annotated[str | None, typer.Option("--min-context", metavar="TOKENS", show_default=False,
                                                help="The least context: 32000, 128k, 1M.")]  # fmt: skip
Json = Annotated[bool, typer.Option("--json", help="The same as --format json.")]


@models_app.callback(invoke_without_command=True)
def models_list(
    context: typer.Context, endpoint: OnlyAt = None, thinks: Thinking = False, local: OnlyLocal = False,
    max_price: MaxPrice = None, min_context: MinContext = None, all: All = False, refresh: Refresh = False,
    format: Format = None, json: Json = False, color: Color = "auto",
) -> None:  # fmt: skip
    """List the models that can be used now: endpoints whose key is set, servers that answer, files on disk."""
    if context.invoked_subcommand is None:
        _list_models([], endpoint, thinks, local, max_price, min_context, all, refresh, format, json, color)


@models_app.command("find")
def models_find(
    words: Annotated[list[str], typer.Argument(help="Parts of a name, in any order: r1 distill.")],
    endpoint: OnlyAt = None, thinks: Thinking = False, local: OnlyLocal = False, max_price: MaxPrice = None,
    min_context: MinContext = None, refresh: Refresh = False, format: Format = None, json: Json = False,
    color: Color = "auto",
) -> None:  # fmt: skip
    """Search the models by parts of their names."""
    _list_models(words, endpoint, thinks, local, max_price, min_context, False, refresh, format, json, color)


def _list_models(
    words: list[str], endpoint: str | None, thinks: bool, local: bool, max_price: float | None,
    min_context: str | None, all: bool, refresh: bool, format: str | None, json: bool, color: str,
) -> None:  # fmt: skip
    from promptlab.cli.models import tokens
    from promptlab.providers.roster import Wanted

    least = tokens(min_context) if min_context else None
    wanted = Wanted(tuple(words), endpoint, thinks, local, max_price, least, all)
    from promptlab.cli import here

    _exit(here.show(wanted, _look(refresh), format="json" if json else format, color=color, refreshed=refresh))


@cache
def _look(refresh: bool) -> Look:
    """The look around, begun once: by `main` before Typer is ready, where it is sure to be asked for."""
    from promptlab.cli import here

    return here.look(refresh)


Model = Annotated[str, typer.Argument(metavar="MODEL", help="ENDPOINT/MODEL, or an alias.")]


@models_app.command("facts")
def model_facts(
    model: Model,
    base_url: Annotated[str | None, typer.Option("--base-url", metavar="URL", show_default=False)] = None,
    plain_http: PlainHttp = False,
    format: Annotated[str | None, typer.Option("--format", metavar="FORMAT", help="text or json.",
                                               show_default=False)] = None,
) -> None:  # fmt: skip
    """What is known of a model: which parameters it honours, how it thinks, by which source, and what it said here."""
    from promptlab.cli import facts

    _exit(facts.facts(model, base_url, format, plain_http=plain_http))


@models_app.command("forget")
def model_forget(
    model: Model,
    parameter: Annotated[str | None, typer.Argument(help="One parameter; all of them without it.",
                                                    show_default=False)] = None,
) -> None:  # fmt: skip
    """Forget what endpoints have refused of a model, so that it is tried again."""
    from promptlab.cli import facts

    _exit(facts.forget(model, parameter))


Rest = Annotated[list[str] | None, typer.Argument(hidden=True)]


@keys_app.command("set")
def keys_set(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An endpoint, or a variable such as OPENAI_API_KEY.")],
    rest: Rest = None,
) -> None:
    """Keep a key: typed unseen, or piped in."""
    from promptlab.cli import keys

    _exit(keys.set_key(name, *_chain(), rest or []))


@keys_app.command("list")
def keys_list(
    format: Annotated[str | None, typer.Option("--format", metavar="FORMAT", help="text or json.",
                                               show_default=False)] = None,
) -> None:  # fmt: skip
    """Which keys are set, and from where."""
    from promptlab.cli import keys

    _exit(keys.list_keys(*_chain(), format))


@keys_app.command("remove")
def keys_remove(name: Annotated[str, typer.Argument(metavar="NAME", help="An endpoint, or a variable.")]) -> None:
    """Forget a key that was kept."""
    from promptlab.cli import keys

    _exit(keys.remove_key(name, *_chain()))


def _chain() -> tuple[KeyChain, list[tuple[str, tuple[str, ...]]]]:
    """The keys of this machine, and the endpoints that they are for."""
    from promptlab import config

    places = config.places()
    known = config.settings(places).endpoints.values()
    return config.keys(places), [(e.name, e.keys) for e in known if e.keys]


local_app = typer.Typer(help="Model files on this machine.", rich_markup_mode=None, no_args_is_help=True)
app.add_typer(local_app, name="local")
TextOrJson = Annotated[str | None, typer.Option("--format", metavar="FORMAT", help="text or json.", show_default=False)]
Context = Annotated[int | None, typer.Option("--context", min=1, metavar="TOKENS", show_default=False,
                                             help="The context to reckon with.")]  # fmt: skip


@local_app.command("list")
def local_list(format: TextOrJson = None, context: Context = None) -> None:
    """Model files of all apps here, with the memory that each needs and whether it fits."""
    from promptlab.cli import local

    _exit(local.list_models(format, context))


@local_app.command("pull")
def local_pull(
    repository: Annotated[str, typer.Argument(help="A Hugging Face repository: ORG/NAME, ORG/NAME:Q4_K_M or :FILE.")],
    quiet: Quiet = False,
) -> None:
    """Fetch a model file; an interrupted one goes on where it stopped, and is checked."""
    from promptlab.cli import local

    _exit(local.pull(repository, quiet=quiet))


@local_app.command("remove")
def local_remove(
    name: Annotated[str, typer.Argument(help="A name of `promptlab local list`.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
) -> None:
    """Delete a model file that promptlab has fetched."""
    from promptlab.cli import local

    _exit(local.remove(name, yes=yes))


@local_app.command("serve")
def local_serve(
    name: Annotated[str, typer.Argument(help="A name of `promptlab local list`, or a file.")],
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")] = 0,
    context: Context = None,
    slots: Annotated[int, typer.Option("--slots", min=1, help="Requests at once.")] = 1,
    anyway: Annotated[bool, typer.Option("--anyway", help="Though it may not fit into memory.")] = False,
) -> None:
    """Serve a model file to other programs, on this machine only, until Ctrl-C."""
    from promptlab.cli import local

    _exit(local.serve(name, port=port, context=context, slots=slots, anyway=anyway))


@app.command()
def path() -> None:
    """Print where things are kept."""
    from promptlab.config import places, shipped_profiles

    where = places()
    kept = {"history": where.database, "config": where.settings, "profiles": where.config / "profiles",
            "shipped": shipped_profiles(), "cache": where.cache}  # fmt: skip
    for name, place in kept.items():
        typer.echo(f"{name:9} {place}")


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"promptlab {__version__}")
        raise typer.Exit


def _exit(code: int) -> None:
    raise typer.Exit(code)


def main() -> None:
    """The entry point: every foreseeable error is one line and what to do, with its exit code."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # typer loads pydantic; its plugin search costs 30 ms
    if sys.argv[1:2] in (["ask"], ["rerun"]):
        threading.Thread(target=_import_client, daemon=True).start()
    _secure_streams()
    try:
        if sys.argv[1:2] == ["models"] and not {"facts", "forget", "-h", "--help"} & set(sys.argv):
            _look("--refresh" in sys.argv)
        code = app(standalone_mode=False)
        sys.stdout.flush()  # here, where a reader that has left is no news, and not at the interpreter's end
    except typer.TyperException as error:
        _refuse(error)
        sys.exit(error.exit_code)
    except LabError as error:
        complain(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        sys.exit(CANCELLED)
    except BrokenPipeError:  # whoever read us has left; what ran is in the history
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ALL_FAILED)
    sys.exit(code)


def _secure_streams() -> None:
    """Streams that take any text: one that was closed goes nowhere (and its number not to the history's file),
    and what an old locale's encoding has no room for is written as \\u96ea."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    sys.stdout, sys.stderr = (stream or Path(os.devnull).open("w") for stream in (sys.stdout, sys.stderr))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _refuse(error: typer.TyperException) -> None:
    """What Typer finds wrong with the arguments, said as we say it."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(f"{error.format_message()}\n")
    else:
        complain(UsageError(error.format_message(), f"{context.command_path} --help" if context else ""))


def _import_client() -> None:
    """The HTTP client takes a third of the way to the first request to import, half of it in OpenSSL without the
    interpreter's lock: it is read while the arguments are."""
    with suppress(ImportError):
        import aiohttp  # noqa: F401


def complain(error: LabError) -> None:
    """An error on stderr: what happened, and what to do next."""
    from promptlab.render.sanitise import clean_line

    sys.stderr.write(f"promptlab: {clean_line(error.message)}\n")
    if error.hint:
        sys.stderr.write(f"  → {clean_line(error.hint)}\n")
