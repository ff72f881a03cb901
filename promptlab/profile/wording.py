"""What the words of a prompt ask for, in English and Chinese: orders to think, boasts, steps, a form of the answer,
the kind of task, the language. Modest on purpose: what is not surely meant is not found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

Span = tuple[int, int]
Language = Literal["en", "zh", ""]

# -- what is not the author's own instruction -------------------------------------------------------------------------

_QUOTED = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]{1,400}`|\{\{[^{}\n]{0,400}\}\}|\{%.{0,400}?%\}|\{#.{0,400}?#\}|https?://[^\s)>\]]{1,500}"
    r"|\"[^\"\n]{1,400}\"|“[^”]{1,400}”|‘[^’\n]{1,400}’|「[^」]{1,400}」|『[^』]{1,400}』|《[^》\n]{1,100}》"
    r"|\$\$.*?\$\$|\$[^$\n]{1,200}\$",
    re.DOTALL | re.IGNORECASE,
)
_TAG = re.compile(r"<(example|input|output|document|quote)>", re.IGNORECASE)
_NOT = re.compile(
    r"\b(?:not|never|without|avoid|no|nor|cannot|instead of|rather than)\b|n['’]t\b|不|别|勿|禁止|避免|无需|无须|而非",
    re.IGNORECASE,
)
_END = re.compile(r"[.!?;]\s|[。！？；\n]")


def unquoted(text: str) -> str:
    """The text with quotations, code, links and blanks replaced by as many spaces."""
    return _QUOTED.sub(lambda found: _blank(found[0]), _untagged(text))


def _untagged(text: str) -> str:
    """The same for what stands between tags such as <example>; in one pass, however many are never closed."""
    lower, end, kept, open_ = text.lower(), 0, [], set()
    for found in _TAG.finditer(text):
        tag = found[1].lower()
        if found.start() < end or tag in open_ or len(lower) != len(text):
            continue
        close = lower.find(f"</{tag}>", found.end())
        if close < 0:
            open_.add(tag)
            continue
        kept += [text[end : found.start()], _blank(text[found.start() : close])]
        end = close
    return "".join(kept) + text[end:]


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def sentences(text: str) -> Iterator[tuple[int, str]]:
    """Each sentence or line with its offset."""
    start = 0
    for end in [*(found.end() for found in _END.finditer(text)), len(text)]:
        if text[start:end].strip():
            yield start, text[start:end]
        start = end


def negated(text: str, at: int) -> bool:
    """Whether what begins at `at` is told not to be done: a "not" shortly before it, in the same sentence."""
    before = _END.split(text[max(0, at - 28) : at])[-1]
    return _NOT.search(before) is not None


# -- orders that a reasoning model can do without ---------------------------------------------------------------------

_LEAD = (
    r"(?:\A|[.!?;:,(\n]|^\s*[-*]|\b(?:please|and|then|should|must|always|first|now|just|also|(?:have"
    r"|need|sure|want you) to))"
    r"\s*"
)
_STEPS = r"step[- ]by[- ]step"
_THINK = re.compile(
    _LEAD + r"(?P<said>"
    r"take a deep breath"
    rf"|(?:let[’']?s |let us )?(?:think|reason|work)\b[^.!?\n;]{{0,60}}?\b{_STEPS}"
    rf"|(?:let[’']?s |let us )?(?:solve|do|tackle|approach|take|go through) (?:it|this|that|things"
    rf"|the (?:problem|task|question))"
    rf"\b[^.!?\n;]{{0,30}}?{_STEPS}"
    r"|let[’']?s think\b|let us think\b"
    r"|think\b(?: about (?:it|this|the (?:problem|question|task)))?(?: through)?,? "
    r"(?:(?:very|really|extra|long and) )?(?:carefully|deeply|hard(?:er)?|thoroughly)"
    r"|think (?:it|this|everything|the (?:problem|question|task)) through|think out loud|think aloud"
    r"|think before (?:you|answering|responding|writing)"
    r"|(?:show|explain|write (?:down|out)|lay out) (?:me )?(?:all )?your "
    rf"(?:reasoning|thinking|thought process|chain of thought)(?: {_STEPS})?"
    r"|use (?:a )?chain[- ]of[- ]thought"
    r")",
    re.IGNORECASE | re.MULTILINE,
)
_THINK_ZH = re.compile(
    r"(?P<said>(?:让我们)?(?:一步一步|一步步|逐步|分步)(?:地|来)?(?:进行)?(?:思考|推理|思索|想)"
    r"|(?:仔细|认真|深入|好好|反复|充分)(?:地)?(?:进行)?(?:思考|思索|想一想|想想|想清楚)"
    r"|让我们(?:一步一步|一步步|逐步)|深呼吸"
    r"|(?:思考|推理|想)(?:问题)?(?:的?时候?)?(?:请|要)?(?:一步一步|一步步)"
    r"|(?:展示|写出|说出|列出|给出|展现)(?:出|你的|您的|完整的?|全部的?|详细的?)*(?:思考|推理"
    r"|思维)(?:的)?(?:过程|步骤|链)"
    r"|先(?:仔细|认真)?(?:思考|想一想|想清楚|推理)(?:一下)?[，,]?(?:然后)?再(?:作)?(?:回答|答|作答|给出)"
    r"|(?:使用|运用|采用)思维链)",
)
_SOMEBODY = re.compile(
    r"(?:readers?|students?|children|child|users?|people|them|learners?|pupils?) $|读者|学生|孩子|用户|引导|启发|帮助",
    re.IGNORECASE,
)
_EXPERT = re.compile(
    r"\b(?:you are|you[’']re|act as|pretend to be|imagine (?:that )?you are) (?:an?|the|one of the) (?:[\w’'-]+ ){0,3}?"
    r"(?:world[- ]class|world[’']s|leading|renowned|genius|experts?|foremost|smartest)\b"
    r"|(?:你是|您是|你现在是|请?扮演|充当|担任|假设你是)(?:一位|一名|一个|个|位)?[^，。；,;\n]{0,16}?"
    r"(?:(?<!非)专家|大师|权威|天才|顶尖|顶级|世界级)",
    re.IGNORECASE,
)
_FILLER = re.compile(
    r"\b(?:please|always|about|it|this|the|problem|question|task|you|answer|answering|respond|responding"
    r"|before|and|then"
    r"|to|sure|make|first|let[’']?s|your|through|carefully|step[- ]by[- ]step)\b"
    r"|[请您你务必一定要要地先后再回答作问题题目并]"
    r"|[\W_\d]",
    re.IGNORECASE,
)


def orders_to_think(text: str) -> list[Span]:
    """Where a text tells the model to think, or to show how it thinks. The reader's thinking is another matter."""
    plain = unquoted(text)
    spans = [found.span("said") for pattern in (_THINK, _THINK_ZH) for found in pattern.finditer(plain)]
    return [(start, end) for start, end in sorted(spans)
            if not negated(plain, start) and not _SOMEBODY.search(plain[max(0, start - 10) : start])]  # fmt: skip


