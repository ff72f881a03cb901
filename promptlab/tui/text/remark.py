"""The findings of a sweep in Chinese, by their forms; English has its own (`analysis.sentence`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from promptlab.phrase import Phrase, worded
from promptlab.tui.text.chart import TITLES

if TYPE_CHECKING:
    from promptlab.analysis import Reading, Remark
    from promptlab.tui.text import Say

ZH: dict[str, str] = {
    "too-few": "样本太少，看不出 {axis} 对 {target} 的影响：每个取值只有 {have}，{wanted} 次就够",
    "no-effect": "{axis} 对 {target} 没有可测的影响（n = {n}，{p}）：若某个取值下有{share}回答变成同一文本，本可看出",
    "no-effect.same": "{axis} 对 {target} 没有可测的影响（n = {n}）：所有回答都是同一文本；"
                      "换个更有余地的提示词才看得出",
    "not-detected": "没有测到 {axis} 对 {target} 的影响（n = {n}，{p}），但说明不了多少：{limit}；"
                    "重复 {wanted} 次能看得更清",
    "effect": "{axis} 改变了 {target} 的回答（n = {n}，{p}）{change}",
    "length": "长度随 {axis} 变化：{low} 时为 {first}，{high} 时为 {last}（单位：词或字，n = {n}，{p}）",
    "range.up": "{bound}从 {at} 起，{share} 的回答{what}，{rest}（n = {n}，{p}）{signs}",
    "range.down": "{bound}直到 {before}，{share} 的回答{what}，{rest}（n = {n}，{p}）{signs}",
    "range.ends": "{axis} 不高于 {below} 时有 {first} 的回答未通过检查，从 {above} 起有 {last}：{between}"
                  "（n = {n}，{p}）",
    "range.signs": "{axis} 不高于 {below} 时{first}（{first_sign}），从 {above} 起{last}（{last_sign}）：{between}"
                   "（n = {n}，{p}）",
    "collapse.low": "{axis} 不高于 {at} 时，回答都成了同一文本（n = {n}，{p}）",
    "collapse.high": "{axis} 从 {at} 起，回答都成了同一文本（n = {n}，{p}）",
    "form": "{axis} 为 {worst} 时 {most} 的回答{what}，为 {best} 时 {fewest}（n = {n}，{p}）",
    "failed": "{n} 个请求中 {count} 个失败：{reason}（{target}）",
    "failed.most": "{n} 个请求中 {count} 个失败，其中 {times} 个：{reason}（{target}）",
    "missing": "{n} 格中 {count} 格没有回答：已取消或未发送（{target}）",
    "empty": "{n} 份回答中 {count} 份为空（{target}）",
    "cut": "{target} 有 {share} 的回答{where}：长度不可比（n = {n}）",
    "not-deterministic": "{parameter} 为 0 时 {n} 份回答有 {distinct} 种：{target} 的输出不确定，"
                         "首处不同在{place}{more}",
    "deterministic": "{parameter} 为 0 时，{target} 的各次回答都是同一文本（n = {n}）",
    # Parts of the above
    "repeat": "{count} 次",
    "repeats": "{count} 次",
    "in-step": "{axis} 与 {other}",
    "share.quarter": "四分之一的",
    "share.half": "一半的",
    "share.most": "四分之三的",
    "share.all": "全部",
    "limit.all": "只有某个取值下的回答全部改变才看得出",
    "limit.none": "即使某个取值下的回答全部改变也看不出",
    "change": "：{measure}在 {low} 时为 {first}，{high} 时为 {last}",
    "usable.to": "{axis} 大约到 {value} 为止可用：",
    "usable.from": "{axis} 大约从 {value} 起可用：",
    "rest.below": "更低处为 {share}",
    "rest.below-none": "更低处没有",
    "rest.above": "更高处为 {share}",
    "rest.above-none": "更高处没有",
    "what.form": "未通过检查",
    "what.broken": "看来已失常",
    "signs": "：有乱词、循环、夹杂其他文字，或惊异度超过 5 nats",
    "between.one": "其间只有 {value} 可用",
    "between.some": "其间 {values} 和 {last} 可用",
    "repeats-itself": "不断重复",
    "breaks": "失常",
    "sign.repetition": "4-gram 重复率 {value}",
    "sign.surprisal": "惊异度 {value} nats",
    "sign.drift": "其他文字占 {value}",
    "sign.words": "有乱词",
    "reason.none": "不计入任何指标",
    "where.limit": "到 max_tokens 被截断",
    "where.end": "没写完就断了",
    "place.token": "第 {number} 个 token",
    "place.character": "第 {number} 个字符",
    "place.none": "别处",
    "more.prompts": "（{all} 个提示词中 {count} 个如此）",
    # What is to be known of the numbers
    "rows": "指标是数据集各行的平均，区间反映行间差异",
    "unread": "多数回答中读不出答案：用 --extract 指明它在哪里",
    "first": "同一提示词重复多达 {most} 次：有效文本数、近似重复、压缩比和所示回答只取前 {used} 次",
    **{f"measure.{name}": title for name, title in TITLES.items()},
}  # fmt: skip
_OTHERS = ("reason",)  # slots with texts that were made elsewhere


def remark(one: Remark, say: Say) -> str:
    """A finding in the language of the screen."""
    if one.said is None or say.language != "zh":
        return one.text
    return worded(others(one.said, _OTHERS, say), ZH, "、".join)


def notes(reading: Reading, say: Say) -> Sequence[str]:
    """What is to be known of the numbers, in the language of the screen."""
    return [remark(one, say) for one in reading.noted] or reading.notes


def others(said: Phrase, names: tuple[str, ...], say: Say) -> Phrase:
    """The phrase with the texts of these slots as the screen says them."""
    slots = {name: say.ours(slot) if name in names and isinstance(slot, str) else
             others(slot, names, say) if isinstance(slot, Phrase) else slot
             for name, slot in said.slots.items()}  # fmt: skip
    return replace(said, slots=slots)
