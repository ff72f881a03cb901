"""What an axis of a sweep is at a target, in Chinese; English has its own (`prospect`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlab.phrase import worded
from promptlab.tui.text.remark import others

if TYPE_CHECKING:
    from promptlab.prospect import Prospect
    from promptlab.tui.text import Say

ZH: dict[str, str] = {
    "honoured": "生效",
    "unknown": "是否起作用尚不清楚{note}：可用 --audit 查明",
    "cuts": "会先经服务端 {samplers} 截断，实际变化小于所设",
    "neutral.one": "与 {samplers} 一同发送，以免服务端自己的采样器先行截断；--keep-samplers 可保留它们",
    "neutral.some": "与 {samplers} 一同发送，以免服务端自己的采样器先行截断；--keep-samplers 可保留它们",
    "merged": "{values} 在此等同{once}",
    "refused.one": "{values} 不被接受{note}{unsent}",
    "refused.some": "{values} 不被接受{note}{unsent}",
    "void": "{where}{word}{note}",
    "pinned": "取值固定{at}",
    "refused": "不被接受{note}",
    "ignored": "可以发送，但不起作用{note}",
    "collapsed": "只发送一列，不带此参数",
    "effort": "--axis effort={levels}{doubt}",
    "budget": "--axis thinking_budget=…，从 {low} token 起{doubt}",
    "budget.to": "--axis thinking_budget=…，{low} 到 {high} token{doubt}",
    "unthinking": "加 --effort none 再扫 {axis}",
    # Parts of the above
    "note": "（{note}）",
    "doubt": "（是否起作用尚不清楚）",
    "once": "，只发送一次",
    "unsent": "，不发送",
    "fixed-at": "为 {value}",
    "sampler": "{name} {value}",
    "sampler.own": "自带的 {name}",
    "word.ignored": "不起作用",
    "word.pinned": "取值固定",
    "word.refused": "不被接受",
    "at": "取 {values} 时",
    "at-axis": "{axis} 为 {values} 时",
}


def axis(one: Prospect, say: Say) -> str:
    """The target, the axis, and what it is there, in the language of the screen."""
    if say.language != "zh":
        return f"{one.target}: {one.text}"

    said, ways = ("；".join(worded(others(each, ("note",), say), ZH, "、".join) for each in phrases)
                  for phrases in (one.said, one.ways))  # fmt: skip
    instead = f"。可改为：{ways}" if ways else ""
    return f"{one.target}：{one.axis} {said or ZH['honoured']}{instead}"
