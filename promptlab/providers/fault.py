"""Why a request failed: from a status, headers and body, or from a broken connection, to one Fault.

The HTTP status comes first: some vendors send `invalid_request_error` with a 401 and a 402. The body then
splits what the status can't (a 429 for an empty account is not a rate limit). Field layouts and wordings are
those of the vendors' error pages and of public reports, November 2026.
"""

from __future__ import annotations

import errno
import json
import math
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from promptlab.errors import Fault, FaultKind, Sentence
from promptlab.providers.shape import shallow

_CREDIT = ("insufficient_quota", "insufficient_user_quota", "credit_balance", "insufficient balance", "billing_error",
           "insufficient credits", "exceeded your current quota, please check your plan")  # fmt: skip
_CONTEXT = ("exceed_context_size", "context_length_exceeded", "maximum context length", "prompt is too long")
_MODEL = ("model_not_found", "no available channel for model", "model_not_available", "invalid model name passed")
_PARAM = re.compile(
    r"unsupported (?:value|parameter): '(?P<quoted>[\w.\[\]]+)'"
    r"|`(?P<ticked>\w+)` (?:is deprecated|may only|is not supported)"
    r"|^(?P<named>[\w.]+): Extra inputs are not permitted"
    r"|invalid (?P<invalid>temperature|top_p|n|presence_penalty|frequency_penalty|max_tokens|seed)\b"
    r"|does not support (?P<think>thinking)"
    r"|does not support parameters: \['(?P<listed>\w+)'\]|don't support (?P<valued>\w+)=",
    re.IGNORECASE,
)
# Finish reasons that say that the vendor broke off: what came is not complete (DeepSeek, GLM, OpenRouter).
BROKEN_OFF = {"insufficient_system_resource", "network_error", "error", "aborted"}
_RETRY_STATUS = {408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529}
_LONGEST = 300  # characters of a vendor's message that are shown; the rest adds nothing to one line
HIDDEN = "[the key]"
BASE_URL = Sentence("is the base URL right? most end in /v1")
_UNREADABLE = "an error that can't be read"
_DEEPEST = 16  # what a body is nested in at the most; deeper values can be read, and not written
_SHORTEST_KEY = 8  # a shorter one is a placeholder, and would be found inside words

_Said = tuple[str, str | None, str | None, str | None]  # message, code, type, param


def from_response(
    provider: str, status: int, headers: Mapping[str, str], body: bytes, *,
    model: str = "", key: str | None = None, key_name: str | None = None, base_url: str = "",
) -> Fault:  # fmt: skip
    """The fault behind an HTTP answer that is no stream. `headers` are read case-insensitively. A body that echoes
    the `key` is shown and kept without it."""
    lower = {name.lower(): value for name, value in headers.items()}
    text = body.decode("utf-8", "replace").strip()
    error = parse_error(text)
    if error is None and (text[:1] == "<" or "html" in lower.get("content-type", "")):
        return _not_an_api(provider, status, without_key(text, key), base_url)
    message, code, kind_name, param = _without_key(error or (text or "no message", None, None, None), key)
    kind = _kind(status, f"{code} {kind_name} {message}".lower())
    if kind == "param_rejected" or (status in (400, 422) and (param or _PARAM.search(message))):
        kind, param = _parameter(kind, message, param)
    delay = _retry_after(lower, text)
    hint = _hint(kind, model=model, key_name=key_name, delay=delay, param=param)
    if kind == "auth" and message.startswith("litellm.AuthenticationError"):
        hint = Sentence(
            "your key is accepted; the key that this gateway itself has for the model is not: tell whoever runs it"
        )
    retryable = _retryable(kind, status)
    return Fault(kind, one_line(message), hint, provider, status, code or kind_name, param, retryable, delay)


def from_stream(
    provider: str, error: object, *, status: int | None = None, meant: int | None = None,
    model: str = "", key: str | None = None, key_name: str | None = None,
) -> Fault:  # fmt: skip
    """The fault that a vendor reports inside a stream that began well: `{"error": …}`.

    Where the HTTP status of such an error is known, it is read as a refused request: `status` is one that the vendor
    says, `meant` one that the error's type stands for, which is not the answer's and is not shown as such.
    """
    body = json.dumps({"error": error if shallow(error) else _UNREADABLE})
    if 400 <= (read_as := status or meant or 0) < 600:
        found = from_response(provider, read_as, {}, body.encode(), model=model, key=key, key_name=key_name)
        return replace(found, status=status or None)
    said = parse_error(body) or (str(error), None, None, None)
    message, code, kind_name, param = _without_key(said, key)
    status = int(code) if code and re.fullmatch(r"[1-5]\d\d", code, re.ASCII) else None
    kind = _kind(status or 500, f"{code} {kind_name} {message}".lower())
    return Fault(kind, one_line(message), _hint(kind, model=model, key_name=key_name), provider, status,
                 code or kind_name, param, _retryable(kind, status or 500))  # fmt: skip


