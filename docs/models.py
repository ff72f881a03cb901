"""Writes docs/models.md from the shipped model knowledge: `python docs/models.py`. `--check` writes nothing, and exits
1 where the page is not what the data says."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from promptlab import document, knowledge
from promptlab.knowledge import Effort, Family, Knowledge, Retired, Rule, Source
from promptlab.params import PARAMETERS, Value, show
from promptlab.providers import catalog
from promptlab.providers.catalog import Endpoint

PAGE = Path(__file__).with_name("models.md")
LEVELS = PARAMETERS["effort"].choices
HOLE = "…"  # the place of the word that differs

FOREWORD = """\
# Models and endpoints: what is known of them

<!-- Written by docs/models.py from promptlab/knowledge.yaml: change the data, not this page. -->

promptlab looks here before it sends anything: what an endpoint takes, what a model ignores, refuses or fixes, how it
thinks and how that is asked for. What no source says is unknown, and unknown is no fault: such a parameter is sent as
it was asked. Each fact has its source, and each source its day, at the end of this page. `promptlab models facts
openai/gpt-5.4` shows what is known of one model.

**Your own word wins.** Put the same sections into your config.yaml (`promptlab path` says where it is). A family says
only what it changes. Of all families that match a model the longest pattern counts first, then the one that names an
endpoint, then the one that names a dialect, and of equals yours:

```yaml
families:
  - match: "my-tuned-qwen*"       # compared with the whole id, and with what stands behind its last slash
    at: vllm                      # only at this endpoint; without it, everywhere
    thinks: by default            # always, by default, on request, never
    thinking: raw                 # raw, summary, hidden, none
    effort: vllm                  # a row of the table of efforts, or one of your own under `efforts:`
    parameters:
      temperature:
        - {verdict: ignored, when: thinking}
        - {verdict: honoured, when: not thinking, range: [0, 2]}
      top_k: refused
retired:
  - {match: my-old-model, at: vllm, date: 2026-12-01, successor: my-tuned-qwen}
```

## Endpoints
"""
EFFORTS = f"""\
## One scale of effort

`--effort` and `--thinking-budget` become what each vendor has. *In the body* is what is put into the request, with the
word of the column in the place of `{HOLE}`; what stands in braces in a column is put there instead, whole. An empty
cell: there is no such word, and the effort is refused. The last column is for a number of thinking tokens, with its
limits. The table *How they think* says which model has which of these.
"""
TAKEN = """\
## What they take

A range or *yes*: honoured. *=1*: fixed at 1. *no*: refused; it is left out and said, `--params force` sends it all the
same. *ignored*: taken, and without effect. *?*: unknown, and why. *off:* and *on:* are for a model that does not think,
or does; what else stands before a colon is the condition. What is not said in any row that fits a model is unknown. The
numbers are those of the notes below the table.
"""
THINKING = """\
## How they think

*Always*: it can't be switched off. *By default*: it can be, with effort none. *On request*: with an effort or a budget.
*Shown with*: sent along where the model thinks, so that the thinking can be seen. *Against*: what the maker advises
against: a system prompt, examples, steps to follow.
"""
PROMPTS = """\
## How they want a prompt

What a profile's rendering goes by. *Instructions*: the turn that carries them; a user message means that there is no
other. *Sections*: how the parts are marked, headings or tags; headings where nothing is said. *Order*: the parts that
come first; the others follow in the order role, goal, format, rules, steps, examples, context.
"""
THINKING_HEAD = (
    "models", "at", "thinks", "arrives", "shown with", "effort", "against", "recommended", "source",
)  # fmt: skip
PROMPTS_HEAD = ("models", "at", "instructions", "sections", "order", "source")
RETIRED = """\
## Retired ids

Ids that answer no more, or will not from a day on.
"""
SOURCES = """\
## Sources

