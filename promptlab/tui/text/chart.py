"""What is said in tables and plots of a sweep, and the names of its measures, in Chinese; English has its own
(`render.words`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlab.render.words import ENGLISH, Words

if TYPE_CHECKING:
    from promptlab.tui.text import Say

ZH: dict[str, str] = {
    "comma": "、",
    "semicolon": "；",
    "titled": "{title} ({unit})",
    "ignored": "被忽略",
    "answers": "回答",
    "answered": "{count}/{all}",
    "brackets": "方括号内：95% 置信区间",
    "estimated": "≈：服务端未报数，为本地估算",
    "shades": "色深：从该列最小到最大，不代表好坏",
    "no_room": "放不下：{names}；请加宽终端",
    "along": "横轴 {axis}，附 95% 置信区间",
    "no_curve": "被忽略：参数在该模型上不起作用，故无曲线",
    "bars": "▓ 与 ░：95% 置信区间在条内和条外的部分",
    "not_drawn": "未画：{names}",
    "idle": "{why}，未画：{names}",
    "one": "只有一个点",
    "flat": "处处相同",
    "narrow": "变化太小",
    "against": "{measure}与惊异度",
    "surprisal": "惊异度（nats/token）",
    "natural": "┊：与模型自身的熵一样意外（差距为 0）。偏左则比模型本身平淡，附近最自然；"
               "远在右侧则已失常，那里的多样只是混乱。",
    "no_natural": "在这些取值内，惊异度与熵的差距没有过零，所以没有竖线。",
}  # fmt: skip
TITLES: dict[str, str] = {
    "passed": "通过率",
    "correct": "正确率",
    "distinct_2": "词汇丰富度",
    "vendi": "有效文本数",
    "surprisal": "惊异度",
    "gap": "惊异度差",
    "repetition": "重复率",
    "majority": "多数占比",
    "answer_agreement": "自一致性",
    "agreement": "同文率",
    "length": "长度",
    "cut": "截断率",
    "time": "用时",
    "cost": "费用",
    "thinking": "思考量",
    "thinking_time": "思考用时",
    "answer_tokens": "回答长度",
    "speed": "速度",
    "near_duplicates": "近似重复",
    "openings": "开头种类",
    "compression": "压缩比",
    "drift": "文字漂移",
    "unread": "未读出",
}
UNITS: dict[str, str] = {"seconds": "s", "nats": "nats", "tokens": "tok", "tokens/s": "tok/s", "US dollars": "$"}


def words(say: Say) -> Words:
    """The words of tables and plots in the language of the screen."""
    return Words(ZH, TITLES, UNITS) if say.language == "zh" else ENGLISH
