"""Answers under letters, reviewed blind: what a reviewer and a writer are shown, and what they say read back. Pure.

Letters are shuffled for each reviewer, so that none can tell by its place who wrote what."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from promptlab.material import enclosed, guard, is_chinese, new_mark, unenclosed

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MOST = len(LETTERS)
LONGEST = 200_000  # characters of a review that are looked at


@dataclass(frozen=True, slots=True)
class Paper:
    """What one reader is shown. `order` gives the number of the answer under each letter, `mark` encloses them."""

    order: tuple[int, ...]
    mark: str
    prompt: str


def shuffled(numbers: Sequence[int], chance: Random) -> tuple[int, ...]:
    order = list(numbers)
    chance.shuffle(order)
    return tuple(order)


def review_paper(question: str, answers: Mapping[int, str], order: Sequence[int]) -> Paper:
    """The question and the answers for a reviewer, who ends with a line `RANKING: B > A`."""
    chinese = is_chinese(question)
    mark = new_mark([question, *answers.values()])
    last = " > ".join(reversed(LETTERS[: len(order)]))
    if chinese:
        end = f"最后单独一行写名次，最好的在前，格式如：RANKING: {last}" if len(order) > 1 else ""
    else:
        end = f"End with one line that ranks them, the best first, in this form: RANKING: {last}"
        end = end if len(order) > 1 else ""
    return Paper(tuple(order), mark, _joined(question, answers, order, mark, (), end, chinese))


def writing_paper(
    question: str, answers: Mapping[int, str], order: Sequence[int], reviews: Sequence[str] = ()
) -> Paper:
    """The question, the answers, and what reviewers said of them, for the model that writes one answer from all.

    Reviews speak of answers by the letters that their own readers saw: they come with `renamed` letters."""
    chinese = is_chinese(question)
    mark = new_mark([question, *answers.values(), *reviews])
    letters = LETTERS[: len(order)]
    if chinese:
        end = (f"答案写完之后，单独一行写 CONTRIBUTIONS {mark}，随后 {'、'.join(letters)} 各占一行："
               "字母、冒号、从该答案采用了什么；没有采用就写“无”。")  # fmt: skip
    else:
        end = (f"After your answer write a line CONTRIBUTIONS {mark} and below it one line for each of "
               f"{', '.join(letters)}: the letter, a colon, and what you took from it, or `nothing`.")  # fmt: skip
    return Paper(tuple(order), mark, _joined(question, answers, order, mark, reviews, end, chinese))


def _joined(
    question: str, answers: Mapping[int, str], order: Sequence[int], mark: str, reviews: Sequence[str], end: str,
    chinese: bool,
) -> str:  # fmt: skip
    told = [enclosed(answers[number], mark, f"answer {letter}")
            for letter, number in zip(LETTERS, order, strict=False)]  # fmt: skip
    told += [enclosed(text, mark, f"review {number}") for number, text in enumerate(reviews, 1)]
    asked = ("问题：" if chinese else "The question:") + f"\n{question.strip()}"
    return "\n\n".join(filter(None, [guard(mark, chinese=chinese), asked, *told, end]))


_RANKED = re.compile(r"(?:ranking|排名|名次|排序)\W{0,6}[:：]\W*(.+)", re.IGNORECASE)
_CHAIN = re.compile(r"(?:answer|答案|[\s*`(\[\])])*([A-Z])\b(?:[\s*`)\]])*", re.IGNORECASE)
_SPLIT = re.compile(r"\s*(>|＞|≻|=|＝|,|，|、)\s*")


def read_ranking(text: str, count: int) -> tuple[tuple[int, ...], ...] | None:
    """Places of answers (0 is the letter A), the best first, those that are level together; from the last line that
    ranks. None where no line does, or it names a letter twice or one that nobody has. Those that it leaves out are
    last, and level."""
    for line in reversed(text[-LONGEST:].splitlines()):
        found = _RANKED.search(line)
        said = found[1] if found else line if re.search(r"[>＞≻]", line) else ""
        if said and (read := _groups(said, count)) is not None:
            return read
    return None


def _groups(said: str, count: int) -> tuple[tuple[int, ...], ...] | None:
    pieces = _SPLIT.split(said.strip().rstrip(".。"))
    places = []
    for name in pieces[::2]:
        letter = _CHAIN.fullmatch(name.strip())
        if letter is None or (place := LETTERS.find(letter[1].upper())) >= count or place < 0:
            return None
        places.append(place)
    if len(set(places)) < len(places) or len(places) < min(2, count):
        return None
    groups: list[list[int]] = [[places[0]]]
    for sign, place in zip(pieces[1::2], places[1:], strict=True):
        if sign in "=＝":
            groups[-1].append(place)
        else:
            groups.append([place])
    rest = [place for place in range(count) if place not in places]
    return tuple(map(tuple, [*groups, rest] if rest else groups))


def ranks(rankings: Sequence[tuple[Sequence[int], tuple[tuple[int, ...], ...]]]) -> dict[int, float]:
    """The mean rank of each answer by its number, from 0 (always the best) to 1 (always the last), over pairs of a
    paper's order and the ranking of it. An answer that stood alone has none."""
    found: dict[int, list[float]] = {}
    for order, groups in rankings:
        before = 0
        for group in groups:
            for place in group:
                if len(order) > 1:
                    middle = before + (len(group) - 1) / 2
                    found.setdefault(order[place], []).append(middle / (len(order) - 1))
            before += len(group)
    return {number: sum(each) / len(each) for number, each in found.items()}


_LETTERED = re.compile(
    r"(?:\b(?:answer|response|option)|答案|回答)\s*[(（\"“]?(?P<letter>[A-Z])(?![\w'])", re.IGNORECASE
)


def renamed(review: str, order: Sequence[int], to: Sequence[int]) -> str:
    """A review with the letters of its own reader replaced by those of another order: `answer B`, and the ranking."""
    names = {letter: LETTERS[to.index(number)] for letter, number in zip(LETTERS, order, strict=False)}

    def swap(found: re.Match[str]) -> str:
        letter = found["letter"]
        return found[0][: -len(letter)] + names.get(letter, letter) if letter.isupper() else found[0]

    lines = []
    for line in review.splitlines():
        ranked = _RANKED.search(line) is not None or re.match(r"\W{0,8}[A-Z]\W{0,4}[:：.)）]", line) is not None
        line = re.sub(r"(?<![\w'])(?P<letter>[A-Z])(?![\w'])", swap, line) if ranked else _LETTERED.sub(swap, line)
        lines.append(line)
    return "\n".join(lines)


_TAKEN = re.compile(r"^\W{0,8}(?:answer|答案)?\s*[*`\"(]*([A-Z])[*`\")]*\s*[:：\-–—]\s*(.*)$", re.IGNORECASE)


def read_fused(text: str, mark: str, count: int) -> tuple[str, dict[int, str]]:
    """The answer, and what each answer contributed by its place (0 is the letter A), as the writer says; nothing where
    it says nothing."""
    text = unenclosed(text, mark)
    found = None
    for found in re.finditer(rf"^\W*(?:contributions?|贡献)\W*(?:{re.escape(mark)})?\W*$", text, re.I | re.M):
        if mark in found[0]:
            break
    if found is None:
        return text.strip(), {}
    said: dict[int, str] = {}
    for line in text[found.end() :].splitlines():
        one = _TAKEN.match(line)
        place = LETTERS.find(one[1].upper()) if one else -1
        if one and 0 <= place < count:
            said.setdefault(place, one[2].strip())
    return (text[: found.start()].strip(), said) if said or mark in found[0] else (text.strip(), {})
