"""The options that commands share: each declared once, alone or as a group that a command takes whole.

Typer reads options off a command's signature; `spread` puts a group's fields there. Groups are named tuples, and
annotations here no strings, because dataclasses and their evaluation would cost 7 ms of every start.
"""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from promptlab.params import PARAMETERS, Parameter

if TYPE_CHECKING:
    from promptlab.cli.judge import Judging
    from promptlab.cli.output import Output
    from promptlab.cli.planning import Asked
    from promptlab.cli.ready import Way
    from promptlab.cli.sweep import Carrying as CarryingOut
    from promptlab.engine import Limits
    from promptlab.providers.roster import Wanted

Parameters = list[tuple[str, str]]  # name and text of each decoding parameter, as given

BaseUrl = Annotated[str | None, typer.Option("--base-url", metavar="URL", show_default=False,
                    help="Any OpenAI-compatible server, for the targets of this command.")]  # fmt: skip
KeyEnv = Annotated[str | None, typer.Option("--key-env", metavar="NAME", show_default=False,
                   help="The environment variable with its key.")]  # fmt: skip
PlainHttp = Annotated[bool, typer.Option("--plain-http", help="Reach --base-url by http:// though it is another "
                                         "machine: everybody on the way can read it.")]  # fmt: skip
RunNumber = Annotated[int | None, typer.Argument(help="A run's number; the last one without it.", show_default=False)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on stderr but errors.")]
TextOrJson = Annotated[str | None, typer.Option("--format", metavar="FORMAT", help="text or json.", show_default=False)]
AnyFormat = Annotated[str | None, typer.Option("--format", metavar="FORMAT", help="text, md, json or jsonl.",
                                               show_default=False)]  # fmt: skip
Color = Annotated[str, typer.Option("--color", metavar="WHEN", help="auto, always or never.")]


class Asking(NamedTuple):
    """What is asked besides the prompt, and whom."""

    model: Annotated[list[str] | None, typer.Option("--model", "-m", metavar="TARGET", show_default=False,
                     help="ENDPOINT/MODEL, local, or local:FILE.gguf; repeat it for more; own settings: "
                     "-m 'local?temperature=0.2'")] = None  # fmt: skip
    base_url: BaseUrl = None
    key_env: KeyEnv = None
    plain_http: PlainHttp = False
    profile: Annotated[str | None, typer.Option("--profile", "-p", metavar="NAME", show_default=False,
                       help="A profile's name or file.")] = None  # fmt: skip
    var: Annotated[list[str] | None, typer.Option("--var", metavar="NAME=VALUE", show_default=False,
                   help="A variable of the profile; repeat it for more.")] = None  # fmt: skip
    cot: Annotated[bool, typer.Option("--cot", help="Let chat models think step by step first, apart from the answer; "
                   "reasoning models get the prompt as it is.")] = False  # fmt: skip
    allow_files: Annotated[bool, typer.Option("--allow-files", help="Let the profile read files outside its folder.")
                           ] = False  # fmt: skip
    system: Annotated[str | None, typer.Option("--system", "-s", metavar="TEXT", show_default=False,
                      help="System prompt.")] = None  # fmt: skip
    file: Annotated[list[str] | None, typer.Option("--file", "-f", metavar="FILE", show_default=False,
                    help="A text file as context; repeat it for more.")] = None  # fmt: skip
    option: Annotated[list[str] | None, typer.Option("--option", "-o", metavar="NAME=VALUE", show_default=False,
                      help="Any parameter; body.NAME=JSON for a field that only this server knows.")
                      ] = None  # fmt: skip

    def asked(
        self, prompt: str | None, parameters: Parameters, mode: str | None, saving: "Saving | None" = None
    ) -> "Asked":
        from promptlab.cli.planning import Asked

        save, force = saving or (None, False)
        return Asked(
            prompt, self.model or [], self.base_url, self.key_env, self.profile, self.var or [], self.system,
            self.file or [], self.option or [], parameters, "adapt" if mode is None else mode, self.plain_http,
            self.cot, self.allow_files, save, force,
        )  # fmt: skip


class Saving(NamedTuple):
    """Whether the command itself is kept."""

    save: Annotated[str | None, typer.Option("--save", metavar="NAME", show_default=False,
                    help="Keep this command as a profile, too.")] = None  # fmt: skip
    force: Annotated[bool, typer.Option("--force", help="With --save: over a profile that has the name.")] = False


class Showing(NamedTuple):
    """How a run is shown, whether it is sent now or out of the history."""

    hide_thinking: Annotated[bool, typer.Option("--hide-thinking", "-R", help="Don't show thinking traces.")] = False
    usage: Annotated[bool, typer.Option("--usage", "-u", help="Show all token counts and the cost.")] = False
    format: AnyFormat = None
    plain: Annotated[bool, typer.Option("--plain", help="Append-only lines; nothing is repainted.")] = False
    color: Color = "auto"
    raw: Annotated[bool, typer.Option("--raw", help="Into a pipe or file: the answer's bytes as they came.")] = False

    def output(self, *, quiet: bool = False) -> "Output":
        """Raises UsageError for a word that is none of the known ones."""
        from promptlab.cli.output import Output

        return Output(self.format, self.plain, self.color, self.raw, self.hide_thinking, quiet, self.usage)


class Sending(NamedTuple):
    """How a plan is carried out, whatever stands in it."""

    params: Annotated[str | None, typer.Option("--params", metavar="MODE", show_default=False,
                      help="Where a model would not honour a parameter: adapt (the default) leaves out what it refuses "
                      "and says so, strict stops before sending, force sends as asked.")] = None  # fmt: skip
    env_file: Annotated[Path | None, typer.Option("--env-file", metavar="FILE", show_default=False,
                        help="Read keys from a .env file too.")] = None  # fmt: skip
    no_save: Annotated[bool, typer.Option("--no-save", help="Keep nothing in the history.")] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print exactly what would be sent; send nothing.")] = False
    offline: Annotated[bool, typer.Option("--offline", help="Don't fetch the embedded model's weights.")] = False
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Requests at once, in all.")] = 64
    timeout: Annotated[float | None, typer.Option("--timeout", min=0.1, metavar="SECONDS", show_default=False,
                       help="The most that one request may take.")] = None  # fmt: skip
    timeout_first: Annotated[float, typer.Option("--timeout-first", min=0.1, metavar="SECONDS",
                             help="The longest wait for the first sign of life.")] = 600.0  # fmt: skip
    timeout_silence: Annotated[float, typer.Option("--timeout-silence", min=0.1, metavar="SECONDS",
                               help="The longest silence after it.")] = 300.0  # fmt: skip
    quiet: Quiet = False

    def limits(self) -> "Limits":
        from promptlab.engine import Limits

        return Limits(jobs=self.jobs, first=self.timeout_first, silence=self.timeout_silence, total=self.timeout)

    def way(self) -> "Way":
        from promptlab.cli.ready import Way

        return Way(not self.no_save, self.dry_run, self.offline, self.env_file)


class Sweeping(NamedTuple):
    """What is swept, besides the parameters' own options."""

    axis: Annotated[list[str] | None, typer.Option("--axis", metavar="NAME=VALUES", show_default=False,
                    help="A parameter, profile, system or var.NAME and its values: 0.2,1.3 or 0:2:0.25 or 0..2/9, with "
                    "'default' for unset; repeat it for more.")] = None  # fmt: skip
    zip: Annotated[str | None, typer.Option("--zip", metavar="NAME,NAME", show_default=False,
                   help="These axes go in step, instead of every combination.")] = None  # fmt: skip
    repeat: Annotated[int | None, typer.Option("--repeat", "-n", min=1, metavar="N", show_default=False,
                      help="Each point so many times.")] = None  # fmt: skip
    seeds: Annotated[str | None, typer.Option("--seeds", metavar="HOW", show_default=False,
                     help="With --seed: fixed (every repeat the same) or varied (seed + repeat).")] = None  # fmt: skip
    dataset: Annotated[str | None, typer.Option("--dataset", metavar="FILE", show_default=False,
                       help="Rows that are prompts or fill variables: CSV, JSON lines, YAML, a folder of texts.")
                       ] = None  # fmt: skip
    check: Annotated[list[str] | None, typer.Option("--check", metavar="KIND:TEXT", show_default=False,
                     help="contains, equals, re, number, answer, schema, lines …; repeat it for more.")
                     ] = None  # fmt: skip
    keep_samplers: Annotated[bool, typer.Option("--keep-samplers", help="Leave the server's other samplers as they "
                             "are, though they cut before the temperature.")] = False  # fmt: skip
    max_cost: Annotated[float | None, typer.Option("--max-cost", min=0, metavar="USD", show_default=False,
                        help="Begin no more cells once this is spent.")] = None  # fmt: skip
    max_tokens_total: Annotated[int | None, typer.Option("--max-tokens-total", min=1, metavar="N", show_default=False,
                                help="The same for tokens, in and out.")] = None  # fmt: skip
    max_time: Annotated[str | None, typer.Option("--max-time", metavar="TIME", show_default=False,
                        help="The same for time: 90s, 15m, 1h30m.")] = None  # fmt: skip


class Carrying(NamedTuple):
    """How a sweep is carried out and read."""

    resume: Annotated[str | None, typer.Option("--resume", metavar="[RUN]", show_default=False,
                      help="Send only what this run has not got yet; the last run of the plan without a number.")
                      ] = None  # fmt: skip
    retry_errors: Annotated[bool, typer.Option("--retry-errors", help="With --resume: what failed, too.")] = False
    cache: Annotated[bool, typer.Option("--cache", help="Take answers that an earlier run has to the very same request "
                     "and repeat.")] = False  # fmt: skip
    audit: Annotated[bool | None, typer.Option("--audit/--no-audit", show_default=False,
                     help="Test first whether the axes do anything: 24 answers of one token. Done where nobody knows.")
                     ] = None  # fmt: skip
    logprobs: Annotated[bool | None, typer.Option("--logprobs/--no-logprobs", show_default=False,
                        help="Ask for log probabilities where the target has them (local: always).")
                        ] = None  # fmt: skip
    until_decided: Annotated[bool, typer.Option("--until-decided", help="Skip the repeats of a point whose majority "
                             "can't change.")] = False  # fmt: skip
    extract: Annotated[str | None, typer.Option("--extract", metavar="HOW", show_default=False,
                       help="How an answer is taken out of a text: auto, boxed, number, option, json:FIELD, "
                       "re:PATTERN, text.")] = None  # fmt: skip
    fail_under: Annotated[float | None, typer.Option("--fail-under", min=0, max=1, metavar="SHARE", show_default=False,
                          help="Exit with 100 where fewer answers pass their checks.")] = None  # fmt: skip
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", show_default=False,
                     help="Write the checks as JUnit XML.")] = None  # fmt: skip
    allow_run: Annotated[bool, typer.Option("--allow-run", help="Let checks of kind run: start programs.")] = False
    write_plan: Annotated[Path | None, typer.Option("--write-plan", metavar="FILE", show_default=False,
                          help="Write this sweep down as YAML, to run again and to share.")] = None  # fmt: skip
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask, whatever it costs.")] = False

    def carrying(self) -> "CarryingOut":
        from promptlab.cli.outcome import Wanted
        from promptlab.cli.sweep import Carrying

        wanted = Wanted(self.extract, self.allow_run, self.fail_under, self.junit)
        return Carrying(self.resume, self.retry_errors, self.cache, self.audit, self.logprobs, self.yes,
                        self.until_decided, self.write_plan, wanted)  # fmt: skip


