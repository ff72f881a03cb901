"""The OpenAI chat dialect, spoken directly: OpenAI, DeepSeek, OpenRouter, Groq, Mistral, Ollama, llama.cpp, vLLM …"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from promptlab.errors import Fault, ProviderError
from promptlab.events import (
    Accepted,
    Answer,
    Event,
    Finished,
    Served,
    Thinking,
    ThinkingKind,
    Usage,
    Waiting,
    Withheld,
)
from promptlab.params import BODY, Value
from promptlab.providers import fault
from promptlab.providers.http import LONGEST_ERROR, EventDecoder, Pool, base
from promptlab.providers.thinking import Mode, ThinkSplitter
from promptlab.request import Request, Wire

if TYPE_CHECKING:
    import aiohttp

# promptlab's names on the left, the dialect's on the right; an endpoint may rename some (catalog: `wire`).
WIRE_NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "repeat_penalty": "repeat_penalty",
    "seed": "seed",
    "max_tokens": "max_tokens",
    "stop": "stop",
    "effort": "reasoning_effort",
}
# Finish reasons that say the vendor broke off: the answer is not complete (PROVIDERS: DeepSeek, GLM, OpenRouter).
BROKEN_OFF = {"insufficient_system_resource", "network_error", "error", "aborted"}
REASONING_FIELDS = ("reasoning_content", "reasoning")

_SURROGATE = re.compile("[\ud800-\udfff]")

Address = Callable[[], Awaitable[tuple[str, str | None]]]


class OpenAIChat:
    """One endpoint that speaks `POST {base_url}/chat/completions` with `stream: true`.

    `connect`, where given, is awaited before the first request and gives base URL and key: so the embedded
    server is started when it is needed and not before.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        pool: Pool,
        *,
        key: str | None = None,
        key_name: str | None = None,
        slots: int = 16,
        wire_names: Mapping[str, str] | None = None,
        include_usage: bool = True,
        tags: Mode = "auto",
        connect: Address | None = None,
    ) -> None:
        self.name, self.slots = name, slots
        self._base_url, self._pool, self._tags = base_url.rstrip("/"), pool, tags
        self._key, self._key_name, self._connect = key, key_name, connect
        self._names = {**WIRE_NAMES, **(wire_names or {})}
        self._include_usage = include_usage

    def wire(self, request: Request) -> Wire:
        body: dict[str, Value] = {
            "model": request.model,
            "messages": [{"role": message.role, "content": message.text} for message in request.messages],
            "stream": True,
        }
        if self._include_usage:
            body["stream_options"] = {"include_usage": True}
        for name, value in request.parameters.items():
            body[name.removeprefix(BODY) if name.startswith(BODY) else self._names[name]] = value
        return Wire(f"{self._base_url}/chat/completions", body, dict(request.parameters))

    async def prepare(self) -> None:
        if self._connect is not None:
            base_url, self._key = await self._connect()
            self._base_url = base_url.rstrip("/")

    async def aclose(self) -> None:
        """Nothing of its own to close: the pool and the embedded server belong to whoever made them."""

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        import aiohttp

        wire = self.wire(request)
        headers = {"authorization": f"Bearer {self._key or 'none'}"}
        fold = ChunkFold(self.name, request.model, self._tags, self._key_name)
        async with self._pool.post(self.name, wire.url, wire.encode(), headers) as response:
            await self._refuse(response, request.model)
            yield Accepted(response.status, response.headers.get("x-request-id"))
            if "json" in response.headers.get("content-type", ""):  # it doesn't stream: one whole completion
                for event in fold.end(await self._whole(response), base(wire.url)):
                    yield event
                if fold.error:
                    raise fold.error
                return
            decoder = EventDecoder()
            try:
                async for part in response.content.iter_any():
                    for data in decoder.feed(part):
                        if not isinstance(data, bytes):
                            yield Waiting()
                            continue
                        for event in fold.take(data):
                            yield event
                    if fold.done or fold.error:
                        break
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                if not fold.said:  # nothing lost: the engine may try again
                    raise ProviderError(fault.from_connection(self.name, error, base_url=base(wire.url))) from error
            for event in fold.end(decoder.rest, base(wire.url)):
                yield event
        if fold.error:
            raise fold.error

    async def _refuse(self, response: aiohttp.ClientResponse, model: str) -> None:
        """Raise for everything that is not the beginning of an answer."""
        if response.status < 300:
            kind = response.headers.get("content-type", "")
            if "html" not in kind:
                return
            text = (await response.content.read(2000)).decode("utf-8", "replace").strip()
            raise ProviderError(fault.not_a_stream(self.name, response.status, kind, text, base(str(response.url))))
        where = base(str(response.url))
        if response.status < 400:
            moved = base(response.headers.get("location", "elsewhere"))
            message = f"{where} sends on to {moved}; a key is never sent after it"
            raise ProviderError(Fault("not_an_api", message, "give that address as the base URL if you trust it",
                                      self.name, response.status))  # fmt: skip
        body = await _read(response, LONGEST_ERROR)
        raise ProviderError(
            fault.from_response(
                self.name, response.status, response.headers, body,
                model=model, key_name=self._key_name, base_url=where,
            )
        )  # fmt: skip

    async def _whole(self, response: aiohttp.ClientResponse) -> bytes:
        import aiohttp

        try:
            whole: bytes = await response.read()
            return whole
        except (aiohttp.ClientError, OSError) as error:
            raise ProviderError(fault.from_connection(self.name, error, base_url=base(str(response.url)))) from error


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """At most `limit` bytes of an error body; what can't be read is left out."""
    import aiohttp

    body = b""
    try:
        while len(body) < limit and (part := await response.content.read(limit)):
            body += part
    except (TimeoutError, aiohttp.ClientError, OSError):
        pass
    return body


