"""What an axis of a sweep is at a target, in Chinese, by its English form (`prospect`)."""

from __future__ import annotations

ZH: dict[str, str] = {
    "{axis}: {told}": "{axis} {told}",
    "{what}. Instead: {ways}": "{what}。可改为：{ways}",
    "it is honoured": "生效",
    "nobody knows whether it does anything there{note}: --audit finds out":
        "是否起作用尚不清楚{note}：可用 --audit 查明",
    "the server cuts to {samplers} first: what is left varies less than the axis says":
        "会先经服务端 {samplers} 截断，实际变化小于所设",
    "{samplers} is sent with it, so that the server's own samplers don't cut first; --keep-samplers leaves them":
        "与 {samplers} 一同发送，以免服务端自己的采样器先行截断；--keep-samplers 可保留它们",
    "{samplers} are sent with it, so that the server's own samplers don't cut first; --keep-samplers leaves them":
        "与 {samplers} 一同发送，以免服务端自己的采样器先行截断；--keep-samplers 可保留它们",
    "{values} are one there{once}": "{values} 在此等同{once}",
    "{values} is refused{note}{unsent}": "{values} 不被接受{note}{unsent}",
    "{values} are refused{note}{unsent}": "{values} 不被接受{note}{unsent}",
    "{word} {where}{note}": "{where}{word}{note}",
    "it is fixed{at}": "取值固定{at}",
    "it is refused{note}": "不被接受{note}",
    "it is accepted and has no effect{note}": "可以发送，但不起作用{note}",
    "one column is sent, without it": "只发送一列，不带此参数",
    "--axis effort={levels}{doubt}": "--axis effort={levels}{doubt}",
    "--axis thinking_budget=…, from {low} tokens{doubt}": "--axis thinking_budget=…，从 {low} token 起{doubt}",
    "--axis thinking_budget=…, from {low} to {high} tokens{doubt}":
        "--axis thinking_budget=…，{low} 到 {high} token{doubt}",
    "{axis} with --effort none": "加 --effort none 再扫 {axis}",
    " (nobody knows whether it does anything there)": "（是否起作用尚不清楚）",
    ", and sent once": "，只发送一次",
    ", and not sent": "，不发送",
    " at {value}": "为 {value}",
    "its own {name}": "自带的 {name}",
    "at {values}": "取 {values} 时",
    "at {axis} {values}": "{axis} 为 {values} 时",
    ", ": "、",
}  # fmt: skip