class Judges(NamedTuple):
    """Who judges a run, by what, and how."""

    judge: Annotated[list[str] | None, typer.Option("--judge", metavar="TARGET", show_default=False,
                     help="Who judges: ENDPOINT/MODEL or local; repeat it for more. Without one: what earlier judges "
                     "said.")] = None  # fmt: skip
    criteria: Annotated[str | None, typer.Option("--criteria", metavar="TEXT", show_default=False,
                        help='By what: "vivid, coherent, keeps the form".')] = None  # fmt: skip
    rubric: Annotated[bool, typer.Option("--rubric", help="A mark for each answer and criterion, as JSON by a schema, "
                      "instead of pairs.")] = False  # fmt: skip
    once: Annotated[bool, typer.Option("--once", help="Each pair in one order, left to chance: half the calls, and "
                    "nobody sees which verdicts would turn.")] = False  # fmt: skip
    soft: Annotated[bool, typer.Option("--soft", help="Let the log probabilities of both orders decide a vote, where "
                    "there are any, instead of the words.")] = False  # fmt: skip
    again: Annotated[bool, typer.Option("--again", help="What this judge has judged by these criteria, too; earlier "
                     "votes are set aside.")] = False  # fmt: skip
    most: Annotated[int | None, typer.Option("--most", min=1, metavar="N", show_default=False,
                    help="So many pairs (or answers) at most, yours first.")] = None  # fmt: skip
    profile: Annotated[str | None, typer.Option("--profile", "-p", metavar="NAME", show_default=False,
                       help="The judge's prompt, in place of judge or judge-rubric.")] = None  # fmt: skip
    cot: Annotated[bool, typer.Option("--cot", help="Let chat models think step by step first; it is kept, apart from "
                   "the verdict.")] = False  # fmt: skip
    logprobs: Annotated[bool | None, typer.Option("--logprobs/--no-logprobs", show_default=False,
                        help="Ask for log probabilities; without either, where the judge is known to have them.")
                        ] = None  # fmt: skip
    option: Annotated[list[str] | None, typer.Option("--option", "-o", metavar="NAME=VALUE", show_default=False,
                      help="Any parameter of the judges.")] = None  # fmt: skip
    base_url: BaseUrl = None
    key_env: KeyEnv = None
    plain_http: PlainHttp = False
    max_cost: Annotated[float | None, typer.Option("--max-cost", min=0, metavar="USD", show_default=False,
                        help="Begin no more calls once this is spent.")] = None  # fmt: skip
    max_tokens_total: Annotated[int | None, typer.Option("--max-tokens-total", min=1, metavar="N", show_default=False,
                                help="The same for tokens, in and out.")] = None  # fmt: skip
    max_time: Annotated[str | None, typer.Option("--max-time", metavar="TIME", show_default=False,
                        help="The same for time: 90s, 15m, 1h30m.")] = None  # fmt: skip
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask, whatever it costs.")] = False

    def judging(self, run: int | None, parameters: Parameters, sending: Sending, format: str | None,
                color: str) -> "Judging":  # fmt: skip
        """Raises UsageError for a time that is none."""
        from promptlab import sweep
        from promptlab.cli.judge import Judging
        from promptlab.cli.judging import Way
        from promptlab.cli.planning import Reach
        from promptlab.cli.tracking import Caps

        way = Way(self.criteria, self.profile, self.rubric, self.once, self.soft, self.again, self.most, self.logprobs,
                  self.cot, sending.params or "adapt")  # fmt: skip
        caps = Caps(self.max_cost, self.max_tokens_total, sweep.parse_time(self.max_time) if self.max_time else None)
        return Judging(run, self.judge or (), way, Reach(self.base_url, self.key_env, self.plain_http), parameters,
                       self.option or (), caps, self.yes, format, color, sending.quiet)  # fmt: skip


