"""The sentences of findings in English, by their forms: what a finding says stands apart from how it is said."""

from __future__ import annotations

from promptlab.analysis import Remark
from promptlab.analysis.measure import MEASURES
from promptlab.phrase import Phrase, worded

EN: dict[str, str] = {
    "too-few": "too few samples to tell what {axis} does at {target}: {have} of each value, {wanted} would do",
    "no-effect": "{axis} had no measurable effect on {target} (n = {n}, {p}): {share} of the answers at one value "
                 "turning into one same text would have shown",
    "no-effect.same": "{axis} had no measurable effect on {target} (n = {n}): every answer is the same text; a prompt "
                      "that leaves more room would tell more",
    "not-detected": "no effect of {axis} was detected on {target} (n = {n}, {p}), and little can be said: {limit} "
                    "would have shown; {wanted} repeats would tell more",
    "effect": "{axis} changes the answers of {target} (n = {n}, {p}){change}",
    "length": "lengths change with {axis}: {first} units at {low}, {last} at {high} (n = {n}, {p})",
    "range.up": "{bound}from {at} on {share} of the answers {what}, {rest} (n = {n}, {p}){signs}",
    "range.down": "{bound}up to {before} {share} of the answers {what}, {rest} (n = {n}, {p}){signs}",
    "range.ends": "{first} of the answers break the form at and below {axis} {below}, {last} from {above} on: between "
                  "them {between} usable (n = {n}, {p})",
    "range.signs": "{first} at and below {axis} {below} ({first_sign}), {last} from {above} on ({last_sign}): between "
                   "them {between} usable (n = {n}, {p})",
    "collapse.low": "answers collapse to one up to {axis} {at} (n = {n}, {p})",
    "collapse.high": "answers collapse to one from {axis} {at} on (n = {n}, {p})",
    "form": "{most} of the answers {what} at {axis} {worst}, {fewest} at {best} (n = {n}, {p})",
    "failed": "{count} of {n} requests failed: {reason} ({target})",
    "failed.most": "{count} of {n} requests failed, {times} of them: {reason} ({target})",
    "missing": "{count} of {n} cells have no answer: cancelled or never sent ({target})",
    "empty": "{count} of {n} answers are empty ({target})",
    "cut": "{share} of {target}'s answers were cut {where}: lengths are not comparable (n = {n})",
    "not-deterministic": "{distinct} distinct answers of {n} at {parameter} 0: not deterministic at {target}, first "
                         "difference at {place}{more}",
    "deterministic": "all repeats at {parameter} 0 are the same text at {target} (n = {n})",
    # Parts of the above
    "repeat": "{count} repeat",
    "repeats": "{count} repeats",
    "in-step": "{axis} with {other}",
    "share.quarter": "a quarter",
    "share.half": "half",
    "share.most": "three quarters",
    "share.all": "all",
    "limit.all": "only a change of all answers at one value",
    "limit.none": "not even a change of all answers",
    "change": ": {measure} {first} at {low}, {last} at {high}",
    "usable.to": "usable up to about {axis} {value}: ",
    "usable.from": "usable from about {axis} {value}: ",
    "rest.below": "below it {share}",
    "rest.below-none": "nothing below it breaks",
    "rest.above": "above it {share}",
    "rest.above-none": "nothing above it breaks",
    "what.form": "break the form",
    "what.broken": "look broken",
    "signs": ": odd words, loops, another script or a surprisal above 5 nats",
    "between.one": "only {value} is",
    "between.some": "{values} and {last} are",
    "repeats-itself": "repeats itself",
    "breaks": "breaks",
    "sign.repetition": "repeated 4-grams {value}",
    "sign.surprisal": "surprisal {value} nats",
    "sign.drift": "letters in another script {value}",
    "sign.words": "odd words",
    "reason.none": "they are in no measure",
    "where.limit": "at max_tokens",
    "where.end": "before their end",
    "place.token": "token {number}",
    "place.character": "character {number}",
    "place.none": "",
    "more.prompts": " (as with {count} of {all} prompts)",
    # What is to be known of the numbers
    "rows": "measures are means over the dataset's rows, and their intervals are between rows",
    "unread": "no value could be extracted from most answers: say where it stands with --extract",
    "first": "up to {most} repeats of one prompt: effective texts, near twins, compression and the answer that is "
             "shown are of the first {used}",
    **{f"measure.{name}": about.title for name, about in MEASURES.items()},
}  # fmt: skip


def remark(
    code: str, said: Phrase, target: str = "", p: float | None = None, n: int = 0, needs: int | None = None
) -> Remark:  # fmt: skip
    """A finding with its English sentence."""
    return Remark(code, worded(said, EN, ", ".join), target, p, n, needs, said)
