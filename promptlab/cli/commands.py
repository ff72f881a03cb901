"""The commands of the first level. Each passes its arguments on and returns the exit code; what it needs is imported
as it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from promptlab import __version__
from promptlab.cli import groups
from promptlab.cli.options import (
    Asking,
    BaseUrl,
    Carrying,
    Color,
    Judges,
    KeyEnv,
    Parameters,
    PlainHttp,
    RunNumber,
    Saving,
    Sending,
    Showing,
    Sweeping,
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


@app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": ["-h"]})
def tui(context: typer.Context) -> int:
    """The lab on one screen: what stands behind it is for its field of targets, as `ask` takes it (-m a -m b -t 0,1).
    `promptlab` alone opens it, too."""
    from promptlab.cli.tui import tui

    return tui(context.args)


@app.command()
@spread
def ask(
    prompt: Annotated[str | None, typer.Argument(help="What is asked. What comes by stdin is its context.",
                                                 show_default=False)] = None,
    *,
    asking: Asking,
    saving: Saving,
    sending: Sending,
    showing: Showing,
    parameters: Parameters,
) -> int:  # fmt: skip
    """Send one prompt to every target at once; several values of a parameter (-t 0.2,1.3) make a pane each."""
    from promptlab.cli.ask import ask

    asked = asking.asked(prompt, parameters, sending.params, saving)
    return ask(asked, showing.output(quiet=sending.quiet), sending.limits(), sending.way())


@app.command()
@spread
def sweep(
    prompt: Annotated[str | None, typer.Argument(metavar="[PROMPT|PLAN.yaml]", help="What is asked, or a plan that "
                                                 "was written down.", show_default=False)] = None,
    *,
    asking: Asking,
    sweeping: Sweeping,
    carrying: Carrying,
    sending: Sending,
    showing: Showing,
    parameters: Parameters,
) -> int:  # fmt: skip
    """See what a parameter does: every point of its axes several times, measured, with what the numbers can't show."""
    from promptlab.cli.sweep import sweep, written

    asked = asking.asked(prompt, parameters, sending.params)
    whole, output = written(asked, sweeping, carrying.extract), showing.output(quiet=sending.quiet)
    return sweep(whole, asked, carrying.carrying(), output, sending.limits(), sending.way())


@app.command()
@spread
def compare(
    prompt: Annotated[str | None, typer.Argument(metavar="[PROMPT|PLAN.yaml|RUN]", help="What is asked, a plan, or the "
                                                 "number of a run whose answers are compared.",
                                                 show_default=False)] = None,
    answers: Annotated[int, typer.Option("--answers", min=2, max=4, help="So many stand side by side.")] = 2,
    votes: Annotated[int | None, typer.Option("--votes", min=1, metavar="N", show_default=False,
                     help="End after so many comparisons.")] = None,
    ahead: Annotated[int, typer.Option("--ahead", min=0, help="Comparisons that are sent before they are shown.")] = 1,
    wait: Annotated[bool, typer.Option("--wait", help="Show answers once all of a comparison are there: how fast they "
                                       "come tells nothing then.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask, whatever it costs.")] = False,
    format: Annotated[str | None, typer.Option("--format", metavar="FORMAT", show_default=False,
                      help="Of the numbers at the end: text, json or md.")] = None,
    color: Color = "auto",
    *,
    asking: Asking,
    sweeping: Sweeping,
    sending: Sending,
    parameters: Parameters,
) -> int:  # fmt: skip
    """Vote blind, in the terminal: promptlab compare "A story of a lighthouse" -m local -t 0.2,1.2 -n 5. Names, times
    and sides are told after each vote. `promptlab compare RUN` takes the answers of a run."""
    from promptlab.cli.compare import Comparing, compare

    asked = asking.asked(prompt, parameters, sending.params)
    comparing = Comparing(answers, votes, ahead, wait, yes, sending.quiet, format, color)
    return compare(asked, sweeping, comparing, sending.limits(), sending.way())


@app.command()
@spread
def stable(
    prompt: Annotated[str | None, typer.Argument(help="What is asked.", show_default=False)] = None,
    runs: Annotated[int, typer.Option("--runs", "-n", min=2, help="How many times.")] = 10,
    *,
    asking: Asking,
    sending: Sending,
    showing: Showing,
    parameters: Parameters,
) -> int:  # fmt: skip
    """Whether the same request gives the same answer (at temperature 0, unless you set one), and where answers part."""
    from promptlab.cli.stable import stable

    asked = asking.asked(prompt, parameters, sending.params)
    return stable(asked, runs, showing.output(quiet=sending.quiet), sending.limits(), sending.way())


