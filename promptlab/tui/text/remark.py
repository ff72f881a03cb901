"""What a sweep shows, in Chinese, by its English form (`analysis.remark`, `extent` and `reading`)."""

from __future__ import annotations

ZH: dict[str, str] = {
    "too few samples to tell what {axis} does at {target}: {have} of each value, {wanted} would do":
        "样本太少，看不出 {axis} 对 {target} 的影响：每个取值只有 {have}，{wanted} 次就够",
    "{axis} had no measurable effect on {target} (n = {n}, {p}): {share} of the answers at one value turning into "
    "one same text would have shown":
        "{axis} 对 {target} 没有可测的影响（n = {n}，{p}）：若某个取值下有{share}回答变成同一文本，本可看出",
    "{axis} had no measurable effect on {target} (n = {n}): every answer is the same text; a prompt that leaves more "
    "room would tell more":
        "{axis} 对 {target} 没有可测的影响（n = {n}）：所有回答都是同一文本；换个更有余地的提示词才看得出",
    "no effect of {axis} was detected on {target} (n = {n}, {p}), and little can be said: {limit} would have shown; "
    "{wanted} repeats would tell more":
        "没有测到 {axis} 对 {target} 的影响（n = {n}，{p}），但说明不了多少：{limit}；重复 {wanted} 次能看得更清",
    "{axis} changes the answers of {target} (n = {n}, {p}){change}":
        "{axis} 改变了 {target} 的回答（n = {n}，{p}）{change}",
    "lengths change with {axis}: {first} units at {low}, {last} at {high} (n = {n}, {p})":
        "长度随 {axis} 变化：{low} 时为 {first}，{high} 时为 {last}（单位：词或字，n = {n}，{p}）",
    "{bound}from {at} on {share} of the answers {what}, {rest} (n = {n}, {p}){signs}":
        "{bound}从 {at} 起，{share} 的回答{what}，{rest}（n = {n}，{p}）{signs}",
    "{bound}up to {before} {share} of the answers {what}, {rest} (n = {n}, {p}){signs}":
        "{bound}直到 {before}，{share} 的回答{what}，{rest}（n = {n}，{p}）{signs}",
    "{first} of the answers break the form at and below {axis} {below}, {last} from {above} on: between them "
    "{between} usable (n = {n}, {p})":
        "{axis} 不高于 {below} 时有 {first} 的回答未通过检查，从 {above} 起有 {last}：{between}（n = {n}，{p}）",
    "{first} at and below {axis} {below} ({first_sign}), {last} from {above} on ({last_sign}): between them "
    "{between} usable (n = {n}, {p})":
        "{axis} 不高于 {below} 时{first}（{first_sign}），从 {above} 起{last}（{last_sign}）：{between}（n = "
        "{n}，{p}）",
    "answers collapse to one up to {axis} {at} (n = {n}, {p})":
        "{axis} 不高于 {at} 时，回答都成了同一文本（n = {n}，{p}）",
    "answers collapse to one from {axis} {at} on (n = {n}, {p})":
        "{axis} 从 {at} 起，回答都成了同一文本（n = {n}，{p}）",
    "{most} of the answers {what} at {axis} {worst}, {fewest} at {best} (n = {n}, {p})":
        "{axis} 为 {worst} 时 {most} 的回答{what}，为 {best} 时 {fewest}（n = {n}，{p}）",
    "{count} of {n} requests failed: {reason} ({target})": "{n} 个请求中 {count} 个失败：{reason}（{target}）",
    "{count} of {n} requests failed, {times} of them: {reason} ({target})":
        "{n} 个请求中 {count} 个失败，其中 {times} 个：{reason}（{target}）",
    "{count} of {n} cells have no answer: cancelled or never sent ({target})":
        "{n} 个单元中 {count} 个没有回答：已取消或未发送（{target}）",
    "{count} of {n} answers are empty ({target})": "{n} 份回答中 {count} 份为空（{target}）",
    "{share} of {target}'s answers were cut {where}: lengths are not comparable (n = {n})":
        "{target} 有 {share} 的回答{where}：长度不可比（n = {n}）",
    "{distinct} distinct answers of {n} at {parameter} 0: not deterministic at {target}, first difference at "
    "{place}{more}":
        "{parameter} 为 0 时 {n} 份回答有 {distinct} 种：{target} 的输出不确定，首处不同在{place}{more}",
    "all repeats at {parameter} 0 are the same text at {target} (n = {n})":
        "{parameter} 为 0 时，{target} 的各次回答都是同一文本（n = {n}）",
    "{count} repeat": "{count} 次",
    "{count} repeats": "{count} 次",
    "a quarter": "四分之一的",
    "half": "一半的",
    "three quarters": "四分之三的",
    "only a change of all answers at one value": "只有某个取值下的回答全部改变才看得出",
    "not even a change of all answers": "即使某个取值下的回答全部改变也看不出",
    ": {measure} {first} at {low}, {last} at {high}": "：{measure}在 {low} 时为 {first}，{high} 时为 {last}",
    "usable up to about {axis} {value}: ": "{axis} 大约到 {value} 为止可用：",
    "usable from about {axis} {value}: ": "{axis} 大约从 {value} 起可用：",
    "below it {share}": "更低处为 {share}",
    "nothing below it breaks": "更低处没有",
    "above it {share}": "更高处为 {share}",
    "nothing above it breaks": "更高处没有",
    "break the form": "未通过检查",
    "look broken": "看来已失常",
    ": odd words, loops, another script or a surprisal above 5 nats":
        "：有乱词、循环、夹杂其他文字，或惊异度超过 5 nats",
    "only {value} is": "其间只有 {value} 可用",
    "{values} and {last} are": "其间 {values} 和 {last} 可用",
    "repeats itself": "不断重复",
    "breaks": "失常",
    "repeated 4-grams {value}": "4-gram 重复率 {value}",
    "surprisal {value} nats": "惊异度 {value} nats",
    "letters in another script {value}": "其他文字占 {value}",
    "odd words": "有乱词",
    "they are in no measure": "不计入任何指标",
    "at max_tokens": "到 max_tokens 被截断",
    "before their end": "没写完就断了",
    "token {number}": "第 {number} 个 token",
    "character {number}": "第 {number} 个字符",
    " (as with {count} of {all} prompts)": "（{all} 个提示词中 {count} 个如此）",
    "measures are means over the dataset's rows, and their intervals are between rows":
        "指标是数据集各行的平均，区间反映行间差异",
    "no value could be extracted from most answers: say where it stands with --extract":
        "多数回答中读不出答案：用 --extract 指明它在哪里",
    "up to {most} repeats of one prompt: effective texts, near twins, compression and the answer that is shown are "
    "of the first {used}":
        "同一提示词重复多达 {most} 次：有效文本数、近似重复、压缩比和所示回答只取前 {used} 次",
    " with ": " 与 ",
    "distinct-2": "词汇丰富度",
    "thinking": "思考量",
    "length": "长度",
}  # fmt: skip