def boasts(text: str) -> list[Span]:
    """Where a text flatters the model: an expert, the world's best."""
    plain = unquoted(text)
    return [found.span() for found in _EXPERT.finditer(plain) if not negated(plain, found.start())]


def is_only(text: str, spans: list[Span]) -> bool:
    """Whether a text says nothing beside these spans, in whole sentences."""
    for start, end in reversed(spans):
        text = text[:start] + " " + text[end:]
    return bool(spans) and not _FILLER.sub("", text)


_THOUGHT = (
    r"(?:carefully )?(?:read|analy[sz]e|identify|think|break|consider|examine|determine|work out|look|check|understand"
    r"|gather|evaluate|decide|find out|review|recall)\b"
)
_THOUGHT_ZH = r"(?:仔细|认真|逐一)?(?:阅读|通读|分析|理解|思考|找出|识别|确定|判断|梳理|检查|拆解|回忆)"
_NUMBERED = re.compile(
    rf"^\s*(?:\d{{1,2}}\s*[.)、．:：]|[-*])\s*(?:{_THOUGHT}|{_THOUGHT_ZH})", re.IGNORECASE | re.MULTILINE
)
_NAMED = re.compile(
    r"^\W*step (?:\d|one|two|three)\b|(?:\A|[\n，。；：,])\s*第[一二三四五]步", re.IGNORECASE | re.MULTILINE
)
_FIRST = re.compile(
    rf"(?:\A|[.;:\n])\s*first(?:ly)?,? (?:you )?(?:should )?{_THOUGHT}.{{0,400}}?[.;,\n]\s*(?:and )?"
    r"(?:then|next|after that|afterwards|second(?:ly)?|finally)\b"
    rf"|(?:首先|请?先)[^，。；]{{0,4}}{_THOUGHT_ZH}.{{0,200}}?(?:然后|接着|其次|接下来|最后|[，。；]再)",
    re.IGNORECASE | re.DOTALL,
)


