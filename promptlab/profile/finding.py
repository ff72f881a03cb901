"""A finding on a prompt: its code, its place, its reason with a source, its fix; and what a rule is given to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from promptlab.errors import Sentence
from promptlab.knowledge import Facts, Source
from promptlab.params import Value
from promptlab.profile import Profile
from promptlab.profile.mend import Edit, Marks, Place
from promptlab.profile.sentence import Said

Level = Literal["error", "warning", "note"]
Target = tuple[str, Facts | None, int | None]  # how it is written, what is known of it, tokens of its context


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    about: str
    level: Level = "warning"


RULES: dict[str, Rule] = {
    "P000": Rule("unreadable", "The profile can't be read.", "error"),
    "P001": Rule("order-to-think", "A reasoning model is told to think, or to show how it thinks."),
    "P002": Rule("boast", "A reasoning model is told that it is an expert."),
    "P003": Rule("how-not-what", "The goal says how to go about it instead of what is wanted."),
    "P004": Rule("no-goal", "Nothing says what is wanted."),
    "P005": Rule("no-format", "Nothing says what the answer looks like."),
    "P006": Rule("context-missing", "A text is spoken of that is not there."),
    "P007": Rule("question-first", "A long text stands behind the question about it."),
    "P008": Rule("contradiction", "Two demands exclude each other."),
    "P009": Rule("examples", "Examples go to a model whose maker advises against them."),
    "P010": Rule("system-message", "A system message is meant for a model that should have none.", "note"),
    "P011": Rule("not-honoured", "A target does not honour a parameter of the profile."),
    "P012": Rule("unfit-parameter", "A decoding parameter does not suit the task."),
    "P013": Rule("undefined-variable", "A variable is used and not declared."),
    "P014": Rule("unused-variable", "A variable is declared and not used."),
    "P015": Rule("too-long", "The prompt is longer than a target's context."),
    "P016": Rule("mixed-languages", "The instructions are in two languages, or not in the declared one."),
    "P017": Rule("unknown-target", "Nothing is known of a target."),
    "P018": Rule("not-chat-only", "Steps or examples would go to reasoning models too."),
    "P019": Rule("bad-template", "A text's {{variables}} can't be read."),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that works against a model. `line` and `column` count from 1; `key` is the place in the profile;
    `advice` says what to do and `fix` does it, where that is safe; `target` names the models it is about."""

    code: str
    level: Level
    key: str
    line: int
    column: int
    message: Sentence
    why: str
    source: Source | None = None
    advice: str = ""
    fix: Edit | None = None
    target: str | None = None


# Without a day: nobody opened the page for this file, and D says so.
_DOCS = "https://platform.claude.com/docs/en/build-with-claude/"
OPENAI = Source(
    "OpenAI, reasoning best practices", "https://developers.openai.com/api/docs/guides/reasoning-best-practices",
    "2026-11-22", "B",
)  # fmt: skip
CLAUDE = Source("Anthropic, extended thinking tips",
                f"{_DOCS}prompt-engineering/extended-thinking-tips", "2026-11-22", "B")  # fmt: skip
CLEAR = Source("Anthropic, be clear and direct", f"{_DOCS}prompt-engineering/be-clear-and-direct", "", "D")
LONG = Source("Anthropic, long context tips", f"{_DOCS}prompt-engineering/long-context-tips", "2026-11-22", "B")
TONGUES = Source("Anthropic, multilingual support", f"{_DOCS}multilingual-support", "", "D")
CONFLICTS = Source("OpenAI, GPT-5 prompting guide",
                   "https://cookbook.openai.com/examples/gpt-5/gpt-5_prompting_guide", "", "D")  # fmt: skip
DEEPSEEK = Source("DeepSeek, parameter settings",
                  "https://api-docs.deepseek.com/quick_start/parameter_settings", "2026-11-22", "B")  # fmt: skip
MAPPED = Source("DeepSeek-V3-0324, model card", "https://huggingface.co/deepseek-ai/DeepSeek-V3-0324", "", "C")
JINJA = Source("Jinja, template designer documentation",
               "https://jinja.palletsprojects.com/en/stable/templates/#variables", "", "D")  # fmt: skip
KNOWN = Source("promptlab models facts", "https://pypi.org/project/promptlab-tui/", "", "A")


@dataclass(frozen=True, slots=True)
class Piece:
    """One text of a profile. `part` is the key it belongs to; what is inherited has its place at `extends`."""

    part: str
    place: Place
    text: str
    inherited: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    profile: Profile
    marks: Marks
    targets: Sequence[Target]
    sources: Mapping[str, Source] = field(default_factory=dict)
    files: Sequence[tuple[str, str]] = ()
    bare: bool = False  # a prompt as it is typed: no parts, and context may come with it

    @property
    def asked(self) -> dict[str, Value]:
        return {name: values[0] for name, values in self.profile.parameters.items()
                if values and values[0] is not None}  # fmt: skip

    @property
    def thinkers(self) -> list[tuple[str, Facts]]:
        return [(name, facts) for name, facts, _ in self.targets if facts and facts.state(self.asked) == "on"]

    def pieces(self, *parts: str) -> Iterator[Piece]:
        """The profile's texts, each where it stands."""
        doc = self.marks.doc
        for part in parts or ("role", "goal", "prompt", "format", "rules", "context", "steps"):
            texts = getattr(self.profile, part)
            for text in (texts,) if isinstance(texts, str) else texts:
                if text:
                    place = next((p for p, own in doc.texts.items() if p[0] == part and own.strip() == text), None) \
                        if doc else (part,)  # fmt: skip
                    yield Piece(part, place or ("extends",), text, doc is not None and place is None)

    def finding(
        self, said: Said, place: Place, source: Source | None, *, phrase: str = "", fix: Edit | None = None,
        target: str | None = None, level: Level | None = None,
    ) -> Finding:  # fmt: skip
        """What a rule has found, at a place."""
        line, column = self.marks.at(place, phrase)
        key = ".".join(str(part) for part in place)
        return Finding(said.code, level or RULES[said.code].level, key, line, column, said.message, said.why, source,
                       said.advice, fix, target)  # fmt: skip

    def maker(self, facts: Facts) -> Source:
        """The source for what is known of a model: its maker's own one, where one is called like the model."""
        names = [name for name in facts.family.source if name in self.sources]
        model, first = facts.model.lower(), {name: name.partition("-")[0] for name in names}
        own = [name for name in names if name in model] or [name for name in names if first[name] in model]
        own += [name for name in names if first[name] == facts.endpoint.partition("-")[0]]
        return next((self.sources[name] for name in own + names), KNOWN)


def quoted(text: str) -> str:
    line = " ".join(text.split())
    return f"“{line}”" if len(line) <= 60 else f"“{line[:59]}…”"


def of_all(finding: Finding, targets: Sequence[str]) -> Finding:
    """A finding on one target as one on all of these."""
    if finding.target is None:
        return finding
    message, names = finding.message, Sentence.joined(", ", targets)
    if "model" in message.slots:
        message = message.changed(model=Sentence("{models}", models=names))
    return replace(finding, message=message, target=names)