@app.command()
@spread
def chain(
    name: Annotated[str | None, typer.Argument(metavar="[CHAIN|FILE.yaml]", help="A chain's name or file; without one, "
                                               "all that are known.", show_default=False)] = None,
    prompt: Annotated[str | None, typer.Argument(help="What is asked. What comes by stdin is its context.",
                                                 show_default=False)] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask, whatever it costs.")] = False,
    *,
    asking: Asking,
    sending: Sending,
    showing: Showing,
    parameters: Parameters,
) -> int:  # fmt: skip
    """A question through several models in a row, by a YAML of steps: promptlab chain hybrid "…" -m A -m solve=B.
    -m TARGET is for all steps that name none, -m STEP=TARGET for one of them."""
    from promptlab.cli.chain import chain, list_chains

    if name is None:
        return list_chains(showing.format, showing.color)
    asked = asking.asked(prompt, parameters, sending.params)
    return chain(name, asked, showing.output(quiet=sending.quiet), sending.limits(), sending.way(), yes=yes)


@app.command()
@spread
def fuse(
    run: RunNumber = None,
    by: Annotated[str, typer.Option("--by", metavar="TARGET", show_default=False, help="Who writes the answer.")] = "",
    council: Annotated[bool, typer.Option("--council", help="First each answer is reviewed blind by the other models, "
                                          "and ranked.")] = False,
    reviewer: Annotated[list[str] | None, typer.Option("--reviewer", metavar="TARGET", show_default=False,
                        help="With --council: who reviews, in place of the models of the run; repeat it for more.")
                        ] = None,
    row: Annotated[int | None, typer.Option("--row", min=1, metavar="N", show_default=False,
                   help="Of a run over a dataset: the answers to this row.")] = None,
    profile: Annotated[str | None, typer.Option("--profile", "-p", metavar="NAME", show_default=False,
                       help="How the writer is asked; `fuse` without it.")] = None,
    base_url: BaseUrl = None,
    key_env: KeyEnv = None,
    plain_http: PlainHttp = False,
    option: Annotated[list[str] | None, typer.Option("--option", "-o", metavar="NAME=VALUE", show_default=False,
                      help="Any parameter of these requests.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask, whatever it costs.")] = False,
    *,
    sending: Sending,
    showing: Showing,
    parameters: Parameters,
) -> int:  # fmt: skip
    """One answer out of those of a run, with what each contributed: promptlab fuse 12 --by openai/gpt-4.1 --council"""
    from promptlab.cli.fuse import Fusing, fuse
    from promptlab.cli.planning import Asked

    asked = Asked(None, [], base_url, key_env, None, [], None, [], option or [], parameters,
                  "adapt" if sending.params is None else sending.params, plain_http)  # fmt: skip
    fusing = Fusing(run, by, council or bool(reviewer), tuple(reviewer or ()), row, profile, yes)
    return fuse(fusing, asked, showing.output(quiet=sending.quiet), sending.limits(), sending.way())


@app.command()
@spread
def judge(
    run: Annotated[int | None, typer.Argument(help="A run's number; the last one without it.", show_default=False)
                   ] = None,
    *,
    judges: Judges,
    sending: Sending,
    format: TextOrJson = None,
    color: Color = "auto",
    parameters: Parameters,
) -> int:  # fmt: skip
    """Have models judge the answers of a run, each pair in both orders, and see how far to rely on them:
    promptlab judge 12 --judge openai/gpt-4.1 --criteria "vivid, coherent, keeps the form"."""
    from promptlab.cli.judge import judge

    return judge(judges.judging(run, parameters, sending, format, color), sending.limits(), sending.way())