class ChunkFold:
    """One stream's chunks to events: finds the trace wherever it arrives, keeps usage and finish to the end.

    `error` is set by an error inside the stream: what came before it has been given, and the caller raises it.
    """

    def __init__(self, provider: str, model: str, tags: Mode = "auto", key_name: str | None = None) -> None:
        self._provider, self._model, self._key_name = provider, model, key_name
        self._splitter = ThinkSplitter(tags)
        self._usage: dict[str, Any] | None = None
        self._finish: str | None = None
        self._served = False
        self._field = False
        self._flag = False  # inside thoughts that a flag marks (Gemini's layer)
        self._withheld = False
        self._half = ""  # the first half of a character
        self._parsed = 0
        self.error: ProviderError | None = None
        self.said = False  # some text has come
        self.done = False  # the end mark has come

    def take(self, data: bytes) -> list[Event]:
        """The events of one chunk. Raises ProviderError for a chunk that is no JSON."""
        if data == b"[DONE]":
            self.done = True
            return []
        try:
            chunk = json.loads(data)
        except ValueError:
            raise ProviderError(
                Fault("not_an_api", fault.one_line(f"the stream has a line that is no JSON: {_excerpt(data)}"),
                      "is the base URL right? most end in /v1", self._provider)
            ) from None  # fmt: skip
        if not isinstance(chunk, dict):
            return []
        self._parsed += 1
        events: list[Event] = []
        if not self._served:
            events += self._serve(chunk)
        choices = chunk.get("choices")
        choice = choices[0] if choices and isinstance(choices[0], dict) else None
        if choice is not None:
            delta = choice.get("delta") or choice.get("message")
            if delta:
                events += self._delta(delta)
            if reason := choice.get("finish_reason"):
                self._finish = str(reason)
        self._note_usage(chunk, choice)
        if chunk.get("error"):
            found = fault.from_stream(self._provider, chunk["error"], model=self._model, key_name=self._key_name)
            self.error = ProviderError(found, self._finish)
        return events

    def end(self, rest: bytes, where: str) -> list[Event]:
        """What is left at the end of the stream: the last event without its blank line (`rest`), held-back text,
        the usage, and Finished, unless there is an `error`. `where` is the base URL, for messages."""
        events: list[Event] = []
        if rest and not (self.done or self.error):
            with suppress(ProviderError):  # half a line: the stream was cut in it
                events = self.take(rest)
        if not self._parsed and not self.done:
            raise ProviderError(fault.not_a_stream(self._provider, 200, "", rest.decode("utf-8", "replace"), where))
        events += self._splitter.close()
        if self._usage is not None:
            events.append(parse_usage(self._usage))
        if not self.error:
            events.append(Finished(self._finish, self._finish is not None and self._finish not in BROKEN_OFF))
        return events

    def _serve(self, chunk: dict[str, Any]) -> list[Event]:
        self._served = True
        upstream = chunk.get("provider")
        return [
            Served(
                _str(chunk.get("model")),
                upstream if isinstance(upstream, str) else None,
                _str(chunk.get("system_fingerprint")),
            )
        ]

    def _delta(self, delta: dict[str, Any]) -> list[Event]:
        thought, kind = self._thought(delta)
        if thought and not thought.isascii():
            thought = self._whole_characters(thought)
        events: list[Event] = []
        if thought:
            self.said = True
            if not self._field:
                self._field = True
                events += self._splitter.close()
                self._splitter.field_seen()
            events.append(Thinking(thought, kind))
        content = delta.get("content")
        if content:
            self.said = True
            if isinstance(content, str):
                if not content.isascii():
                    content = self._whole_characters(content)
                if self._flag or "extra_content" in delta:
                    self._turn(_flagged(delta), content)
                events += self._splitter.feed(content)
            elif isinstance(content, list):
                events += self._blocks(content)
        if refusal := delta.get("refusal"):
            events.append(Answer(str(refusal)))
        if self._withheld is False and delta.get("reasoning_details"):
            events += self._encrypted(delta["reasoning_details"])
        return events

    def _thought(self, delta: dict[str, Any]) -> tuple[str, ThinkingKind]:
        """The first non-empty of the known fields, never two of them: OpenRouter sends the same text twice."""
        for name in REASONING_FIELDS:
            text = delta.get(name)
            if text and isinstance(text, str):
                return text, "summary" if _summarised(delta.get("reasoning_details")) else "raw"
        details = delta.get("reasoning_details")
        if not details or not isinstance(details, list):
            return "", "raw"
        items = [item for item in details if isinstance(item, dict)]
        text = "".join(str(item.get("text") or item.get("summary") or "") for item in items)
        return text, "summary" if _summarised(items) else "raw"

    def _whole_characters(self, text: str) -> str:
        r"""Text without lone surrogates: gateways written in JavaScript split 😀 into "\ud83d" and "\ude00" over
        two chunks. A high one at the end waits for its partner; one without a partner becomes U+FFFD."""
        text, self._half = self._half + text, ""
        if not _SURROGATE.search(text):
            return text
        if "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def _encrypted(self, details: object) -> list[Event]:
        items = details if isinstance(details, list) else []
        if any(isinstance(item, dict) and item.get("type") == "reasoning.encrypted" for item in items):
            self._withheld = True
            return [Withheld("encrypted")]
        return []

    def _blocks(self, blocks: list[Any]) -> list[Event]:
        """Typed content blocks (Mistral): a list of thinking and text blocks in place of a string."""
        events: list[Event] = []
        for block in blocks:
            if not isinstance(block, dict):
                continue
            if block.get("type") == "thinking":
                inner = block.get("thinking")
                parts = inner if isinstance(inner, list) else [{"text": inner}]
                text = "".join(str(part.get("text") or "") for part in parts if isinstance(part, dict))
                if text:
                    self._field = True
                    self._splitter.field_seen()
                    events.append(Thinking(text))
            elif text := str(block.get("text") or ""):
                events += self._splitter.feed(text)
        return events

    def _turn(self, flagged: bool, content: str) -> None:
        """Gemini's OpenAI layer flags its thoughts, and mostly puts them between tags too: where a tag is missing,
        the flag stands for it."""
        if flagged and not self._flag and not content.startswith("<thought>"):
            self._splitter.open("<thought>")
        elif self._flag and not flagged and not content.startswith("</thought>"):
            self._splitter.shut()
        self._flag = flagged

    def _note_usage(self, chunk: dict[str, Any], choice: dict[str, Any] | None) -> None:
        usage = chunk.get("usage")
        if not usage and choice is not None:
            usage = choice.get("usage")
        if not usage and "x_groq" in chunk and isinstance(chunk["x_groq"], dict):
            usage = chunk["x_groq"].get("usage")
        if usage and isinstance(usage, dict):
            self._usage = usage  # cumulative where it comes more than once: the last one counts


