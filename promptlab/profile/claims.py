"""What a prompt demands of the answer (form, length, language), in English and Chinese, and which demands exclude each
other. What holds on a condition or for a part of the answer is left alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from promptlab.profile.wording import Span, negated, sentences, unquoted

_COUNT = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
_DIGIT_ZH = {"一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10}
_TONGUES = {"english": "English", "chinese": "Chinese", "mandarin": "Chinese", "french": "French", "german": "German",
            "spanish": "Spanish", "japanese": "Japanese", "korean": "Korean", "russian": "Russian", "英文": "English",
            "英语": "English", "中文": "Chinese", "汉语": "Chinese", "简体中文": "Chinese", "繁体中文": "Chinese",
            "日语": "Japanese", "日文": "Japanese", "法语": "French", "德语": "German", "韩语": "Korean"}  # fmt: skip
_UNITS = {"word": "words", "sentence": "sentences", "line": "lines", "paragraph": "paragraphs",
          "character": "characters", "字": "characters", "句": "sentences", "行": "lines", "段": "paragraphs",
          "bullet": "items", "item": "items", "条": "items"}  # fmt: skip
_N = rf"(\d{{1,6}}|{'|'.join(_COUNT)})"
_U = r"(?: \w+)? (word|sentence|line|paragraph|character|bullet|item)s?\b"
_NZ = r"\s*(\d{1,6}|[一二两三四五六七八九十])\s*(?:个)?(字|句|行|段|条)"
_MOST = re.compile(
    rf"\b(?:at most|no more than|not more than|up to|fewer than|less than|under|within"
    rf"|max(?:imum)?(?: of)?) {_N}{_U}"
    rf"|(?:不超过|不得超过|最多|至多|少于|不多于|控制在){_NZ}",
    re.IGNORECASE,
)
_LEAST = re.compile(
    rf"\b(?:at least|no fewer than|no less than|more than|over|min(?:imum)?(?: of)?) {_N}{_U}"
    rf"|(?:至少|不少于|不低于|最少){_NZ}|(?<!不)(?<!得)超过{_NZ}",
    re.IGNORECASE,
)
_EXACT = re.compile(
    rf"(?:\A\s*(?:[-*] )?|\b(?:exactly|in|as|with) ){_N}{_U}|(?:\A\s*|用|恰好|正好|写){_NZ}", re.IGNORECASE
)
_DETAIL = re.compile(
    r"\b(?:explain|describe|answer|write|discuss|elaborate|respond|cover)\b[^.\n]{0,40}? in (?:great "
    r"|full |as much )?detail"
    r"|\bbe (?:very |as )?(?:detailed|thorough|comprehensive|exhaustive)\b|\b(?:detailed|comprehensive"
    r"|long|thorough|in-depth) "
    r"(?:answer|explanation|report|description|essay|response|discussion)\b"
    r"|(?:详细|详尽|全面深入)(?:地)?(?:的)?(?:说明|解释|描述|回答|介绍|阐述|展开|论述|报告)|尽(?:可能|量)详细",
    re.IGNORECASE,
)
_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("only JSON", re.compile(
        r"\b(?:only|just|nothing but) (?:(?:return|output|a|an|the|one|with|in|valid|raw"
        r"|single) )*JSON\b|\bJSON (?:object )?"
        r"(?:only|alone)\b|只(?:能)?(?:输出|返回|给出|用|写)[^，。；\n]{0,6}JSON|仅(?:输出|返回"
        r"|用)[^，。；\n]{0,6}JSON",
        re.IGNORECASE)),
    ("prose", re.compile(
        r"\b(?:write|answer|reply|respond|format|use|return|output)\b[^.\n]{0,25}?\b(?:in |as |with |a )?"
        r"(markdown|prose|paragraphs|bullet points|tables?|headings)\b|\b(?:explain|justify) (?:your"
        r"|each|every|why|how)\b"
        r"|\badd (?:a|an|your) (?:\w+ )?(?:explanation|comment|summary)\b"
        r"|(?:用|使用|以)(?:Markdown|散文|表格|段落|自然段)|(?:并|再|同时|请)?(?:解释|说明)(?:你的|每|理由|原因)",
        re.IGNORECASE)),
    ("lists", re.compile(
        r"\b(?:numbered|bulleted|bullet|ordered) (?:list|points)\b|\bas a list\b|\bbullet points\b"
        r"|(?:编号|有序|无序)列表|以列表|用列表|分点|列表形式|逐条列出",
        re.IGNORECASE)),
    ("no lists", re.compile(
        r"\b(?:no|without|avoid|do not use|don[’']t use"
        r"|never use) (?:any )?(?:bullet(?:ed)?(?: point)?s?|numbered|lists?)\b"
        r"|(?:不要|不用|不使用|避免|禁止)(?:使用|用)?(?:任何)?(?:列表|编号|分点)",
        re.IGNORECASE)),
    ("Markdown", re.compile(
        r"\b(?:in|use|as|with) markdown\b|\bmarkdown (?:table|headings|list|format)|(?:用|使用|以"
        r"|输出)\s*Markdown", re.IGNORECASE)),
    ("no Markdown", re.compile(
        r"\b(?:no|without|avoid|do not use|don[’']t use|never use) (?:any )?markdown\b"
        r"|\bplain text only\b|\bonly plain text\b"
        r"|(?:不要|不用|不使用|避免|禁止)(?:使用|用)?(?:任何)?\s*Markdown|只(?:用|输出)纯文本", re.IGNORECASE)),
)  # fmt: skip
_TONGUE = re.compile(
    r"\b(?:answer|reply|respond|write|output|speak|responses?)\b[^.\n]{0,30}?\bin (english|chinese"
    r"|mandarin|french|german"
    r"|spanish|japanese|korean|russian)\b"
    r"|(?:用|以|使用)(英文|英语|中文|汉语|简体中文|繁体中文|日语|日文|法语|德语|韩语)(?:来)?(?:回答"
    r"|回复|作答|输出|撰写|书写|写|解释)",
    re.IGNORECASE,
)
_CONDITIONAL = re.compile(
    r"\b(?:if|unless|except|when|whenever|where|otherwise|only for|either|or)\b|如果|若|除非|否则"
    r"|的话|当[^，。]{1,12}时|除了|或",
    re.IGNORECASE,
)
_SCOPED = re.compile(
    r"\b(?:each|per|every|titles?|headings?|headlines?|summary|abstract|first|last|then|followed by"
    r"|introduction|lines? of)\b"
    r"|每|标题|摘要|开头|结尾|第[一二三四五]|其中|各",
    re.IGNORECASE,
)
_OPPOSED = ({"only JSON", "prose"}, {"lists", "no lists"}, {"Markdown", "no Markdown"})


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that a text demands of the answer. For lengths `low` to `high` of a unit are allowed."""

    kind: str
    span: Span
    low: float = 0
    high: float = float("inf")
    said: str = ""


