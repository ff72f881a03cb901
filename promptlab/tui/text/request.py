"""What is told of a request beside its body, and of the form in which a model gets a profile, in Chinese."""

from __future__ import annotations

ZH: dict[str, str] = {
    "{told} ({note})": "{told}（{note}）",
    "{word}: {told}": "{word}：{told}",
    "{line}  (before litellm makes the body)": "{line}  （litellm 生成请求体之前）",
    "{start}\n… {count} characters more: promptlab ask --dry-run":
        "{start}\n…… 还有 {count} 个字符：promptlab ask --dry-run",
    "this API wants one": "此 API 必须有",
    "this API wants one: this is sent instead": "此 API 必须有：改为发送此值",
    "litellm leaves it out": "litellm 会略去",
    "a raw field of the body stands in its place": "已由直接写入请求体的字段代替",
    # the form of a profile
    "all in one user message: its maker advises against a system message":
        "全部放在一条用户消息里：厂商不建议用系统消息",
    "all in one user message: it takes no system message": "全部放在一条用户消息里：它不接受系统消息",
    "one user message, for the profile is the entire prompt; beside a prompt it is {role}":
        "一条用户消息，因为档案就是全部提示词；若另有提示词，则为{role}",
    "a system message": "系统消息",
    "a developer message": "开发者消息",
    "a user message": "用户消息",
    "instructions in {role}": "指示放在{role}里",
    "{said}, as is usual": "{said}（通常如此）",
    "sections marked by {marks}": "各部分用 {marks}标记",
    "XML tags": "XML 标签",
    "Markdown headings": "Markdown 标题",
    "its maker would have first: {parts}": "厂商建议放在最前：{parts}",
    "left out as chat-only: {parts}": "仅用于对话模型，已略去：{parts}",
    "its maker advises against {parts}: chat_only keeps them from it": "厂商不建议 {parts}：用 chat_only 可不发给它",
    "--cot adds nothing: it thinks by itself": "--cot 不起作用：它自己会思考",
    "--cot: it is asked to think step by step first, apart from the answer": "--cot：要求它先分步思考，与回答分开",
    "whether it thinks is unknown: it is taken for a chat model": "是否思考尚不清楚：按对话模型处理",
    "a reasoning model: it thinks {thinks}{asked}": "推理模型：{thinks}{asked}",
    "a chat model: it thinks {thinks}{asked}": "对话模型：{thinks}{asked}",
    "always": "总是思考",
    "by default": "默认思考",
    "on request": "要求时才思考",
    "never": "不思考",
    ", asked with {what}": "，已要求 {what}",
    "{said} [{sources}]": "{said} [{sources}]",
    "… {count} more: promptlab profiles show --for": "…… 还有 {count} 个：promptlab profiles show --for",
}  # fmt: skip