class Narrowing(NamedTuple):
    """Which models are listed, and how."""

    endpoint: Annotated[str | None, typer.Option("--endpoint", "-e", metavar="NAME", show_default=False,
                        help="Only this endpoint's.")] = None  # fmt: skip
    thinks: Annotated[bool, typer.Option("--thinks", help="Only those that think.")] = False
    local: Annotated[bool, typer.Option("--local", help="Only those on this machine.")] = False
    max_price: Annotated[float | None, typer.Option("--max-price", min=0, metavar="USD", show_default=False,
                         help="The most per million tokens, in and out.")] = None  # fmt: skip
    min_context: Annotated[str | None, typer.Option("--min-context", metavar="TOKENS", show_default=False,
                           help="The least context: 32000, 128k, 1M.")] = None  # fmt: skip
    refresh: Annotated[bool, typer.Option("--refresh", help="Wait for slow servers, up to 10 s, and keep their lists.")
                       ] = False  # fmt: skip
    format: AnyFormat = None
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False
    color: Color = "auto"

    def wanted(self, words: tuple[str, ...], *, all: bool) -> "Wanted":
        """Raises UsageError for a context that is no number of tokens."""
        from promptlab.cli.models import tokens
        from promptlab.providers.roster import Wanted

        least = tokens(self.min_context) if self.min_context else None
        return Wanted(words, self.endpoint, self.thinks, self.local, self.max_price, least, all)