def parse_usage(usage: Mapping[str, Any]) -> Usage:
    """Any OpenAI-like usage block. `billed` is total - prompt where a total is given: it holds thinking that
    some vendors (xAI, Gemini's layer) leave out of completion_tokens."""
    completion = _mapping(usage.get("completion_tokens_details"))
    prompt = _mapping(usage.get("prompt_tokens_details"))
    given, output, total = (_int(usage.get(f"{name}_tokens")) for name in ("prompt", "completion", "total"))
    cached = next((n for n in (_int(prompt.get("cached_tokens")), _int(usage.get("prompt_cache_hit_tokens")),
                               _int(usage.get("cached_tokens"))) if n is not None), None)  # fmt: skip
    cost = usage.get("cost")
    return Usage(
        input=given,
        output=output,
        thinking=_int(completion.get("reasoning_tokens")),
        cached=cached,
        billed=total - given if total is not None and given is not None else output,
        cost=float(cost) if isinstance(cost, (int, float)) and not isinstance(cost, bool) else None,
        raw=dict(usage),
    )


def _summarised(details: object) -> bool:
    return isinstance(details, list) and any(
        isinstance(item, dict) and item.get("type") == "reasoning.summary" for item in details
    )


def _flagged(delta: dict[str, Any]) -> bool:
    return bool(_mapping(_mapping(delta.get("extra_content")).get("google")).get("thought"))


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _int(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _str(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _excerpt(data: bytes) -> str:
    return data[:60].decode("utf-8", "replace")