def ordered_steps(text: str) -> Span | None:
    """Where a text says how to go about it: two steps or more of reading, analysing, checking …"""
    plain = unquoted(text)
    for pattern in (_NAMED, _NUMBERED):
        found = list(pattern.finditer(plain))
        if len(found) > 1:
            return found[0].start() + len(found[0][0]) - len(found[0][0].lstrip()), found[-1].end()
    first = _FIRST.search(plain)
    return (first.start() + len(first[0]) - len(first[0].lstrip(" .;:\n")), first.end()) if first else None


# -- goal, form, context ----------------------------------------------------------------------------------------------

_VAGUE = re.compile(
    r"(?:please )?(?:help(?: me)?|answer(?: me| the question| questions)?|do (?:it|this|the task)"
    r"|be helpful|assist(?: me)?"
    r"|chat|respond|reply)|请?(?:帮(?:助|帮)?我|回答(?:问题)?|帮忙|聊天|完成任务|做(?:这个|一下))|todo|tbd|\.{3}|…+",
    re.IGNORECASE,
)
_NUMBER_ZH = r"(?:\d{1,5}|[一二两三四五六七八九十百千几数单每]{1,4})"
_FORM = re.compile(
    r"\b(?:json|yaml|csv|xml|markdown|html|latex|tables?|bullets?|bulleted|lists?|numbered|outline|headings?|sections?"
    r"|sentences?|paragraphs?|words?|lines?|characters?|nothing else|format|e?-?mails?|letter|essay|haiku|quatrain|poem"
    r"|sonnet|limerick|diff|patch|commit message|titles?|report|memo|story|script|function|query|regex|slogans?|tweet"
    r"|(?:only|just) (?:the|with|a|one|return|output|give|answer|write|reply)|yes or no)\b"
    rf"|JSON|表格|列表|编号|分点|要点|格式|大纲|清单|标题|只(?:输出|写|给|回答|返回)|仅(?:输出"
    rf"|返回)|诗|绝句|对联|邮件|报告|短文|故事|小说"
    rf"|作文|{_NUMBER_ZH}\s*(?:个)?(?:字|句|行|段|条|点|种|首)|是或否|一词|代码",
    re.IGNORECASE,
)
_THING = (
    r"(?:text|passage|article|document|code|e-?mail|message|paragraph|sentence|data|table|log|transcript"
    r"|report|contract"
    r"|review|essay|story|conversation|function|snippet|question|problem|poem|letter|abstract|paper"
    r"|notes?|content|input)"
)
_BELOW = re.compile(
    rf"\b(?:following|attached|enclosed|pasted) (?:[\w-]+ )?{_THING}s?\b"
    rf"|\b{_THING}s? (?:given |shown |provided |pasted |quoted )?(?:below|above)\b"
    r"|(?:以下|下面|下列|下述|上述|上面|以上|下方|附上)(?:的|这段|这篇|所给的?|给出的?|提供的?)*"
    r"(?:文本|文字|内容|代码|文章|段落|资料|数据|材料|邮件|对话|合同|日志|报告|句子|问题|题目|论文|原文|诗|表格)",
    re.IGNORECASE,
)


def is_vague(text: str) -> bool:
    return _VAGUE.fullmatch(text.strip().rstrip(".!。！ ")) is not None


def names_a_form(text: str) -> bool:
    return _FORM.search(text) is not None


def missing_context(text: str) -> Span | None:
    """Where a text points to a text of which it has none: nothing follows a colon or a line's end behind it, and
    there is no blank, quotation or code that could be it."""
    if text != unquoted(text):
        return None
    for found in _BELOW.finditer(text):
        if negated(text, found.start()):
            continue
        behind = text[found.end() :]
        above = re.search(r"above|上", found[0]) and len(text[: found.start()].strip()) > 200
        if not above and not re.search(r"[:：]\s*\S|\n\s*\S", behind):
            return found.span()
    return None


_ASKING = re.compile(
    r"[?？]|\b(?:summari[sz]e|translate|explain|write|list|answer|find|compare|analy[sz]e|describe|tell"
    r"|give|extract|review"
    r"|rewrite|identify|classify|evaluate|what|why|how|which|who|when)\b|请|总结|概括|翻译|解释"
    r"|说明|列出|回答|找出|比较|分析"
    r"|提取|改写|评价|什么|为什么|如何|哪",
    re.IGNORECASE,
)
_WORKED_ON = re.compile(
    r"\b(?:translat|proofread|correct|rewrite|rephrase|polish|edit)|翻译|译成|校对|改正|润色|改写|修改", re.IGNORECASE
)


