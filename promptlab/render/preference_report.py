"""A comparison as one HTML file for someone who wasn't there: what was compared, how it was voted, what that shows,
and every vote with the answers as they stood.

It comes in pieces with one vote's answers in memory at a time. As in `render.report` every text from outside is cleaned
and escaped; the content policy allows our style by its hash, and no script at all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from promptlab.analysis.effect import LEVEL
from promptlab.analysis.interval import Estimate
from promptlab.analysis.preference import Pair, anytime_sentence, count, length_sentence, sentence
from promptlab.analysis.showing import Showing, besides, showings
from promptlab.ballot import USER, Ballot
from promptlab.render import preference_svg as svg
from promptlab.render.facts import SEPARATOR, seconds
from promptlab.render.preference import (
    bare_p,
    beside_text,
    cast,
    disconnected,
    flags,
    left,
    letters_of,
    longer,
    notes,
    odds,
    places,
    plainly,
    telling,
    who,
)
from promptlab.render.report import hashed, own
from promptlab.render.sanitise import clean, clean_line
from promptlab.render.wrap import fit

STYLE = "preference.css"
_EXCERPT = 90  # characters of a prompt where votes are listed
_OWN = "a person's votes"
_NAMED = 4  # arms that stand in the title
_DRAWN = 24  # pairs, and arms, that are drawn

_READING = (
    ("wins, ties", "How often each of the two was chosen. A tie, or both bad, is a vote for neither."),
    ("rate", "Of the votes that chose one, the share that chose this one. In brackets the 95% interval: where the true "
     "share may well lie, for so few votes tell it only roughly."),
    ("p", "How likely it is that chance alone gives a result at least this one-sided if nobody preferred either, by an "
     "exact test on the votes that chose one. Up to 0.05 the pair counts as settled. Several votes on one prompt count "
     "together. Where several pairs are looked at, p is made larger (Holm): one of many is easily small by chance."),
    ("votes left", "How many more votes would settle it if it goes on like this, four times in five."),
    ("evidence", "The p above holds for one look at the end. Who looks after every vote and stops when it suits may go "
     "by this number instead: it is rarely high by chance, however often one looks."),
    ("strength", "From all pairs together (Bradley-Terry): two arms that are 1 apart are preferred 73 : 27, 2 apart "
     "88 : 12. The place is a range where the votes can't tell the arms apart."),
    ("at equal length", "Longer answers are often liked for their length. This is what would be left of the preference "
     "if both answers were equally long."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """A vote with what was seen: the prompt, and answers and thinking from the left. Texts are as they came; None for
    an answer that is gone from the history."""

    ballot: Ballot
    prompt: str
    answers: tuple[str | None, ...]
    thinking: tuple[str, ...] = ()


def report(
    votes: Sequence[Ballot], arms: Mapping[str, Mapping[str, str]], cases: Iterable[Case], *, together: bool = False
) -> Iterator[str]:  # fmt: skip
    """The file in pieces, to be written as UTF-8. `arms` says of each arm by its name what it is (target, parameters,
    system prompt …); `cases` are read once, one at a time."""
    found = showings(votes, together=together)
    letters = _letters(found)
    yield from _opening(_title(found))
    yield from _short(found, votes, together)
    yield from _compared(found, arms, letters)
    for one in found:
        yield from _voter(one, letters)
    if not together:
        yield from _beside(votes)
    yield from _how_to_read()
    yield from _votes(cases, letters, len(votes))
    yield "</body>\n</html>\n"


def sections(votes: Sequence[Ballot]) -> Iterator[str]:
    """The numbers alone, for the page of a run that shows its answers itself; nothing without a vote. Needs `STYLE`."""
    found = showings(votes)
    if not found:
        return
    letters = _letters(found)
    yield "<section><h2>What the votes say</h2></section>\n"
    yield from _short(found, votes, False)
    yield from _compared(found, {}, letters)
    for one in found:
        yield from _voter(one, letters)
    yield from _beside(votes)
    yield from _how_to_read()


def policy() -> str:
    """The content policy (W3C CSP 3): our style by its hash, and nothing else from anywhere; no script."""
    return f"default-src 'none'; style-src {hashed(_style())}; base-uri 'none'; form-action 'none'"


def _style() -> str:
    return own("report.css") + own(STYLE)


def _line(text: str) -> str:
    """One line, in which neither `p = 0.06` nor `7 : 4` breaks."""
    return re.sub(
        r"(?<=\bp) = |(?<=\d) : (?=\d)", lambda found: f"\u00a0{found[0].strip()}\u00a0", escape(clean_line(text))
    )


def _text(text: str) -> str:
    return escape(clean(text, keep=True))


def _letters(found: Sequence[Showing]) -> dict[str, str]:
    """One letter for each arm in the whole report, by the first voter's ranking."""
    names = dict.fromkeys(arm for one in found for arm in letters_of(one))
    most = max(found, key=lambda one: len(one.graph.arms), default=None)
    known = letters_of(most) if most is not None else {}
    if known.keys() >= names.keys():
        return known
    return {arm: f"{chr(65 + n % 26)}{n // 26 or ''}" for n, arm in enumerate([*known, *(names.keys() - known.keys())])}


