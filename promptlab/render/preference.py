"""Votes for a terminal or a plain file: each voter's pairs with their sentences, the ranking, and who met whom."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from string import ascii_uppercase

from promptlab.analysis.effect import LEVEL
from promptlab.analysis.hearing import agreed
from promptlab.analysis.interval import Estimate
from promptlab.analysis.logistic import chance
from promptlab.analysis.preference import Pair, Share, anytime_sentence, count, length_sentence, p_value, sentence
from promptlab.analysis.showing import Beside, Ladder, Showing, besides, showings
from promptlab.ballot import TURNED, USER, Ballot
from promptlab.errors import Sentence
from promptlab.render.facts import seconds
from promptlab.render.picture import Picture, Piece, Row, row, stack
from promptlab.render.sanitise import clean_line
from promptlab.render.wrap import fit, pad, width, wrap_line

_SAID = 6  # pairs that get sentences; a table holds all of them
_MATRIX = 12  # arms of whom it is drawn who met whom
_LEAST_NAME, _LEAST_BAR = 12, 18  # cells
_ASIDE = "promptlab rank --votes lists all votes with what was in sight, --aside N sets one aside"
_COLUMNS = ("pair", "wins", "ties", "rate, ties aside", "p", "votes left", "longer won", "at equal length")

Words = Callable[[str], str]  # says a text of ours, a Sentence or a word of a table, in the language of the reader


def text(votes: Sequence[Ballot], cells: int, *, together: bool = False, words: Words = str) -> Picture:
    """All that the votes show, in `cells` columns: `print` it for plain text, or `console.print` it in colours.

    Each voter stands alone, unless `together`; a judge beside the user says how far they agree. Without a vote that
    counts there is one line that says so."""
    found = showings(votes, together=together)
    shown = [whole(one, cells, words) for one in found]
    if not together:
        told = [words(beside_text(one)) for one in besides(votes)]
        shown.append(Picture(tuple(line for each in told for line in wrapped(each, cells))))
    return stack(shown) if found else Picture((row(words("no votes yet")),))


def whole(one: Showing, cells: int, words: Words = str) -> Picture:
    """One voter's votes: what was cast, the pairs, the ranking, who met whom, and what a reader must know."""
    letters = letters_of(one)
    parts = [Picture(tuple(_head(one, cells, words)))]
    if one.pairs:
        parts.append(Picture(tuple(_legend(one, letters, cells, words))))
        parts.append(Picture(tuple(_pair_table(one, letters, cells, words))))
        parts.append(Picture(tuple(_sentences(one, cells, words))))
    parts += [Picture(tuple(_ladder(one, ladder, letters, cells, words))) for ladder in one.ladders]
    if len(one.graph.arms) > 2:
        parts.append(Picture(tuple(_matrix(one, letters, cells, words))))
    said = notes(one)
    said += [_ASIDE] if one.flagged or one.unblind else []
    parts.append(Picture(tuple(line for each in said for line in wrapped(words(each), cells, "note", "· "))))
    return stack(parts)