def claims(text: str) -> list[Claim]:
    """What a text demands of the answer as a whole, without what holds on a condition or for a part of it."""
    found: list[Claim] = []
    for start, sentence in sentences(unquoted(text)):
        if _CONDITIONAL.search(sentence):
            continue
        for kind, pattern in _FORMS:
            for hit in pattern.finditer(sentence):
                if kind.startswith("no ") or not negated(sentence, hit.start()):
                    found.append(Claim(kind, (start + hit.start(), start + hit.end()), said=hit[0]))
        for hit in _TONGUE.finditer(sentence):
            if not negated(sentence, hit.start()):
                name = _TONGUES[(hit[1] or hit[2]).lower()]
                found.append(Claim(f"in {name}", (start + hit.start(), start + hit.end()), said=hit[0]))
        if not _SCOPED.search(sentence):
            found += _lengths(sentence, start)
    return found


def _lengths(sentence: str, start: int) -> Iterator[Claim]:
    taken: list[Span] = []
    for pattern, word in ((_MOST, "most"), (_LEAST, "least"), (_EXACT, "exact")):
        for hit in pattern.finditer(sentence):
            if any(hit.start() < end and begin < hit.end() for begin, end in taken):
                continue
            given = [part for part in hit.groups() if part]
            if len(given) != 2 or (word != "most" and negated(sentence, hit.start())):
                continue
            taken.append(hit.span())
            number = _number(given[0])
            low, high = (0 if word == "most" else number), (float("inf") if word == "least" else number)
            yield Claim(_UNITS[given[1].lower()], (start + hit.start(), start + hit.end()), low, high, hit[0])
    for hit in _DETAIL.finditer(sentence):
        if not negated(sentence, hit.start()):
            yield Claim("in detail", (start + hit.start(), start + hit.end()), said=hit[0])


def _number(text: str) -> int:
    return _COUNT.get(text.lower()) or _DIGIT_ZH.get(text) or int(text)


def contradiction(one: Claim, other: Claim) -> bool:
    """Whether no answer can do both."""
    kinds = {one.kind, other.kind}
    if kinds in _OPPOSED:
        return True
    if one.kind.startswith("in ") and other.kind.startswith("in ") and "in detail" not in kinds:
        return one.kind != other.kind
    if kinds == {"sentences", "in detail"}:
        return min(one.high, other.high) == 1
    return one.kind == other.kind and (one.low > other.high or other.low > one.high)


def contradictions(texts: list[tuple[int, Claim]]) -> list[tuple[tuple[int, Claim], tuple[int, Claim]]]:
    """The pairs of claims that exclude each other; each claim with the number of the text it stands in."""
    return [(one, other) for one, other in combinations(texts, 2) if contradiction(one[1], other[1])]