def _arm(name: str, letters: Mapping[str, str]) -> str:
    number = list(letters).index(name) if name in letters else 0
    return f'<span class="arm {svg.colour(number)}">{letters.get(name, "?")}</span>'


# What it comes to ----------------------------------------------------------------------------------------------------


def _title(found: Sequence[Showing]) -> str:
    arms = list(dict.fromkeys(arm for one in found for arm in one.graph.arms))
    names = [fit(clean_line(arm), 60) for arm in arms]
    if not names or len(names) > _NAMED:
        return f"Which of {len(names)} is better?" if names else "No votes that count"
    return f"Which is better: {', '.join(names[:-1])} or {names[-1]}?"


def _opening(title: str) -> Iterator[str]:
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy()}">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="generator" content="promptlab">\n'
        f"<title>{escape(title)} · promptlab</title>\n<style>{_style()}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n"
    )


def _short(found: Sequence[Showing], votes: Sequence[Ballot], together: bool) -> Iterator[str]:
    yield "<section>\n"
    for one in found:
        for said in _result(one):
            yield f'<p class="lead"><b>{_line(_capital(who(one, _OWN)))}:</b> {_line(said)}.</p>\n'
    days = sorted({ballot.created[:10] for ballot in votes})
    when = f"{days[0]} to {days[-1]}" if len(days) > 1 else "".join(days)
    apart = "" if together or len(found) < 2 else " Each voter stands alone: their votes are never added up."
    yield f'<p class="soft">{count(len(votes), "vote")} cast{f", {_line(when)}" if when else ""}.{apart}</p>'
    yield "</section>\n"


def _result(one: Showing) -> Iterator[str]:
    """What to take away: the pair, or who leads and from whom it can be told."""
    if not one.pairs:
        yield "no vote that counts"
    elif len(one.pairs) == 1:
        yield sentence(one.pairs[0])
    else:
        for ladder in one.ladders:
            yield _leads(one, ladder.ranking.standings[0].arm, ladder.arms)
        if not one.graph.connected:
            yield disconnected(one)


def _leads(one: Showing, best: str, arms: Sequence[str]) -> str:
    """Who leads a group, and over whom that is settled."""
    own_pairs = [pair for pair in one.pairs if pair.a in arms]
    if len(own_pairs) == 1:
        return plainly(own_pairs[0])
    sure = [pair for pair in own_pairs if pair.adjusted <= LEVEL]
    if not sure:
        return f"{best} leads, but of {count(len(own_pairs), 'pair')} none is settled: too few votes, or too even"
    told = "; ".join(f"{pair.a} is preferred to {pair.b}, {pair.wins.won} : {pair.losses}" for pair in sure[:4])
    more = f", and {len(sure) - 4} more pairs are settled" if len(sure) > 4 else ""
    rest = [pair for pair in own_pairs if pair.adjusted > LEVEL]
    still = ", ".join(f"{pair.a} against {pair.b} ({pair.wins.won} : {pair.losses})" for pair in rest[:3])
    still += f" and {len(rest) - 3} more pairs" if len(rest) > 3 else ""
    return f"{best} leads. Settled: {told}{more}" + (f". Open: {still}" if rest else "")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _compared(
    found: Sequence[Showing], arms: Mapping[str, Mapping[str, str]], letters: Mapping[str, str]
) -> Iterator[str]:  # fmt: skip
    """Each arm with what it is; what all have in common is said once."""
    if not letters:
        return
    lengths = {arm: length for one in reversed(found) for arm, length in one.lengths.items()}
    about = {arm: arms.get(arm, {}) for arm in letters}
    names = list(dict.fromkeys(name for one in about.values() for name in one))
    alike = {name for name in names if len({one.get(name) for one in about.values()}) == 1}
    yield '<section><h2>What was compared</h2><div class="wide"><table>\n<thead><tr><th></th><th>arm</th>'
    apart = [name for name in names if name not in alike]
    yield "".join(f"<th>{_line(name)}</th>" for name in apart)
    yield "<th>mean length</th></tr></thead>\n<tbody>\n"
    for arm in letters:
        yield f'<tr><td>{_arm(arm, letters)}</td><td class="name">{_line(arm)}</td>'
        yield "".join(f'<td class="name">{_line(about[arm].get(name, ""))}</td>' for name in apart)
        yield f"<td>{lengths[arm]:.0f}</td></tr>\n" if arm in lengths else "<td></td></tr>\n"
    yield '</tbody></table></div><p class="note">Lengths are in words, or in characters where the text is Chinese.</p>'
    same = [(name, about[next(iter(letters))].get(name, "")) for name in names if name in alike]
    if same:
        yield "<p>The same for all:</p><dl>"
        yield "".join(f"<dt>{_line(name)}</dt><dd>{_text(value)}</dd>" for name, value in same)
        yield "</dl>"
    yield "</section>\n"


