"""The findings of the lint in Chinese, by the codes of their rules; English has its own (`profile.sentence`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from promptlab.profile.sentence import Sentences, told
from promptlab.tui.text.remark import others

if TYPE_CHECKING:
    from promptlab.profile.finding import Finding
    from promptlab.tui.text import Say

_GOAL = ("模型照要求去做：写明目的，以及怎样算完成", "goal: 用一句话写明要什么")
_EXAMPLES = ("{model}会收到 {count} 个示例", "厂商发现示例会让它答得更差")
_TONGUES = ("模型可能用任一种语言回答；指示只用一种语言就没有歧义", "指示只用一种语言，回答的语言写成一条规则")
_BLANK = ("{{{{{name}}}}} 没有声明", "没有值就无法发送")
_HOT = "宜用 {span}，或扫描几个值"

ZH: dict[str, Sentences] = {form: Sentences(*texts) for form, texts in {
    "P000": ("{fault}", "不能照原样使用", "{hint}"),
    "P001": ("{said}要{models}做它本来就会做的事", "这类话对自己会思考的模型没有帮助，还可能有害",
             "删去，或移到 steps 并写 chat_only: [steps]"),
    "P002": ("{said}对{models}没有用处", "简短直接的提示词效果最好：写目标和限制，不必夸奖",
             "写明回答要满足什么，或把 role 加进 chat_only"),
    "P003": ("{said}开始规定做法", "推理模型自有办法：给目标胜过规定步骤",
             "写要什么；做法留给对话模型，放进 steps: 并写 chat_only: [steps]"),
    "P004": ("没有写明要什么", *_GOAL),
    "P004.vague": ("{said}算不上目标", *_GOAL),
    "P005": ("没有写明回答的形式", "形式明确的回答便于比较，也能直接使用",
             "format: 三句话（或列表、表格、JSON schema……）"),
    "P006": ("提到了{said}，却没有给出", "没有给出的文本，模型会自己编造",
             "加上 context: 或 {{{{变量}}}}，或写明“作为背景给出的文本”并用管道传入"),
    "P007": ("{said}在长文本之前，后面没有提问", "问题放在长文本之后回答更好，厂商测试中最多好 30%",
             "先放文本（或放进 context:），最后提问"),
    "P008": ("{said}与{other}{where}互相矛盾", "模型会费力判断该听哪条，或两条都不遵守",
             "只留一条，或写明各自何时适用"),
    "P009": (*_EXAMPLES, "不要给它示例"),
    "P009.thinks": (*_EXAMPLES, "加上 chat_only: [examples]"),
    "P010": ("{models}不应有系统消息", "厂商要求指示都放在用户消息里；promptlab 会自行放好", "不必处理"),
    "P011": ("{parameter} {value} 在{model}上{word}{note}", "模型不会照档案的要求做",
             "去掉 {parameter}，或换用支持它的模型"),
    "P012.exact": ("{parameter} {values} 对要求准确的任务偏高", "代码、数学和信息抽取要取概率最高的 token",
                   _HOT.replace("{span}", "0 到 0.3")),
    "P012.translation": ("{parameter} {values} 对翻译偏高", "高于 1 会混进原文没有的罕见词",
                         _HOT.replace("{span}", "0.3 到 1")),
    "P012.creative": ("{parameter} {values} 对创作偏低", "接近 0 时，诗歌、故事和点子都会写成套话",
                      _HOT.replace("{span}", "1 到 1.5")),
    "P013": (*_BLANK, "variables: {name}:"),
    "P013.meant": (*_BLANK, "是否想写“{other}”？"),
    "P014": ("变量 {name} 没有用到", "要人填写，却不起作用", "用 {{{{{name}}}}} 引用，或删去"),
    "P015": ("发给{model}的约有 {tokens} token（估算），它最多 {room}", "放不下的会被拒绝或截断",
             "缩短，或换用上下文更大的模型"),
    "P016.declared": ("language 为 {language}，{said}却不是", *_TONGUES),
    "P016.mixed": ("{said}是{its}，其余是{main}", *_TONGUES),
    "P017": ("对{model}一无所知", "无法检查它支持什么、如何思考", "用 promptlab models find 核对名称"),
    "P018": ("{part} 也会发给推理模型", "推理模型不需要规定步骤，示例也只在必要时才好",
             "加上 chat_only: [{parts}]，或 kind: chat"),
    "P019": ("变量写法有误：{fault}", "无法填入变量", "{hint}"),
}.items()}  # fmt: skip

PARTS: dict[str, str] = {
    "thinker": "推理模型",
    "line": "（第 {line} 行）",
    "ignored": "会被忽略",
    "refused": "会被拒绝",
    "pinned": "无效，取值固定",
    "note": "（{note}）",
    "en": "英文",
    "zh": "中文",
}
_OTHERS = ("fault", "hint", "note")  # slots with texts that were made elsewhere


def finding(one: Finding, say: Say) -> Sentences:
    """A finding in the language of the screen: what it is, why, and what to do."""
    if one.said is None or say.language != "zh":
        return Sentences(one.message, one.why, one.advice)
    return Sentences(*(text.strip() for text in told(others(one.said, _OTHERS, say), ZH, PARTS, _listed)))


def line(one: Finding, say: Say) -> str:
    """A finding as one line: its code, what it is, what to do."""
    said = finding(one, say)
    return f"{one.code} {said.message}" + (f" → {said.advice}" if said.advice else "")


def brief(findings: Sequence[Finding], say: Say) -> str | None:
    """Several as one line, of which the first one is told; None where there is none, or English has its own."""
    if not findings or say.language != "zh":
        return None
    more = f"（另有 {len(findings) - 1} 条：promptlab profiles lint）" if len(findings) > 1 else ""
    return line(findings[0], say) + more


def _listed(names: tuple[str, ...]) -> str:
    """Names within Chinese, which stand apart from it."""
    return " " + "、".join(names[:3]) + (f" 等 {len(names)} 个模型" if len(names) > 3 else " ")