@app.command()
@spread
def vote(
    prompt: Annotated[str | None, typer.Argument(metavar="[PROMPT|PLAN.yaml]", help="What is asked, or a plan that "
                                                 "was written down.", show_default=False)] = None,
    weight: Annotated[list[str] | None, typer.Option("--weight", metavar="TARGET=NUMBER", show_default=False,
                      help="What a vote of this target counts, in place of 1; repeat it for more.")] = None,
    extract: Annotated[str | None, typer.Option("--extract", metavar="HOW", show_default=False,
                       help="How an answer is taken out of a text: auto, boxed, number, option, json:FIELD, "
                       "re:PATTERN, text.")] = None,
    until: Annotated[str, typer.Option("--until", metavar="WHEN", help="decided: stop once the majority can't change; "
                     "confident: once the leader is 95% sure to be the likelier; all.")] = "decided",
    best_of: Annotated[bool, typer.Option("--best-of", help="Not the majority: the first answer that passes its "
                                          "checks, or the one that --judge ranks first.")] = False,
    judge: Annotated[str | None, typer.Option("--judge", metavar="TARGET", show_default=False,
                     help="Who ranks the answers, blind and in two orders; makes it --best-of.")] = None,
    run: Annotated[int | None, typer.Option("--run", metavar="RUN", show_default=False,
                   help="Count the answers of a past run; send nothing.")] = None,
    allow_run: Annotated[bool, typer.Option("--allow-run", help="Let checks of kind run: start programs.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask, whatever it costs.")] = False,
    *,
    asking: Asking,
    sweeping: Sweeping,
    sending: Sending,
    showing: Showing,
    parameters: Parameters,
) -> int:  # fmt: skip
    """Ask several times, -n or 5, and let the answers vote: promptlab vote "What is 17 × 23?" -m local -n 9 --extract
    number. Of each target so many, and no more than can change the majority."""
    from promptlab.cli.sweep import written
    from promptlab.cli.vote import Voting, vote

    asked = asking.asked(prompt, parameters, sending.params)
    voting = Voting(tuple(weight or ()), until, best_of or judge is not None, judge, run, allow_run, yes,
                    sweeping.repeat is not None)  # fmt: skip
    whole = written(asked, sweeping, extract)
    return vote(whole, asked, voting, showing.output(quiet=sending.quiet), sending.limits(), sending.way())


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
    cells: Annotated[bool, typer.Option("--cells", help="Of a sweep: every answer, not what they show.")] = False,
    *,
    showing: Showing,
) -> int:
    """Show a past run, through the same renderers as when it ran."""
    from promptlab.cli import history

    return history.show(run, showing.output(), requests=requests, cells=cells)


@app.command()
@spread
def rerun(
    run: RunNumber = None,
    pane: Annotated[int | None, typer.Option("--pane", metavar="NUMBER", min=1, show_default=False,
                    help="Only this pane of it, counted from 1.")] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", metavar="TARGET", show_default=False,
                     help="Of one pane: the same prompt at another target.")] = None,
    *,
    sending: Sending,
    showing: Showing,
) -> int:  # fmt: skip
    """Send a past run's requests again, exactly as they were."""
    from promptlab.cli import history

    output = showing.output(quiet=sending.quiet)
    if pane is not None or model is not None:
        return history.rerun_pane(run, pane, model, output, sending.limits(), sending.way())
    return history.rerun(run, output, sending.limits(), sending.way(), sending.params)


@app.command()
def best(
    run: RunNumber = None,
    cell: Annotated[int | None, typer.Option("--cell", metavar="NUMBER", min=1, show_default=False,
                    help="Mark this one, counted from 1, or take its mark from it.")] = None,
) -> int:  # fmt: skip
    """The answer that you have marked as the best one of a run; it counts in no ranking, for nothing was compared."""
    from promptlab.cli import history

    return history.best(run, cell)


@app.command()
@spread
def follow(
    prompt: Annotated[str, typer.Argument(help="The next turn, for each pane with its own conversation.")],
    run: Annotated[int | None, typer.Option("--run", metavar="RUN", show_default=False,
                   help="The run that goes on; the last one without it.")] = None,
    pane: Annotated[int | None, typer.Option("--pane", metavar="NUMBER", min=1, show_default=False,
                    help="Only this pane of it, counted from 1.")] = None,
    *,
    sending: Sending,
    showing: Showing,
) -> int:  # fmt: skip
    """Go on with a past run: a follow-up to every answer, or to one, with all that was said before."""
    from promptlab.cli.follow import follow

    return follow(prompt, run, pane, showing.output(quiet=sending.quiet), sending.limits(), sending.way())