Sure: **A** run here, or read in source code; **B** the vendor's own pages; **C** others, or older text; **D** common
knowledge, not looked up.
"""


def page(endpoints: Mapping[str, Endpoint], known: Knowledge) -> str:
    notes: dict[str, int] = {}  # each text once, with its number
    of_parameters = [family for family in known.families if family.parameters]
    of_thinking = [family for family in known.families if tells_of_thinking(family)]
    taken = table(["models", "at", *PARAMETERS, "source"], [taken_row(family, notes) for family in of_parameters])
    sections = [
        FOREWORD,
        table(["name", "address", "key", "dialect", ""], map(endpoint_row, endpoints.values())),
        EFFORTS,
        table(["table", "in the body", *LEVELS, "thinking budget"], effort_rows(known.efforts)),
        TAKEN,
        taken,
        "".join(f"{number}. {text}\n" for text, number in notes.items()),
        THINKING,
        table(THINKING_HEAD, map(thinking_row, of_thinking)),
        PROMPTS,
        table(PROMPTS_HEAD, (prompt_row(family) for family in known.families if tells_of_prompts(family))),
        RETIRED,
        table(["id", "at", "date", "successor", "source"], map(retired_row, known.retired)),
        SOURCES,
        table(["source", "where", "read on", "sure"], map(source_row, known.sources.values())),
    ]
    return "\n".join(sections)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def code(text: str) -> str:
    return f"`{text}`"


def codes(texts: Iterable[str]) -> str:
    return ", ".join(map(code, texts))


def span(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return ""
    if high is None:
        return f"{low:g} or more"
    return f"up to {high:g}" if low is None else f"{low:g} to {high:g}"


def where(at: Sequence[str], dialect: Sequence[str] = ()) -> str:
    return codes(at) or ", ".join(f"dialect {name}" for name in dialect) or "anywhere"


# -- endpoints -------------------------------------------------------------------------------------------------------


def endpoint_row(endpoint: Endpoint) -> list[str]:
    dialect = f"litellm ({endpoint.litellm})" if endpoint.litellm else endpoint.dialect
    address = code(endpoint.base_url) if endpoint.base_url else "started by promptlab"
    return [code(endpoint.name), address, codes(endpoint.keys) or "none", dialect, "on your machine" * endpoint.local]


# -- efforts ---------------------------------------------------------------------------------------------------------


def effort_rows(efforts: Mapping[str, Effort]) -> Iterator[list[str]]:
    for name, effort in efforts.items():
        budget = ""
        if effort.budget is not None:
            budget = " ".join([code(json.dumps(effort.budget).replace('"$"', HOLE)), span(effort.low, effort.high)])
        yield [code(name), *effort_cells(effort), budget.strip()]


def effort_cells(effort: Effort) -> list[str]:
    """The common piece of body and, for each level, its word in it."""
    if not effort.levels:
        return ["", *[""] * len(LEVELS)]
    hole, common = commonest(effort)
    cells = []
    for level in LEVELS:
        fragment = effort.levels.get(level)
        if fragment is None:
            cells.append("")
        elif masked(fragment, hole) == common:
            cells.append(code(show(dict(leaves(fragment))[hole])))
        else:
            cells.append(code(json.dumps(fragment)))
    return [code(common), *cells]


def commonest(effort: Effort) -> tuple[tuple[str, ...], str]:
    """The leaf by which most levels differ from each other, and by nothing else; and the body around it."""
    shapes: Counter[tuple[tuple[str, ...], str]] = Counter()
    words: dict[tuple[tuple[str, ...], str], set[str]] = {}
    for fragment in effort.levels.values():
        for path, leaf in leaves(fragment):
            shape = (path, masked(fragment, path))
            shapes[shape] += 1
            words.setdefault(shape, set()).add(show(leaf))
    return max(shapes, key=lambda shape: (shapes[shape], len(words[shape])))


def leaves(fragment: Value, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Value]]:
    if not isinstance(fragment, dict):
        yield above, fragment
        return
    for key, inner in fragment.items():
        yield from leaves(inner, (*above, key))


def masked(fragment: Value, hole: tuple[str, ...], above: tuple[str, ...] = ()) -> str:
    """A piece of body as JSON, without the leaf at `hole`."""
    if above == hole:
        return HOLE
    if not isinstance(fragment, dict):
        return json.dumps(fragment)
    return "{" + ", ".join(f'"{key}": {masked(inner, hole, (*above, key))}' for key, inner in fragment.items()) + "}"


# -- what they take --------------------------------------------------------------------------------------------------


def taken_row(family: Family, notes: dict[str, int]) -> list[str]:
    cells = [" / ".join(rule_text(rule, notes) for rule in family.parameters.get(name, ())) for name in PARAMETERS]
    return [codes(family.match), where(family.at, family.dialect), *cells, ", ".join(family.source)]


def rule_text(rule: Rule, notes: dict[str, int]) -> str:
    conditions = {"": "", "thinking": "on: ", "not thinking": "off: "}
    text = conditions.get(rule.when, f"{rule.when}: ")
    match rule.word:
        case "honoured":
            text += span(rule.low, rule.high) or "yes"
        case "pinned":
            text += "fixed" if rule.only is None else f"={show(rule.only)}"
        case word:
            text += {"refused": "no", "unknown": "?"}.get(word, word)
    if rule.default is not None:
        text += f" ({show(rule.default)} if unsaid)"
    if rule.note:
        text += f" <sup>{notes.setdefault(rule.note, len(notes) + 1)}</sup>"
    return text


# -- how they think --------------------------------------------------------------------------------------------------


def tells_of_thinking(family: Family) -> bool:
    how = (family.thinks, family.thinking, family.trace, family.effort)
    return any(said is not None for said in (*how, family.against, family.recommended))


def thinking_row(family: Family) -> list[str]:
    against = "" if family.against is None else ", ".join(family.against) or "nothing"
    return [
        codes(family.match),
        where(family.at, family.dialect),
        family.thinks or "",
        {"none": "not at all"}.get(family.thinking or "", family.thinking or ""),
        code(json.dumps(family.trace)) if family.trace else "",
        code(family.effort) if family.effort else "",
        against,
        "; ".join(map(advice_text, family.recommended or ())),
        ", ".join(family.source),
    ]


def tells_of_prompts(family: Family) -> bool:
    return any(said is not None for said in (family.role, family.sections, family.order))


def prompt_row(family: Family) -> list[str]:
    sections = {"markdown": "Markdown headings", "xml": "XML tags"}
    return [
        codes(family.match),
        where(family.at, family.dialect),
        f"{family.role} message" if family.role else "",
        sections.get(family.sections or "", ""),
        ", ".join(family.order or ()),
        ", ".join(family.source),
    ]


def advice_text(advice: Mapping[str, Value]) -> str:
    wanted = ", ".join(f"{name} {show(value)}" for name, value in advice.items() if name != "for")
    return f"{advice['for']}: {wanted}" if "for" in advice else wanted


# -- retired ids, sources --------------------------------------------------------------------------------------------


def retired_row(retired: Retired) -> list[str]:
    successor = code(retired.successor) if retired.successor else ""
    return [codes(retired.match), where(retired.at), retired.date, successor, ", ".join(retired.source)]


def source_row(source: Source) -> list[str]:
    return [source.name, source.url, source.date, source.sure]


def shipped() -> tuple[dict[str, Endpoint], Knowledge]:
    doc = document.load(knowledge.SHIPPED)
    return catalog.read(doc, doc.value["endpoints"], "endpoints"), knowledge.read(doc)


def main(arguments: Sequence[str]) -> int:
    text = page(*shipped())
    if "--check" in arguments:
        same = PAGE.is_file() and PAGE.read_text("utf-8") == text
        if not same:
            sys.stderr.write(f"{PAGE.name} is not what the data says: python docs/models.py writes it\n")
        return 0 if same else 1
    PAGE.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
