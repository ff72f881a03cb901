"""What is measured at a point of a sweep: unit, short title, meaning and source of each, in the order to show."""

from __future__ import annotations

from typing import NamedTuple


class About(NamedTuple):
    """`unit` is share (0 to 1), texts, nats, units, tokens, seconds, tokens/s, US dollars, or empty for a bare ratio.

    A unit of a text is a word, a number, a sign, or one character where words have no spaces. `source` is where the
    formula is from, empty where it is plain counting."""

    unit: str
    title: str
    help: str
    source: str


# What tells whether it worked, then the diversity between repeats beside what keeps it honest, then form and price;
# and last what says little more than those.
MEASURES: dict[str, About] = {
    "passed": About("share", "passed", "answers that pass every check; at temperature 0 repeats that are one "
                    "text count once", "Wilson 1927"),
    "correct": About("share", "correct", "answers whose extracted value is the expected one; at temperature 0 "
                     "repeats that are one text count once", "Wilson 1927"),
    "distinct_2": About("share", "distinct-2", "different pairs of neighbouring units among all pairs in the repeats",
                        "Li et al., arXiv:1510.03055; texts cut to one length: Liu et al., arXiv:2202.13587"),
    "vendi": About("texts", "effective texts", "effective number of different texts among the repeats: the Vendi score",
                   "Friedman and Dieng, arXiv:2210.02410"),
    "surprisal": About("nats", "surprisal", "mean surprise of a token to the model: high where texts break",
                       "mean of -ln p"),
    "gap": About("nats", "gap", "surprisal less entropy: 0 at temperature 1, below it bland, above it broken",
                 "Meister et al., arXiv:2202.00666"),
    "repetition": About("share", "repetition", "4-grams of a text that repeat an earlier one in it",
                        "Welleck et al., arXiv:1908.04319"),
    "majority": About("share", "majority", "repeats that give the commonest answer", "Wang et al., arXiv:2203.11171"),
    "answer_agreement": About("share", "same answer", "pairs of repeats that give the same extracted answer",
                              "collision rate, unbiased"),
    "agreement": About("share", "same text", "pairs of repeats that are the same text", "collision rate, unbiased"),
    "length": About("units", "length", "length of an answer in words, or characters of Chinese", ""),
    "cut": About("share", "cut", "answers that ended at a limit: their lengths can't be compared", "Wilson 1927"),
    "time": About("seconds", "time", "time from sending to the end", ""),
    "cost": About("US dollars", "cost", "cost of one answer", ""),
    "thinking": About("tokens", "thinking", "tokens of thinking", ""),
    "thinking_time": About("seconds", "thought for", "time from the first thought to the answer", ""),
    "answer_tokens": About("tokens", "tokens", "tokens of an answer", ""),
    "speed": About("tokens/s", "speed", "answer tokens a second, first to last", ""),
    "near_duplicates": About("share", "near twins", "pairs of repeats that are alike to 90% or more", ""),
    "openings": About("share", "openings", "different first three units among the repeats", ""),
    "compression": About("", "compression", "how many times smaller zlib makes the repeats: more is more alike",
                         "Shaib et al., arXiv:2403.00553"),
    "drift": About("share", "drift", "letters in a script that the prompt does not use", "Unicode scripts"),
    "unread": About("share", "unread", "answers from which no value could be extracted: they have no vote",
                    "Wilson 1927"),
}  # fmt: skip

CHECK, PASS, MAJ = "check:", "pass@", "maj@"


def about(name: str) -> About:
    """What a measure means; `name` may also be `check:NAME`, `pass@K` or `maj@K`. Raises KeyError."""
    if name.startswith(CHECK):
        label = name.removeprefix(CHECK)
        told = f"answers that pass the check {label}; at temperature 0 repeats that are one text count once"
        return About("share", label, told, "Wilson 1927")
    if name.startswith(PASS):
        return About("share", name, f"chance that one of {name.removeprefix(PASS)} repeats is right",
                     "Chen et al., arXiv:2107.03374")  # fmt: skip
    if name.startswith(MAJ):
        return About("share", name, f"chance that the commonest answer of {name.removeprefix(MAJ)} repeats is right",
                     "exact mean over all draws, ties split")  # fmt: skip
    return MEASURES[name]


def ordered(names: set[str]) -> tuple[str, ...]:
    """Names of measures in the order to show them: checks after `passed`, pass@K and maj@K after `correct`."""
    fixed = list(MEASURES)

    def place(name: str) -> float:
        if name.startswith(CHECK):
            return fixed.index("passed") + 0.5
        if name.startswith((PASS, MAJ)):
            return fixed.index("correct") + (0.3 if name.startswith(PASS) else 0.6)
        return fixed.index(name)

    return tuple(sorted(names, key=lambda name: (place(name), name)))