# One voter -----------------------------------------------------------------------------------------------------------


def _voter(one: Showing, letters: Mapping[str, str]) -> Iterator[str]:
    yield f'<section class="by"><h2>{_line(_capital(who(one, _OWN)))}</h2>\n<p>{_line(_capital(cast(one)))}.</p>\n'
    yield f'<p class="soft">{escape(_how(one))}</p>\n'
    if one.pairs:
        shown = sorted(one.pairs, key=lambda pair: [list(letters).index(pair.a), list(letters).index(pair.b)])
        yield f'<div class="drawn">{svg.pair_bars(shown[:_DRAWN], letters)}</div>\n'
        if len(shown) > _DRAWN:
            yield f'<p class="note">{_DRAWN} of {len(shown)} pairs are drawn.</p>\n'
        yield "<ul>\n"
        for pair in telling(one.pairs):
            more = [anytime_sentence(pair), length_sentence(pair)] if pair.wins.of else []
            told = "".join(f" {_line(_capital(said))}." for said in more)
            yield f'<li>{_line(plainly(pair))}.<br><span class="soft">{told}</span></li>\n'
        yield "</ul>\n"
        yield from _pairs(shown, letters)
    for ladder in one.ladders:
        if len(ladder.arms) > 2:
            alone = "" if one.graph.connected else ": one group that was compared within itself"
            yield f"<h3>Ranking{alone}</h3>\n"
            if len(ladder.arms) <= _DRAWN:
                yield f'<div class="drawn">{svg.ranking(ladder, letters)}</div>\n'
            yield from _standings(one, letters, ladder.arms)
    if 2 < len(one.graph.arms) <= _DRAWN:
        yield "<h3>Who was compared with whom</h3>\n"
        yield f'<div class="drawn round">{svg.graph(one.graph, letters)}</div>\n'
        yield '<p class="note">The numbers are votes.</p>\n'
    said = notes(one)
    if said:
        yield f"<h3>To be known</h3><ul>{''.join(f'<li>{_line(_capital(note))}.</li>' for note in said)}</ul>\n"
    yield "</section>\n"


def _how(one: Showing) -> str:
    if one.voters == (USER,):
        return ("Answers to the same prompt stood side by side without names, parameters, thinking, times or cost, on"
                " sides drawn by lot; a person chose the best, a tie, or that none is good.")  # fmt: skip
    if USER in one.voters:
        return "Votes of a person and of models, added up because that was asked for."
    orders = "in both orders" if one.both else "in one order"
    return f"A model was given the prompt and the answers without names, {orders}, and asked which is better."


def _pairs(shown: Sequence[Pair], letters: Mapping[str, str]) -> Iterator[str]:
    corrected = " (Holm)" if len(shown) > 1 else ""
    head = ("pair", "wins", "ties", "both bad", "prompts", "rate, ties aside", "ties as halves", f"p{corrected}",
            "votes left", "evidence", "longer won", "at equal length")  # fmt: skip
    yield '<div class="wide"><table class="many">\n<thead><tr>' + "".join(f"<th>{escape(name)}</th>" for name in head)
    yield "</tr></thead>\n<tbody>\n"
    for pair in shown:
        bound = pair.anytime
        cells = (f"{pair.wins.won} : {pair.losses}", str(pair.ties), str(pair.bad), str(pair.prompts),
                 _share(pair.wins.rate), _share(pair.score), escape(bare_p(pair.adjusted)), escape(left(pair)),
                 f"{bound.best:,.3g} : 1<small>needs {bound.needed:.0f}</small>", longer(pair.longer),
                 _share(pair.controlled))  # fmt: skip
        yield f"<tr><td>{_arm(pair.a, letters)}{_arm(pair.b, letters)}</td>"
        yield "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>\n"
    yield "</tbody></table></div>\n"


def _share(one: Estimate | None) -> str:
    """A share with its interval under it."""
    if one is None:
        return "–"
    return f"{one.value:.0%}" + (f"<small>{one.low:.0%} to {one.high:.0%}</small>" if one.low is not None else "")