def asks(text: str) -> bool:
    return _ASKING.search(unquoted(text)) is not None


def works_on_a_text(text: str) -> bool:
    """Whether a prompt is about a text, which may then stand in it without quotation marks."""
    return _WORKED_ON.search(text) is not None or _BELOW.search(text) is not None


LONG = 6_000  # characters; a Chinese one counts for three. The maker's advice is for 20,000 tokens and more


def question_first(text: str) -> bool:
    """Whether a long text is asked about before it comes, and not behind it."""
    if len(text) + 2 * len(_HAN.findall(text)) < LONG:
        return False
    head, _, rest = text.strip().partition("\n")
    tail = rest.rstrip().rpartition("\n\n")[2]
    if tail == rest.rstrip() or len(tail) > 600:
        tail = rest.rstrip()[-200:]
    asked = len(head) < 600 and len(rest) > 0.8 * len(text) and _ASKING.search(unquoted(head)) is not None
    return asked and _ASKING.search(tail) is None


# -- task and language ------------------------------------------------------------------------------------------------

Task = Literal["exact", "translation", "creative"]
_TASKS: tuple[tuple[Task, re.Pattern[str]], ...] = (
    ("exact", re.compile(
        r"\b(?:code|coding|program(?:ming)?|refactor\w*|debug\w*|bugs?|unit tests?|sql|regex"
        r"|stack ?trace|math(?:s|ematics)?"
        r"|equations?|theorems?|arithmetic|calculat\w+|integrals?|extract(?:s|ion|or|ing)?|classif(?:y"
        r"|ies|ication|ier)|legal)\b"
        r"|代码|编程|程序|调试|数学|方程|计算|提取|抽取|分类|法律", re.IGNORECASE)),
    ("translation", re.compile(r"\b(?:translat(?:e|es|or|ion|ing))\b|翻译|译成|译为", re.IGNORECASE)),
    ("creative", re.compile(
        r"\b(?:poems?|poetry|verses?|haikus?|quatrains?|sonnets?|limericks?|lyrics|(?<!user )stor(?:y"
        r"|ies)|fairy ?tales?"
        r"|fiction|novel|brainstorm\w*|ideas|slogans?|creative)\b|诗|绝句|故事|小说|头脑风暴|创意"
        r"|点子|歌词|对联", re.IGNORECASE)),
)  # fmt: skip


def task_of(text: str) -> Task | None:
    """The kind of task that a text states, where it states just one."""
    found = [task for task, pattern in _TASKS if pattern.search(text)]
    return found[0] if len(found) == 1 else None


_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_WORD = re.compile(r"[A-Za-z][A-Za-z’'-]*")
_ENGLISH = re.compile(
    r"\b(?:the|an?|of|to|in|on|is|are|be|not|and|or|that|this|it|you|your|with|for|as|at|by|from|do|does|write|use|give"
    r"|only|each|one|what|which|who|how|when|if|no|never|answer|reply|explain|list)\b",
    re.IGNORECASE,
)
_NAMES = re.compile(
    r"(?P<zh>zh(?:[-_]\w+)*|cn|chinese|mandarin|中文|汉语|简体中文|繁体中文|简体|繁体)"
    r"|(?P<en>en(?:[-_]\w+)*|english|英文|英语)",
    re.IGNORECASE,
)


def language_named(text: str) -> Language:
    """The language that a word such as `zh-CN`, `English` or `中文` names, or "" for another one."""
    found = _NAMES.fullmatch(text.strip())
    return "" if not found else "zh" if found["zh"] else "en"


def language_of(text: str) -> Language:
    """The language of an instruction, quotations and code left out; "" where it is short, mixed or another one."""
    plain = unquoted(text)
    if _KANA.search(plain):
        return ""
    han, words = len(_HAN.findall(plain)), _WORD.findall(plain)
    if han >= 4 and han >= 2 * len(words):
        return "zh"
    if len(words) >= 4 and han * 4 <= len(words) and len(_ENGLISH.findall(plain)) >= 2:
        return "en"
    return ""


def estimate(text: str) -> int:
    """About how many tokens a text is: a Han character 0.7, four other characters one; within a third or so."""
    han = len(_HAN.findall(text))
    return round(han * 0.7 + (len(text) - han) / 4)