def letters_of(one: Showing) -> dict[str, str]:
    """A letter for each arm, the best first within its group: A to Z, then A1 …"""
    order = [standing.arm for ladder in one.ladders for standing in ladder.ranking.standings]
    return {arm: ascii_uppercase[n % 26] + (str(n // 26) if n > 25 else "") for n, arm in enumerate(order)}


# What was cast, in words ---------------------------------------------------------------------------------------------


def who(one: Showing, own: str = "your votes") -> str:
    """`your votes`, `votes of openai/gpt-4.1 by "vivid"`; `own` is what the user's are called."""
    if one.voters == (USER,):
        return Sentence.whole(own)
    several = ""
    if len(one.voters) > 1:
        several = Sentence(" ({count} voters as if they were one)", count=len(one.voters))
    return Sentence("votes of {voter}{several}{about}", voter=one.voter, several=several, about=_about(one.criteria))


def _about(criteria: str) -> str:
    return Sentence(' by "{criteria}"', criteria=criteria) if criteria else ""


def cast(one: Showing) -> str:
    """How many votes, on what, and what became of the others."""
    said = Sentence("{votes} on {prompts}", votes=count(one.votes, "vote"), prompts=count(one.prompts, "prompt"))
    ties = Sentence("{count} tie" if one.ties == 1 else "{count} ties", count=one.ties) if one.ties else ""
    bad = Sentence("{count} both bad", count=one.bad) if one.bad else ""
    if ties or bad:
        others = Sentence("{ties} and {bad}", ties=ties, bad=bad) if ties and bad else ties or bad
        said = Sentence("{said}, {others} among them", said=said, others=others)
    rest = [Sentence("{count} skipped" if USER in one.voters else "{count} without a verdict", count=one.skipped)]
    rest = (rest if one.skipped else []) + ([Sentence("{count} set aside", count=one.aside)] if one.aside else [])
    if rest:
        said = Sentence("{said}; not counted: {rest}", said=said, rest=Sentence.joined(", ", rest))
    if one.seconds is None:
        return said
    return Sentence("{said}; {seconds} for a vote (median)", said=said, seconds=seconds(one.seconds))


def notes(one: Showing) -> list[str]:
    """What a reader must know: corrections, connections, flags, sides and lengths."""
    found: list[str] = []
    if len(one.pairs) > 1:
        found.append(Sentence("{count} pairs are looked at: p is corrected by Holm, the bound at any time by "
                              "Bonferroni", count=len(one.pairs)))  # fmt: skip
    if not one.graph.connected:
        found += [disconnected(one)]
    found += [*sure_of(one), *_marked(one)]
    if one.turned:
        found.append(Sentence("{turned} of {votes} verdicts turned with the order", turned=one.turned, votes=one.votes))
    for ladder in one.ladders:
        told = [note for note in (side_text(ladder), longer_text(ladder)) if note]
        if not one.graph.connected:
            arms = ", ".join(ladder.arms[:3]) + (" …" if len(ladder.arms) > 3 else "")
            told = [Sentence("among {arms}: {note}", arms=arms, note=note) for note in told]
        found += told
        if len(ladder.arms) > 2 or not one.pairs:
            found += [note for note in ladder.ranking.notes if not _is_moot(note, one)]
    if one.prompts == 1 and one.votes > 1:
        found.append(Sentence("all votes are on one prompt: they tell nothing of others"))
    return list(dict.fromkeys(found))


def _marked(one: Showing) -> Iterator[str]:
    """That votes were flagged, or not wholly blind."""
    flagged, unblind = count(one.flagged, "vote"), count(one.unblind, "vote")
    if one.flagged and USER not in one.voters:
        yield Sentence("{votes} is flagged: an answer speaks to the judge, or the like" if one.flagged == 1 else
                       "{votes} are flagged: an answer speaks to the judge, or the like", votes=flagged)  # fmt: skip
    elif one.flagged:
        yield Sentence(
            "{votes} had something in sight that could have given an arm away, and counts all the same"
            if one.flagged == 1 else
            "{votes} had something in sight that could have given an arm away, and count all the same", votes=flagged
        )  # fmt: skip
    if one.unblind:
        yield Sentence(
            "{votes} was not wholly blind, for whose answer it was had been told before, and counts all the same"
            if one.unblind == 1 else
            "{votes} were not wholly blind, for whose answer it was had been told before, and count all the same",
            votes=unblind,
        )  # fmt: skip


def _is_moot(note: str, one: Showing) -> bool:
    """Whether a note of the ranking says nothing here: of a side that no vote has, of ballots told as prompts."""
    return (one.both and note.startswith("the side is not")) or (one.prompts == 1 and "prompts" in note)


def disconnected(one: Showing) -> str:
    """Why no ranking holds them all, and which votes would connect them."""
    told = " | ".join(", ".join(group) for group in one.graph.groups)
    missing = Sentence.joined(" and ", [Sentence("{a} with {b}", a=first, b=second) for first, second in one.bridges])
    votes = Sentence("a vote on each of {pairs}" if len(one.bridges) > 1 else "one vote on {pairs}", pairs=missing)
    return Sentence("no ranking holds all: these were never compared, not even through others: {groups}. Each group "
                    "stands by itself; {votes} would connect them", groups=told, votes=votes)  # fmt: skip


def sure_of(one: Showing) -> list[str]:
    """That a pair is settled which the ranking leaves open: Wald's test is blind where one side won (nearly) all."""
    open_ = {frozenset((gap.a, gap.b)) for ladder in one.ladders for gap in ladder.ranking.gaps if gap.adjusted > LEVEL}
    known = [pair for pair in one.pairs if pair.adjusted <= LEVEL and frozenset((pair.a, pair.b)) in open_]
    if not known or len(one.graph.arms) < 3:
        return []
    told = [Sentence("{a} is preferred to {b}", a=pair.a, b=pair.b) for pair in known[:_SAID]]
    return [Sentence("the exact test settles what the places of the ranking leave open: {told}",
                     told=Sentence.joined("; ", told))]  # fmt: skip


def side_text(ladder: Ladder) -> str:
    """What standing on the left is worth, in words; empty where the votes can't tell."""
    position = ladder.ranking.position
    if position is None:
        return ""
    return Sentence("between equals the one on the left would win {share}", share=share(chance(position)))


def longer_text(ladder: Ladder) -> str:
    """What length is worth, in words; empty where no lengths are known."""
    if ladder.even is None or ladder.even.length is None:
        return ""
    twice = Estimate(*(None if end is None else end / 3 for end in ladder.even.length))  # type: ignore[arg-type]
    return Sentence("between equals an answer twice as long as the other would win {share}", share=share(chance(twice)))


def beside_text(one: Beside, own: str = "you") -> str:
    """A judge beside the user (`own`) in a sentence."""
    return Sentence("{judge}{about} and {own}: {agreed}", judge=one.judge, about=_about(one.criteria),
                    own=Sentence.whole(own), agreed=agreed(one.agreement))  # fmt: skip


def flags(ballot: Ballot) -> list[str]:
    """What a reader must know of one vote, flag by flag; of a judge's answers nothing is hidden."""
    own = ballot.voter == USER
    told = (f"could give away: {flag}" if own and flag in ballot.hints else flag for flag in ballot.flags)
    return [f"{each} with the order" if each == TURNED else each for each in told]


def share(one: Estimate) -> str:
    """`72% [55%, 84%]`."""
    inside = f" [{one.low:.0%}, {one.high:.0%}]" if one.low is not None and one.high is not None else ""
    return f"{one.value:.0%}{inside}"


def odds(one: Estimate) -> str:
    """`+0.41 [-0.10, +0.92]`."""
    inside = f" [{one.low:+.2f}, {one.high:+.2f}]" if one.low is not None and one.high is not None else ""
    return f"{one.value:+.2f}{inside}"


def places(best: int, worst: int) -> str:
    return str(best) if best == worst else f"{best}–{worst}"


def longer(tally: Share | None) -> str:
    return Sentence("{won} of {of}", won=tally.won, of=tally.of) if tally is not None and tally.of else "–"


def left(pair: Pair) -> str:
    return Sentence("settled") if pair.left == 0 else ">1,000" if pair.left is None else f"≈{pair.left}"


def telling(found: Iterable[Pair], most: int = _SAID) -> list[Pair]:
    """The pairs that say most: the surest first."""
    return sorted(found, key=lambda pair: (pair.adjusted, pair.wins.p, -pair.cast))[:most]


def plainly(pair: Pair) -> str:
    """The pair in a sentence that names both: of two arms alone everybody knows which the other one is."""
    return sentence(pair, both=pair.tests > 1)


# Rows ----------------------------------------------------------------------------------------------------------------


def wrapped(said: str, cells: int, style: str = "", mark: str = "") -> Iterator[Row]:
    """Broken between words, with a mark before the first line and as much room before the others."""
    room = width(mark)
    for number, line in enumerate(wrap_line(clean_line(said), max(2, cells - room))):
        yield (Piece(" " * room if number else mark, style), Piece(line, style))


def _head(one: Showing, cells: int, words: Words) -> Iterator[Row]:
    yield from wrapped(words(who(one)), cells, "title")
    yield from wrapped(words(cast(one)), cells, "dim")


def _legend(one: Showing, letters: dict[str, str], cells: int, words: Words) -> Iterator[Row]:
    for arm, letter in letters.items():
        length = one.lengths.get(arm)
        about = "  " + words(Sentence("length {length} on average", length=f"{length:.0f}")) if length else ""
        room = cells - len(letter) - 2 - len(about)
        name = fit(clean_line(arm), room) if room >= _LEAST_NAME else fit(clean_line(arm), cells - len(letter) - 2)
        yield (Piece(letter + "  ", "strong"), Piece(name), Piece(about if room >= _LEAST_NAME else "", "dim"))


def _pair_table(one: Showing, letters: dict[str, str], cells: int, words: Words) -> Iterator[Row]:
    """Each pair as a row; columns that have no room go, the last first, and it is said which."""
    head = [words(each) for each in _COLUMNS]
    rows = [head, *([words(each) for each in _pair_row(pair, letters)] for pair in one.pairs)]
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    kept = len(widths)
    while kept > 2 and sum(widths[:kept]) + 2 * (kept - 1) > cells:
        kept -= 1
    for number, line in enumerate(rows):
        told = "  ".join(pad(each, size) for each, size in zip(line[:kept], widths[:kept], strict=True))
        yield row(fit(told.rstrip(), cells), "dim" if number == 0 else "")
    if kept < len(head):
        left_out = Sentence.joined(", ", [Sentence.whole(each) for each in _COLUMNS[kept:]])
        said = Sentence("no room for {columns}: widen the terminal", columns=left_out)
        yield from wrapped(words(said), cells, "dim")


def _pair_row(pair: Pair, letters: dict[str, str]) -> list[str]:
    rate, even = pair.wins.rate, pair.controlled
    neither = Sentence("{ties}+{bad} bad", ties=pair.ties, bad=pair.bad) if pair.bad else str(pair.ties)
    return [f"{letters[pair.a]} : {letters[pair.b]}", f"{pair.wins.won} : {pair.losses}", neither,
            share(rate) if rate else "–", bare_p(pair.adjusted), left(pair), longer(pair.longer),
            share(even) if even else "–"]  # fmt: skip


def bare_p(p: float) -> str:
    return p_value(p).removeprefix("p = ").removeprefix("p ")


def _sentences(one: Showing, cells: int, words: Words) -> Iterator[Row]:
    for pair in telling(one.pairs):
        yield from wrapped(words(plainly(pair)), cells, "strong" if pair.left == 0 else "")
        for said in (anytime_sentence(pair), length_sentence(pair)) if pair.wins.of else ():
            yield from wrapped(words(said), cells, "dim", "  ")
    if len(one.pairs) > _SAID:
        more = Sentence("… and {count} more pairs: the table has them", count=len(one.pairs) - _SAID)
        yield from wrapped(words(more), cells, "dim")


def _ladder(one: Showing, ladder: Ladder, letters: dict[str, str], cells: int, words: Words) -> Iterator[Row]:
    """A row for each arm: its places, its strength with the interval drawn, wins, losses and ties."""
    standings = ladder.ranking.standings
    even = {each.arm: each.strength for each in ladder.even.standings} if ladder.even else {}
    rows = [
        (places(each.best, each.worst), letters[each.arm], clean_line(each.arm), odds(each.strength),
         f"{each.wins}-{each.losses}-{each.ties}", odds(even[each.arm]) if each.arm in even else "")
        for each in standings
    ]  # fmt: skip
    named = ("place", "", "", "strength", "won-lost-tied", "at equal length" if even else "")
    head = tuple(words(each) if each else "" for each in named)
    sizes = [max(map(width, column)) for column in zip(head, *rows, strict=True)]
    if sum(sizes) + 10 + _LEAST_BAR > cells:
        sizes[2] = 0  # its letter stands there, and is told above
    if sum(sizes) + 8 + _LEAST_BAR > cells:
        sizes[5] = 0
    bar = max(0, min(48, cells - sum(size + 2 * bool(size) for size in sizes)))
    low = min(each.strength.low or each.strength.value for each in standings)
    high = max(each.strength.high or each.strength.value for each in standings)
    said = Sentence("ranking: strength in log-odds against the average arm, with 95% intervals")
    said = said if one.graph.connected else Sentence("{said}; this group alone", said=said)
    yield from wrapped(words(said), cells, "dim")
    for line, each in zip([head, *rows], [None, *standings], strict=True):
        drawn = "" if each is None else whisker(each.strength, low, high, bar)
        pieces = [(line[0], sizes[0]), (line[1], sizes[1]), (line[2], sizes[2]), (drawn, bar), (line[3], sizes[3]),
                  (line[4], sizes[4]), (line[5], sizes[5])]  # fmt: skip
        told = "  ".join(pad(each_text, size) for each_text, size in pieces if size > 0).rstrip()
        yield row(fit(told, cells), "dim" if each is None else "")


def whisker(one: Estimate, low: float, high: float, cells: int) -> str:
    """An interval along a line of `cells`, with a sign where 0 is: `├──●──┤`."""
    if cells < 5 or high <= low:
        return ""

    def at(value: float) -> int:
        return round((min(max(value, low), high) - low) / (high - low) * (cells - 1))

    line = [" "] * cells
    if low <= 0 <= high:
        line[at(0.0)] = "┊"
    if one.low is not None and one.high is not None:
        for place in range(at(one.low), at(one.high) + 1):
            line[place] = "┼" if line[place] == "┊" else "─"
        line[at(one.low)], line[at(one.high)] = "├", "┤"
    line[at(one.value)] = "●"
    return "".join(line)


def _matrix(one: Showing, letters: dict[str, str], cells: int, words: Words) -> Iterator[Row]:
    """Who met whom: wins of the row against the column; a dot where two never met."""
    said = words(Sentence("who met whom: wins of the row : wins of the column (ties); · never"))
    yield from wrapped(said, cells, "dim")
    if len(letters) > _MATRIX:
        every = len(letters) * (len(letters) - 1) // 2
        yield from wrapped(words(Sentence("{met} of {all} pairs were compared", met=len(one.graph.votes), all=every)),
                            cells)  # fmt: skip
        return
    met = {(letters[pair.a], letters[pair.b]): (pair.wins.won, pair.losses, pair.ties + pair.bad) for pair in one.pairs}
    met |= {(b, a): (lost, won, ties) for (a, b), (won, lost, ties) in met.items()}
    names = list(letters.values())

    def shown(a: str, b: str) -> str:
        if a == b:
            return ""
        won, lost, ties = met.get((a, b), (0, 0, 0))
        return f"{won}:{lost}" + (f" ({ties})" if ties else "") if (a, b) in met else "·"

    table = [["", *names], *([a, *(shown(a, b) for b in names)] for a in names)]
    sizes = [max(map(width, column)) for column in zip(*table, strict=True)]
    for number, line in enumerate(table):
        told = "  ".join(pad(each, size) for each, size in zip(line, sizes, strict=True)).rstrip()
        yield row(fit(told, cells), "dim" if number == 0 else "")