def from_connection(provider: str, error: BaseException, *, base_url: str = "") -> Fault:
    """The fault behind a connection that failed or broke: refused, name not found, TLS, reset."""
    chain = _chain(error)
    host = base_url or provider
    if any(isinstance(e, ConnectionRefusedError) or getattr(e, "errno", None) == errno.ECONNREFUSED for e in chain):
        hint = Sentence("start the server there, or give the right --base-url")
        return Fault("connection_refused", Sentence("nothing listens at {host}", host=host), hint, provider)
    if any(isinstance(e, socket.gaierror) for e in chain):
        return Fault("connection", Sentence("the name in {host} can't be found", host=host),
                     Sentence("check the address and the network"), provider)  # fmt: skip
    if any(isinstance(e, ssl.SSLError) for e in chain):
        detail = next(str(e) for e in chain if isinstance(e, ssl.SSLError))
        hint = Sentence("is it https? a company proxy's certificate goes into SSL_CERT_FILE")
        return Fault("connection", one_line(Sentence("TLS failed at {host}: {detail}", host=host, detail=detail)), hint,
                     provider)  # fmt: skip
    if any(isinstance(e, TimeoutError) for e in chain):
        return Fault("timeout", Sentence("no connection to {host} in time", host=host),
                     Sentence("check the network, or try again"), provider, retryable=True)  # fmt: skip
    detail = next((str(e) for e in chain if str(e)), type(error).__name__)
    message = one_line(Sentence("the connection to {host} broke: {detail}", host=host, detail=detail))
    return Fault("connection", message, Sentence("try again"), provider, retryable=True)


def not_a_stream(provider: str, status: int, content_type: str, text: str, base_url: str) -> Fault:
    """The endpoint answered 200 with something that is neither a stream nor a chat completion."""
    if "<" in text[:1] or "html" in content_type:
        return _not_an_api(provider, status, text, base_url)
    message = Sentence("{url} answered with {type}: {text}", url=base_url,
                       type=content_type or Sentence("no type"), text=text[:80])  # fmt: skip
    return Fault("not_an_api", one_line(message), BASE_URL, provider, status)


def no_json(provider: str, data: bytes, hint: str = BASE_URL, *, key: str | None = None) -> Fault:
    """A stream has a message that is no JSON; its beginning is shown, without the `key`."""
    said = without_key(data[:2000].decode("utf-8", "replace"), key)[:60]
    message = one_line(Sentence("the stream has a line that is no JSON: {text}", text=said))
    return Fault("not_an_api", message, hint, provider)


def parse_error(text: str) -> _Said | None:
    """(message, code, type, param) out of any vendor's error body, or None where it is none."""
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, list) and value:  # Gemini wraps it into an array now and then
        value = value[0]
    if not isinstance(value, dict) or not shallow(value, _DEEPEST):
        return None
    error = value.get("error", value.get("detail", value.get("message")))
    if error is None:
        return None
    if not isinstance(error, dict):  # Ollama: a bare string
        return _text(error), None, None, None
    message = _text(error.get("message") or error)
    raw = error.get("metadata", {}).get("raw") if isinstance(error.get("metadata"), dict) else None
    if isinstance(raw, str) and raw:  # OpenRouter says "Provider returned error" and keeps the reason here
        message = f"{message}: {raw}"
    code, kind, param = (error.get(name) for name in ("code", "type", "param"))
    if code is None or (isinstance(code, int) and error.get("status")):
        code = error.get("status", code)
    return message, _maybe(code), _maybe(kind), _maybe(param)


def one_line(text: str, most: int = _LONGEST) -> str:
    """A text on one line, and no longer than is shown; a Sentence stays one, and its longest slot gives way."""
    flat = " ".join(text.split())
    if flat == text and len(flat) <= most:
        return text
    if isinstance(text, Sentence) and text.slots:
        made = text.changed(**{name: slot if " ".join(slot.split()) == slot.strip(" ") else one_line(slot, len(slot))
                               for name, slot in text.slots.items()})  # fmt: skip
        name, slot = max(made.slots.items(), key=lambda one: len(one[1]))
        if 0 < (room := len(slot) - max(0, len(made) - most)) < len(slot):
            made = made.changed(**{name: one_line(slot, room)})
        if len(made) <= most and " ".join(made.split()) == made:
            return made
    return flat if len(flat) <= most else flat[: most - 1] + "…"


def without_key(text: str, key: str | None) -> str:
    """What an endpoint says, without the key that it was sent: some echo it in the body of a 401."""
    return text.replace(key, HIDDEN) if key and len(key) >= _SHORTEST_KEY else text