def _standings(one: Showing, letters: Mapping[str, str], arms: Sequence[str]) -> Iterator[str]:
    ladder = next(each for each in one.ladders if each.arms == tuple(arms))
    even = {each.arm: each.strength for each in ladder.even.standings} if ladder.even else {}
    yield '<div class="wide"><table>\n<thead><tr>'
    head = ("place", "", "arm", "strength", "won", "lost", "tied", "at equal length")
    yield "".join(f"<th>{name}</th>" for name in head) + "</tr></thead>\n<tbody>\n"
    for each in ladder.ranking.standings:
        same = odds(even[each.arm]) if each.arm in even else "–"
        yield f"<tr><td>{places(each.best, each.worst)}</td><td>{_arm(each.arm, letters)}</td>"
        yield f'<td class="name">{_line(each.arm)}</td><td>{odds(each.strength)}</td><td>{each.wins}</td>'
        yield f"<td>{each.losses}</td><td>{each.ties}</td><td>{same}</td></tr>\n"
    yield "</tbody></table></div>\n"


def _beside(votes: Sequence[Ballot]) -> Iterator[str]:
    agreed = [beside_text(one, "the person") for one in besides(votes)]
    if agreed:
        yield "<section><h2>Judges beside the person</h2><ul>"
        yield f"{''.join(f'<li>{_line(said)}.</li>' for said in agreed)}</ul></section>\n"


def _how_to_read() -> Iterator[str]:
    yield '<section><h2>How to read the numbers</h2><dl class="read">\n'
    yield "".join(f"<dt>{escape(name)}</dt><dd>{escape(said)}</dd>\n" for name, said in _READING)
    yield "</dl></section>\n"


# The votes -----------------------------------------------------------------------------------------------------------


def _votes(cases: Iterable[Case], letters: Mapping[str, str], many: int) -> Iterator[str]:
    yield f"<section><h2>The votes</h2>\n<p>{_capital(count(many, 'vote'))}, in the order in which they were cast;"
    yield " a click opens one, with the answers where they stood.</p>\n"
    for number, case in enumerate(cases):
        yield from _vote(case, letters, opened=number == 0)
    yield "</section>\n"


def _vote(case: Case, letters: Mapping[str, str], *, opened: bool) -> Iterator[str]:
    ballot = case.ballot
    prompt = clean_line(case.prompt)
    short = prompt if len(prompt) <= _EXCERPT else prompt[: _EXCERPT - 1] + "…"
    yield f'<details class="vote"{" open" if opened else ""}><summary>{_verdict(ballot, letters)} '
    yield f'<span class="soft">{escape(short)}{_facts(ballot)}</span></summary>\n'
    yield f'<pre class="asked" dir="auto">{_text(case.prompt)}</pre>\n'
    if ballot.note:
        yield f"<p>Note: {_line(ballot.note)}</p>\n"
    yield '<div class="sides">\n'
    for place, seen in enumerate(ballot.seen):
        best = ballot.verdict == place
        said = f"{' <b>✓ preferred</b>' if best else ''}{' · cut off by the vote' if seen.stopped else ''}"
        answer = case.answers[place] if place < len(case.answers) else None
        thinking = case.thinking[place] if place < len(case.thinking) else ""
        yield f"<div{' class=best' if best else ''}><h4>{_arm(seen.arm, letters)} {_line(seen.arm)}"
        yield f" · length {seen.length}{said}</h4>"
        if thinking:
            yield f"<details><summary>thinking (not shown to the voter)</summary><pre>{_text(thinking)}</pre></details>"
        shown = '<span class="soft">gone from the history</span>' if answer is None else _text(answer)
        yield f'<pre dir="auto">{shown}</pre></div>\n'
    yield "</div></details>\n"


def _verdict(ballot: Ballot, letters: Mapping[str, str]) -> str:
    verdict, arms = ballot.verdict, [one.arm for one in ballot.seen]
    if isinstance(verdict, int):
        others = "".join(_arm(arm, letters) for place, arm in enumerate(arms) if place != verdict)
        return f"{_arm(arms[verdict], letters)} over {others}"
    told = {"tie": "a tie", "bad": "all bad" if len(arms) > 2 else "both bad", "skip": "skipped"}[verdict]
    return f"{''.join(_arm(arm, letters) for arm in arms)} {told}"


def _facts(ballot: Ballot) -> str:
    facts = [f"vote {ballot.id}"] if ballot.id is not None else []
    facts += [] if ballot.voter == USER else [clean_line(ballot.voter)]
    facts += [seconds(ballot.seconds)] if ballot.seconds is not None else []
    facts += [clean_line(flag) for flag in flags(ballot)]
    facts += ["set aside, not counted"] if ballot.aside else []
    return escape(SEPARATOR + SEPARATOR.join(facts)) if facts else ""
