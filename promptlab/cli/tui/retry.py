"""One cell of a run again: as it was, or its prompt made anew for another target; and the request that it was."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from promptlab.errors import LabError, Sentence, UsageError
from promptlab.events import Sent
from promptlab.params import Value
from promptlab.places import Places
from promptlab.request import LOCAL, Message

if TYPE_CHECKING:
    from promptlab.cli.planning import Asked
    from promptlab.config import Settings
    from promptlab.knowledge import Facts
    from promptlab.plan import Cell, Plan, Run, Target
    from promptlab.transcript import Transcript

CUSTOM = "custom"  # the name of the endpoint at --base-url


def retried(plan: Plan, cell: Cell, target: str | None, asked: Asked, places: Places, settings: Settings) -> Plan:
    """A plan of one cell: the same request, or the one that `target` gets for it. Raises UsageError."""
    if target is not None:
        cell = _at(plan, cell, target, asked, places, settings)
    return replace(plan, cells=(replace(cell, index=0),), sweep=None, prospects=(), notes=(), void={})


def _at(plan: Plan, cell: Cell, text: str, asked: Asked, places: Places, settings: Settings) -> Cell:
    from promptlab.cli.planning import targets_of

    targets = targets_of([text], settings, plan.base_url)
    if len(targets) > 1 or any(len(values) > 1 for values in targets[0].axes.values()):
        raise UsageError(Sentence("'{text}' is more than one target, and a pane has one", text=text),
                         "choose one of them")  # fmt: skip
    target = targets[0]
    given = "--base-url" if plan.base_url else "--key-env" if plan.key_name else ""
    if given and target.endpoint not in (LOCAL, CUSTOM, *(one.endpoint for one in plan.cells)):
        # Both hold for every endpoint of a plan: that one would get what is another's, its key for one.
        raise UsageError(Sentence("this run has {given}, which is not for {endpoint}", given=given,
                                  endpoint=target.endpoint),
                         "give its server a name in config.yaml: then its panes and others can be mixed")  # fmt: skip
    own = {name: values[0] for name, values in target.axes.items()}
    parameters = {**cell.request.parameters, **own}
    messages = _remade(plan, cell, target, asked, places, settings) or _carried(plan, cell, target, settings)
    request = replace(cell.request, model=target.model, messages=messages, parameters=parameters, without=())
    varied = {name: own.get(name, value) for name, value in cell.varied.items()}
    return replace(cell, target=target.text, endpoint=target.endpoint, request=request, options=target.options,
                   varied=varied)  # fmt: skip


def _remade(
    plan: Plan, cell: Cell, target: Target, asked: Asked, places: Places, settings: Settings
) -> tuple[Message, ...] | None:
    """The messages of the prompt and the profile in the form that suits the new target; None where the words are no
    longer those that this cell was made of, which is tried."""
    from promptlab.cli.planning import make_plan

    if asked.profile != plan.profile:
        return None
    prompt = asked.prompt if asked.prompt and asked.prompt.strip() else None
    asked = replace(asked, prompt=prompt, save=None)
    try:
        before, after = (
            make_plan(replace(asked, models=[name]), places, settings).cells for name in (cell.target, target.text)
        )
    except LabError:
        return None
    if len(before) != len(after):
        return None
    return next((new.request.messages for old, new in zip(before, after, strict=True)
                 if old.request.messages == cell.request.messages), None)  # fmt: skip


def _carried(plan: Plan, cell: Cell, target: Target, settings: Settings) -> tuple[Message, ...]:
    """The messages as they are, in the turns that the new target takes; what another vendor has sealed stays behind."""
    from promptlab.cli.planning import Forms, Reach
    from promptlab.profile.compose import shape_of

    if (target.endpoint, target.model) == (cell.endpoint, cell.request.model):
        return cell.request.messages
    forms = Forms([target], settings, Reach(plan.base_url, plan.key_name, plan.plain_http))
    facts: Facts = forms.facts(target)
    carrier = shape_of(facts, cell.request.parameters).carrier
    messages = [Message(one.role, one.text) for one in cell.request.messages]
    above = "\n\n".join(one.text for one in messages if one.role in ("system", "developer"))
    turns = [one for one in messages if one.role not in ("system", "developer")]
    if above and carrier == "user" and turns and turns[0].role == "user":
        return (Message("user", f"{above}\n\n{turns[0].text}"), *turns[1:])
    return (Message(carrier, above), *turns) if above else tuple(turns)


def request_told(words: str, run: Run, cell: Cell, said: Transcript, places: Places) -> str:
    """The request of a cell as text: as it went out, or as it would. Keys have their names. Raises LabError."""
    from promptlab import config
    from promptlab.cli.ready import made_ready
    from promptlab.cli.requests import Outgoing, request_text
    from promptlab.cli.tui.words import parse

    wire = said.wire
    if wire is None and run.id is not None and said.started is not None:
        wire = _stored(run.id, cell, places)
    if wire is not None:
        return request_text(Outgoing(cell.target, wire.url, None, cell.request.parameters, said.sent, True, wire.body,
                                     said.verdicts, said.notes))  # fmt: skip
    _, _, way = parse(words, run.plan.prompt)
    plan, settings = replace(run.plan, cells=(replace(cell, index=0),), sweep=None), config.settings(places)
    with made_ready(plan, replace(way, dry_run=True), places, settings, quiet=True) as ready:
        return request_text(ready.planned()[0])


def _stored(run: int, cell: Cell, places: Places) -> Sent | None:
    """What was written down before it was sent, where it was."""
    from promptlab.store import Store

    with closing(Store(places.database)) as store:
        found = store.sent(run).get(cell.index)
    if found is None:
        return None
    url, rest = found
    messages: list[Value] = [{"role": one.role, "content": one.text} for one in cell.request.messages]
    return Sent(url, {"model": rest.get("model"), "messages": messages, **rest})
