"""The groups of commands, `promptlab GROUP COMMAND`: a Typer each, mounted in `commands`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from promptlab.cli.options import BaseUrl, Color, Narrowing, PlainHttp, Quiet, TextOrJson, spread

if TYPE_CHECKING:
    from promptlab.cli.here import Look
    from promptlab.keys import KeyChain

models = typer.Typer(help="Which models can be used here, and what is known of each.", rich_markup_mode=None)
Model = Annotated[str, typer.Argument(metavar="MODEL", help="ENDPOINT/MODEL, or an alias.")]


@models.callback(invoke_without_command=True)
@spread
def models_list(
    context: typer.Context,
    all: Annotated[bool, typer.Option("--all", help="Every model, and every server that was looked for.")] = False,
    *,
    narrowing: Narrowing,
) -> int:
    """List the models that can be used now: endpoints whose key is set, servers that answer, files on disk."""
    return 0 if context.invoked_subcommand else _list((), narrowing, all=all)


@models.command("find")
@spread
def models_find(
    words: Annotated[list[str], typer.Argument(help="Parts of a name, in any order: r1 distill.")],
    *,
    narrowing: Narrowing,
) -> int:
    """Search the models by parts of their names."""
    return _list(tuple(words), narrowing, all=False)


def _list(words: tuple[str, ...], narrowing: Narrowing, *, all: bool) -> int:
    from promptlab.cli import here

    wanted = narrowing.wanted(words, all=all)
    form = "json" if narrowing.json else narrowing.format
    return here.show(wanted, look(narrowing.refresh), format=form, color=narrowing.color, refreshed=narrowing.refresh)


@cache
def look(refresh: bool) -> Look:
    """The look around, begun once: by `main` before Typer is ready, where it is sure to be asked for."""
    from promptlab.cli import here

    return here.look(refresh)


@models.command("facts")
def models_facts(
    model: Model, base_url: BaseUrl = None, plain_http: PlainHttp = False, format: TextOrJson = None
) -> int:
    """What is known of a model: which parameters it honours, how it thinks, by which source, and what it said here."""
    from promptlab.cli import facts

    return facts.facts(model, base_url, format, plain_http=plain_http)


@models.command("favourite")
def models_favourite(
    target: Annotated[str | None, typer.Argument(help="A target; those that are marked without it.",
                                                 show_default=False)] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take its mark.")] = False,
) -> int:  # fmt: skip
    """Mark a target, so that the lab lists it among the first."""
    from promptlab.cli.tui.kept import favour, favourites
    from promptlab.places import places
    from promptlab.render.sanitise import clean_line

    if target is not None:
        favour(places(), target, on=not remove)
    for one in favourites(places()):
        typer.echo(clean_line(one))
    return 0


@models.command("forget")
def models_forget(
    model: Model,
    parameter: Annotated[str | None, typer.Argument(help="One parameter; all of them without it.",
                                                    show_default=False)] = None,
) -> int:  # fmt: skip
    """Forget what endpoints have refused of a model, so that it is tried again."""
    from promptlab.cli import facts

    return facts.forget(model, parameter)


keys = typer.Typer(help="API keys: kept by the system's keyring, never shown.", rich_markup_mode=None,
                   no_args_is_help=True)  # fmt: skip


@keys.command("set")
def keys_set(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An endpoint, or a variable such as OPENAI_API_KEY.")],
    rest: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
) -> int:
    """Keep a key: typed unseen, or piped in."""
    from promptlab.cli.keys import set_key

    return set_key(name, *_chain(), rest or [])


@keys.command("list")
def keys_list(format: TextOrJson = None) -> int:
    """Which keys are set, and from where."""
    from promptlab.cli.keys import list_keys

    return list_keys(*_chain(), format)


@keys.command("remove")
def keys_remove(name: Annotated[str, typer.Argument(metavar="NAME", help="An endpoint, or a variable.")]) -> int:
    """Forget a key that was kept."""
    from promptlab.cli.keys import remove_key

    return remove_key(name, *_chain())


def _chain() -> tuple[KeyChain, list[tuple[str, tuple[str, ...]]]]:
    """The keys of this machine, and the endpoints that they are for."""
    from promptlab import config

    places = config.places()
    known = config.settings(places).endpoints.values()
    return config.keys(places), [(e.name, e.keys) for e in known if e.keys]


local = typer.Typer(help="Model files on this machine.", rich_markup_mode=None, no_args_is_help=True)
Context = Annotated[int | None, typer.Option("--context", min=1, metavar="TOKENS", show_default=False,
                                             help="The context to reckon with.")]  # fmt: skip


@local.command("list")
def local_list(format: TextOrJson = None, context: Context = None) -> int:
    """Model files of all apps here, with the memory that each needs and whether it fits."""
    from promptlab.cli.local import list_models

    return list_models(format, context)


@local.command("pull")
def local_pull(
    repository: Annotated[str, typer.Argument(help="A Hugging Face repository: ORG/NAME, ORG/NAME:Q4_K_M or :FILE.")],
    quiet: Quiet = False,
) -> int:
    """Fetch a model file; an interrupted one goes on where it stopped, and is checked."""
    from promptlab.cli.local import pull

    return pull(repository, quiet=quiet)


@local.command("remove")
def local_remove(
    name: Annotated[str, typer.Argument(help="A name of `promptlab local list`.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
) -> int:
    """Delete a model file that promptlab has fetched."""
    from promptlab.cli.local import remove

    return remove(name, yes=yes)


@local.command("serve")
def local_serve(
    name: Annotated[str, typer.Argument(help="A name of `promptlab local list`, or a file.")],
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")] = 0,
    context: Context = None,
    slots: Annotated[int, typer.Option("--slots", min=1, help="Requests at once.")] = 1,
    anyway: Annotated[bool, typer.Option("--anyway", help="Though it may not fit into memory.")] = False,
) -> int:
    """Serve a model file to other programs, on this machine only, until Ctrl-C."""
    from promptlab.cli.local import serve

    return serve(name, port=port, context=context, slots=slots, anyway=anyway)


endpoints = typer.Typer(help="Endpoints of your own, in config.yaml.", rich_markup_mode=None, no_args_is_help=True)


@endpoints.command("add")
def endpoints_add(
    name: Annotated[str, typer.Argument(help="What stands before the slash of a target.")],
    base_url: Annotated[str, typer.Argument(metavar="URL", help="Where it listens.")],
    dialect: Annotated[str | None, typer.Option("--dialect", metavar="NAME", show_default=False,
                       help="openai-chat, openai-responses, anthropic, gemini, ollama; else found out.")] = None,
    key: Annotated[str | None, typer.Option("--key", metavar="VARIABLE", show_default=False,
                   help="The name that its key is kept under; never the key.")] = None,
    plain_http: Annotated[bool, typer.Option("--plain-http", help="By http:// though it is another machine.")] = False,
    no_try: Annotated[bool, typer.Option("--no-try", help="Don't ask it anything; write it down as it is.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask me anything.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="In place of the one that has the name.")] = False,
) -> int:  # fmt: skip
    """Try an address, say what is there, and keep it."""
    from promptlab import config
    from promptlab.cli.endpoints import Wanted, add

    places = config.places()
    return add(Wanted(name, base_url, dialect, key, plain_http, not no_try, yes, replace), places, config.keys(places))


@endpoints.command("list")
def endpoints_list(format: TextOrJson = None) -> int:
    """All endpoints that are known by name, yours first."""
    from promptlab import config
    from promptlab.cli.endpoints import list_endpoints

    places = config.places()
    return list_endpoints(places, config.keys(places), format)


@endpoints.command("remove")
def endpoints_remove(name: Annotated[str, typer.Argument(help="One of your own.")]) -> int:
    """Take one of your own endpoints out of config.yaml."""
    from promptlab import config
    from promptlab.cli.endpoints import remove

    return remove(name, config.places())


profiles = typer.Typer(help="Prompts that are kept: what they are, what each model gets of them.",
                       rich_markup_mode=None, no_args_is_help=True)  # fmt: skip
ProfileName = Annotated[str, typer.Argument(metavar="NAME", help="A profile's name or file.")]
NewName = Annotated[str, typer.Argument(metavar="NEW", help="Letters of any script, digits, - _ and .")]
Force = Annotated[bool, typer.Option("--force", help="In place of the one that has the name.")]
Here = Annotated[bool, typer.Option("--here", help="Into ./profiles, for this folder alone.")]


@profiles.command("list")
def profiles_list(format: TextOrJson = None) -> int:
    """All profiles, the nearest folder first, and what a nearer one hides."""
    from promptlab.cli.shelf import list_profiles
    from promptlab.places import places

    return list_profiles(places(), format)


@profiles.command("show")
def profiles_show(
    name: ProfileName,
    for_: Annotated[list[str] | None, typer.Option("--for", metavar="TARGET", show_default=False,
                    help="The exact messages that this target gets; repeat it for more.")] = None,
    var: Annotated[list[str] | None, typer.Option("--var", metavar="NAME=VALUE", show_default=False,
                   help="A variable of the profile; repeat it for more.")] = None,
    diff: Annotated[tuple[str, str] | None, typer.Option("--diff", metavar="TARGET TARGET", show_default=False,
                    help="How what two targets get differs.")] = None,
    prompt: Annotated[str, typer.Option("--prompt", metavar="TEXT", show_default=False,
                      help="What would be asked beside the profile.")] = "",
    cot: Annotated[bool, typer.Option("--cot", help="As `ask --cot`.")] = False,
    allow_files: Annotated[bool, typer.Option("--allow-files", help="Let it read files outside its folder.")] = False,
    format: TextOrJson = None,
    color: Color = "auto",
) -> int:  # fmt: skip
    """What is in a profile; with --for, exactly what a model gets of it, and why."""
    from promptlab import config
    from promptlab.cli.profiles import Asked, show_profile

    asked = Asked(name, tuple(for_ or ()), tuple(var or ()), diff, prompt, cot, allow_files, format, color)
    return show_profile(asked, config.places())


@profiles.command("new")
def profiles_new(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", show_default=False)] = None,
    here: Here = False,
    force: Force = False,
    run: Annotated[int | None, typer.Option("--run", metavar="RUN", show_default=False,
                   help="Of a past run: its texts, targets and parameters.")] = None,
) -> int:  # fmt: skip
    """Make a profile: asks for its four parts, takes its YAML from a pipe, or is made of a past run."""
    from promptlab import config
    from promptlab.cli import keep

    if run is not None:
        from promptlab.cli.saving import new_of_run

        return new_of_run(name, run, config.places(), force)
    return keep.new(name, config.places(), here=here, force=force)


@profiles.command("edit")
def profiles_edit(name: ProfileName) -> int:
    """Open a profile in your editor; it is checked when you save, and a broken text is kept."""
    from promptlab import config
    from promptlab.cli import keep

    return keep.edit(name, config.places())


@profiles.command("copy")
def profiles_copy(name: ProfileName, new: NewName, here: Here = False, force: Force = False) -> int:
    """Copy a profile under another name, comments and all."""
    from promptlab import config
    from promptlab.cli import keep

    return keep.copy(name, new, config.places(), here=here, force=force)


@profiles.command("rename")
def profiles_rename(name: ProfileName, new: NewName, force: Force = False) -> int:
    """Give one of your profiles another name."""
    from promptlab import config
    from promptlab.cli import keep

    return keep.rename(name, new, config.places(), force=force)


@profiles.command("remove")
def profiles_remove(
    name: ProfileName, yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False
) -> int:
    """Delete one of your profiles."""
    from promptlab import config
    from promptlab.cli import keep

    return keep.remove(name, config.places(), yes=yes)


@profiles.command("path")
def profiles_path(name: Annotated[str | None, typer.Argument(metavar="[NAME]", show_default=False)] = None) -> int:
    """Print the file of a profile, or the folder of your own."""
    from promptlab import config
    from promptlab.cli import keep

    return keep.path(name, config.places())


@profiles.command("lint")
def profiles_lint(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME|FILE|-]...", show_default=False)] = None,
    for_: Annotated[list[str] | None, typer.Option("--for", metavar="TARGET", show_default=False,
                    help="The model that it is for; repeat it for more.")] = None,
    format: Annotated[str | None, typer.Option("--format", metavar="FORMAT", show_default=False,
                      help="text, json, sarif or github.")] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Write the safe fixes into the files.")] = False,
) -> int:  # fmt: skip
    """What in a profile works against the model that it is for, and the fix; exit code 1 with warnings."""
    from promptlab.cli.lint import lint

    return lint(names or [], for_ or [], format, fix=fix)


@profiles.command("import")
def profiles_import(
    path: Annotated[Path, typer.Argument(help="A file or folder of another tool.")],
    format: Annotated[str | None, typer.Option("--from", metavar="FORMAT", show_default=False,
                      help="aichat, llm, fabric, awesome, cherry, promptfoo or text; recognised without it.")] = None,
    into: Annotated[Path | None, typer.Option("--into", metavar="FOLDER", show_default=False,
                    help="Not into your own folder of profiles.")] = None,
    force: Force = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be taken; write nothing.")] = False,
) -> int:  # fmt: skip
    """Take over what other tools keep; nothing is overwritten without --force."""
    from promptlab import config
    from promptlab.cli.exchange import import_profiles
    from promptlab.profile import listed

    places = config.places()
    return import_profiles(path, into or places.config / "profiles", format=format, force=force, dry_run=dry_run,
                           known=listed(places.profiles))  # fmt: skip


@profiles.command("export")
def profiles_export(
    name: ProfileName,
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help="As for import; says what it can't hold.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="PATH", show_default=False,
                   help="A file or folder; stdout without it.")] = None,
    force: Force = False,
) -> int:  # fmt: skip
    """Write a profile as another tool has it."""
    from promptlab import config
    from promptlab.cli.exchange import export_profile
    from promptlab.profile import find, read

    folders = config.places().profiles
    return export_profile(read(find(name, folders), folders), to, out, force=force)