def spread(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command an option for each field of the groups that it takes, and one for each declared decoding
    parameter where it takes `parameters`; it is called with the groups filled."""
    fill: dict[str, Callable[..., object]] = {}
    options: dict[str, list[inspect.Parameter]] = {}
    for argument in inspect.signature(command, eval_str=True).parameters.values():
        if hasattr(argument.annotation, "_fields"):
            fill[argument.name] = argument.annotation
            options[argument.name] = list(_fields(argument.annotation))
        elif argument.name == "parameters":
            fill[argument.name] = _given
            options[argument.name] = [_decoding(parameter) for parameter in PARAMETERS.values()]
        else:
            options[argument.name] = [argument]
    seen = [option for group in options.values() for option in group]

    def called(**arguments: object) -> int:
        for name, group in fill.items():
            arguments[name] = group(**{option.name: arguments.pop(option.name) for option in options[name]})
        return command(**arguments)

    called.__name__, called.__doc__ = command.__name__, command.__doc__
    called.__signature__ = inspect.Signature(seen)  # type: ignore[attr-defined]
    called.__annotations__ = {option.name: option.annotation for option in seen}
    return called


def _fields(group: type[NamedTuple]) -> Iterator[inspect.Parameter]:
    for name, annotation in group.__annotations__.items():
        yield _option(name, group._field_defaults[name], annotation)


def _decoding(parameter: Parameter) -> inspect.Parameter:
    """Its option takes a list: with a plain one, the last of two would win in silence."""
    flags = [f"--{parameter.name.replace('_', '-')}", *([parameter.flag] if parameter.flag else [])]
    text = f"{parameter.help} ({parameter.range_text()})"
    info = typer.Option(
        *flags, help=text, metavar="FILE|JSON" if parameter.kind == "object" else "VALUES", show_default=False
    )
    return _option(parameter.name, None, Annotated[list[str] | None, info])


def _option(name: str, default: object, annotation: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _given(**texts: list[str] | None) -> Parameters:
    return [(name, text) for name, several in texts.items() for text in several or ()]