@app.command()
@spread
def audit(
    target: Annotated[list[str] | None, typer.Argument(help="The targets; the embedded model without any.",
                                                       show_default=False)] = None,
    knob: Annotated[list[str] | None, typer.Option("--knob", metavar="NAME", show_default=False,
                    help="temperature (without it), top_p, top_k, min_p or seed; repeat it for more.")] = None,
    thorough: Annotated[bool, typer.Option("--thorough", help="Four times the texts, where there are log "
                                           "probabilities.")] = False,
    thinking: Annotated[bool, typer.Option("--thinking", help="Models that always think, too: each call is paid for "
                                           "with a thought.")] = False,
    keep_samplers: Annotated[bool, typer.Option("--keep-samplers", help="Leave the server's other samplers as they "
                                                "are.")] = False,
    base_url: BaseUrl = None,
    key_env: KeyEnv = None,
    plain_http: PlainHttp = False,
    format: TextOrJson = None,
    *,
    sending: Sending,
) -> int:  # fmt: skip
    """Whether a parameter does anything at a target: two dozen answers of one token decide, and the finding is kept."""
    from promptlab.cli.audit import Auditing, audit_targets
    from promptlab.cli.planning import Reach

    how = Auditing(tuple(knob or ("temperature",)), thorough, thinking, keep_samplers)
    return audit_targets(target or [], how, sending.way(), sending.limits(), reach=Reach(base_url, key_env, plain_http),
                         format=format or "text", quiet=sending.quiet)  # fmt: skip


@app.command()
def export(
    run: RunNumber = None,
    format: Annotated[str, typer.Option("--format", metavar="FORMAT",
                      help="csv, jsonl, parquet, md, html, junit, sft, or pairs (chosen and rejected by votes).")
                      ] = "md",
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", show_default=False,
                      help="A file; stdout without it.")] = None,
    no_thinking: Annotated[bool, typer.Option("--no-thinking", help="Leave the thinking traces out.")] = False,
    filter: Annotated[str | None, typer.Option("--filter", metavar="WHICH", show_default=False,
                      help="Only what passes every check (check), each prompt's most frequent answer (majority), or "
                      "what votes preferred (vote).")] = None,
    voter: Annotated[str | None, typer.Option("--voter", metavar="WHO", show_default=False,
                     help="Whose votes; yours without it.")] = None,
    extract: Annotated[str, typer.Option("--extract", metavar="HOW", help="How an answer is taken out of a text.")
                       ] = "auto",
    bom: Annotated[bool, typer.Option("--bom", help="Of csv: the mark by which Excel knows UTF-8.")] = False,
    allow_run: Annotated[bool, typer.Option("--allow-run", help="Let checks of kind run: start programs.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Over a file that is there.")] = False,
) -> int:  # fmt: skip
    """Give a run away: every row names model, parameters asked and sent, times, thinking and checks."""
    from promptlab.cli.export import export
    from promptlab.extract import check_how

    check_how(extract)
    return export(run, format, output, thinking=not no_thinking, filter=filter, force=force, bom=bom,
                  allow_run=allow_run, extract=extract, voter=voter)  # fmt: skip


@app.command()
def rank(
    run: Annotated[int | None, typer.Argument(help="A run's number; every vote of the history without it.",
                                              show_default=False)] = None,
    voter: Annotated[str | None, typer.Option("--voter", metavar="WHO", show_default=False,
                     help="Only votes of one: you, or a judge by its name.")] = None,
    together: Annotated[bool, typer.Option("--together", help="All voters as if they were one; else each stands "
                                           "alone.")] = False,
    votes: Annotated[bool, typer.Option("--votes", help="The votes themselves, with their numbers.")] = False,
    aside: Annotated[list[int] | None, typer.Option("--aside", metavar="N", show_default=False,
                     help="Set a vote aside: it counts no more. Repeat it for more.")] = None,
    count: Annotated[list[int] | None, typer.Option("--count", metavar="N", show_default=False,
                     help="Let a vote that was set aside count again.")] = None,
    format: Annotated[str | None, typer.Option("--format", metavar="FORMAT", show_default=False,
                      help="text, json, md or html.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", show_default=False,
                      help="A file; stdout without it.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Over a file that is there.")] = False,
    color: Color = "auto",
) -> int:  # fmt: skip
    """What your votes and your judges' say: pairs, a ranking, how sure it is, and how many votes are missing; for
    example promptlab rank --format html -o votes.html."""
    from promptlab.cli.rank import Ranking, rank

    wanted = Ranking(run, voter, together, votes, tuple(aside or ()), tuple(count or ()))
    return rank(wanted, format, output, color, force=force)


@app.command()
def search(
    text: Annotated[str, typer.Argument(help="Words that must all stand in it; Chinese needs no spaces.")],
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many, newest first.")] = 20,
    where: Annotated[str | None, typer.Option("--in", metavar="WHERE", show_default=False,
                     help="Only in prompt, thinking or answer.")] = None,
    format: TextOrJson = None,
    color: Color = "auto",
) -> int:  # fmt: skip
    """Find prompts, thinking and answers of past runs; exit code 1 where there is none."""
    from promptlab.cli.search import search

    return search(text, count, where, format, color)


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