def _without_key(said: _Said, key: str | None) -> _Said:
    message, code, kind, param = (part and without_key(part, key) for part in said)
    return message or "", code, kind, param


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _maybe(value: object) -> str | None:
    return None if value in (None, "") else str(value)


def _kind(status: int, words: str) -> FaultKind:
    if any(word in words for word in _MODEL) or (status == 404 and "model" in words):
        return "model_missing"
    if any(word in words for word in _CREDIT) and "resource_exhausted" not in words:
        return "no_credit"
    if any(word in words for word in _CONTEXT):
        return "context_overflow"
    if "loading model" in words:
        return "loading"
    if "overloaded" in words or status == 529:
        return "overloaded"
    if "moderation" in words or "flagged" in words:
        return "moderation"
    if "no_db_connection" in words:  # LiteLLM as a gateway without a database, of a key that is not its master key
        return "auth"
    match status:
        case 401 | 403:
            return "auth"
        case 402:
            return "no_credit"
        case 404:
            return "not_an_api"
        case 408:
            return "timeout"
        case 429:
            return "rate_limit"
        case 503:
            return "overloaded"
        case _ if 400 <= status < 500:
            return "bad_request"
        case _:
            return "server"


def _parameter(kind: FaultKind, message: str, param: str | None) -> tuple[FaultKind, str | None]:
    if kind not in ("bad_request", "param_rejected"):
        return kind, param
    found = _PARAM.search(message)
    name = next((value for value in found.groupdict().values() if value), None) if found else None
    if name == "thinking":
        name = "think"
    return ("param_rejected", name or param) if found else (kind, param)


def _retryable(kind: FaultKind, status: int) -> bool:
    if kind in ("rate_limit", "overloaded", "loading", "timeout"):
        return True
    return kind == "server" and status in _RETRY_STATUS


def _hint(
    kind: FaultKind, *, model: str = "", key_name: str | None = None, delay: float | None = None,
    param: str | None = None,
) -> str:  # fmt: skip
    match kind:
        case "auth":
            key = Sentence("check the key in {name}", name=key_name) if key_name else None
            return key or Sentence("check the key of this endpoint")
        case "no_credit":
            return Sentence("top up the account, or choose another endpoint")
        case "rate_limit" | "overloaded" | "loading" | "timeout" if delay:
            return Sentence("try again in {delay} s", delay=f"{delay:g}")
        case "rate_limit":
            return Sentence("try again later, or with fewer requests at once (--jobs)")
        case "overloaded" | "loading" | "timeout":
            return Sentence("try again in a moment")
        case "param_rejected":
            return Sentence("leave out {param} for this model", param=param or Sentence("the parameter"))
        case "context_overflow":
            return Sentence("shorten the prompt, or choose a model with a larger context")
        case "model_missing":
            return Sentence("check the name '{model}'", model=model) if model else Sentence("check the model's name")
        case "moderation":
            return Sentence("the endpoint refuses this prompt; reword it or choose another model")
        case "not_an_api":
            return BASE_URL
        case "server":
            return Sentence("the fault is at the endpoint; try again later")
        case _:
            return Sentence("see what the endpoint says, and --dry-run for what is sent")


def _not_an_api(provider: str, status: int, text: str, base_url: str) -> Fault:
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    words = one_line(title.group(1) if title else re.sub(r"<[^>]*>", " ", text))[:80] or Sentence("an empty page")
    gateway = status in (502, 503, 504, 520, 522, 524)
    hint = Sentence("a gateway in between failed; try again") if gateway else BASE_URL
    message = Sentence("{url} answered with a web page, not as a model server: {title}", url=base_url or provider,
                       title=words)  # fmt: skip
    return Fault("server" if gateway else "not_an_api", message, hint, provider, status, retryable=gateway)


def _retry_after(headers: Mapping[str, str], text: str) -> float | None:
    """Seconds to wait: `retry-after-ms`, `retry-after`, or Gemini's RetryInfo in the body."""
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    if (seconds_left := _until(headers)) is not None:
        return seconds_left
    found = re.search(r'"retryDelay"\s*:\s*"([\d.]+)s"', text)
    return float(found.group(1)) if found else None


def _until(headers: Mapping[str, str]) -> float | None:
    """Seconds to a `retry-after` that is a date (RFC 9110, 10.2.3), by the server's own clock."""
    from email.utils import parsedate_to_datetime

    try:
        wait = parsedate_to_datetime(headers["retry-after"]) - parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError, TypeError):
        return None
    return max(0.0, wait.total_seconds())


def _chain(error: BaseException) -> list[BaseException]:
    """The error and all that caused it, groups opened."""
    found: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        e = todo.pop()
        if e is None or e in found:
            continue
        found.append(e)
        todo += [e.__cause__, e.__context__, getattr(e, "os_error", None)]
        todo += list(getattr(e, "exceptions", ()))
    return found
