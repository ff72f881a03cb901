"""The road to every vendor whose dialect is not spoken here: litellm makes the request, the bytes say what came.

litellm takes seconds to import, so it is imported by `prepare` in a worker thread, or by `wire` for a dry run.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import re
import warnings
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from threading import Lock
from typing import Any

import httpx

from promptlab.errors import Fault, FaultKind, LabError, ProviderError
from promptlab.events import Accepted, Answer, Event, Finished, Thinking, ThinkingKind, Usage, Withheld
from promptlab.knowledge import Judge, as_asked
from promptlab.params import BODY, PARAMETERS, Value
from promptlab.providers.fault import from_connection, from_response, from_stream, not_a_stream, one_line, without_key
from promptlab.providers.litellm_transport import CALL, OPENAI_HOST, Call, Seam, SyncSeam, new_client
from promptlab.providers.structured import response_format
from promptlab.providers.thinking import Mode, ThinkSplitter
from promptlab.request import Message, Request, Verdict, Wire

NO_KEY = "none"  # rather than nothing: without a key litellm sends $OPENAI_API_KEY to whatever host it is told
_NEVER = 86400.0  # seconds; the engine has the limits
_CLIENT = "litellm (the client library)"

# These go to api.openai.com when they have no address of their own.
_NEED_ADDRESS = {"lm_studio", "hosted_vllm", "custom_openai", "openai_like", "litellm_proxy", "vllm", "xinference",
                 "llamafile", "lemonade", "docker_model_runner", "text-completion-openai"}  # fmt: skip
# These take the machine's own credentials and sign the body, which then must not be touched.
_SIGNED = {"bedrock", "bedrock_converse", "sagemaker", "sagemaker_chat", "sagemaker_nova"}
_AMBIENT = _SIGNED | {"vertex_ai", "vertex_ai_beta"}
_NO_DRY_RUN = {"vertex_ai", "vertex_ai_beta", "databricks", "sap", "oci"}  # ask for a token by ways of their own
_SUMMARISED = {"anthropic", "gemini", "vertex_ai", "vertex_ai_beta"}

# promptlab's names -> litellm's arguments
_ARGUMENTS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "repeat_penalty": "repetition_penalty",
    "seed": "seed",
    "max_tokens": "max_tokens",
    "stop": "stop",
    "effort": "reasoning_effort",
    "thinking_budget": "thinking_budget",
    "schema": "response_format",
    "top_logprobs": "top_logprobs",
}
_OTHER_ARGUMENTS = {  # where litellm passes a name on as it is, and the vendor has another
    "cohere": {"top_k": "k"},
    "cohere_chat": {"top_k": "k"},
    "ollama": {"repeat_penalty": "repeat_penalty"},
    "ollama_chat": {"repeat_penalty": "repeat_penalty"},
}
# promptlab's names -> what they are called in some vendor's body, in lower case and without underscores
_SPELLINGS = {
    "top_p": {"p"},
    "top_k": {"k"},
    "repeat_penalty": {"repetitionpenalty"},
    "seed": {"randomseed"},
    "max_tokens": {"maxcompletiontokens", "maxoutputtokens", "maxnewtokens", "maxgenlen", "numpredict"},
    "stop": {"stopsequences"},
    "effort": {"reasoningeffort", "thinkinglevel", "thinkingbudget", "budgettokens"},
    "schema": {"responseformat", "responseschema", "responsejsonschema", "outputformat", "format"},
    "top_logprobs": {"logprobs", "responselogprobs"},
}
_NAMES = {name.replace("_", ""): name for name in PARAMETERS} | {
    spelling: name for name, spellings in _SPELLINGS.items() for spelling in spellings
}
_PROSE = {"messages", "contents", "system", "systeminstruction", "prompt"}  # parts of a body that hold no parameters

_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # or the import fetches a price file
    "LITELLM_MODE": "PRODUCTION",  # or the import reads keys from a .env file in the working directory
    "LITELLM_RUST": "False",  # its native path would pass by our transport
    "LITELLM_LOG": "CRITICAL",
    "REPEATED_STREAMING_CHUNK_LIMIT": str(10**9),  # or a loop at temperature 0 looks like a server error
    "OR_SITE_URL": "https://pypi.org/project/promptlab-tui/",
    "OR_APP_NAME": "promptlab",
}
_SETTINGS = {
    "suppress_debug_info": True,
    "telemetry": False,
    "drop_params": False,
    "modify_params": False,
    "num_retries": None,
    "disable_streaming_logging": True,
    "REPEATED_STREAMING_CHUNK_LIMIT": 10**9,
}
_WARNINGS = (r"(?s).*using the `ReadOnly` qualifier", r"(?s)Pydantic serializer warnings")  # of its models
_LOGGERS = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")
_CALLBACKS = ("callbacks", "input_callback", "success_callback", "failure_callback", "service_callback",
              "_async_input_callback", "_async_success_callback", "_async_failure_callback")  # fmt: skip

_loading = Lock()


class LiteLLMRoad:
    """One endpoint behind litellm; see `Provider`.

    `prefix` is litellm's word for the vendor. Without `base_url` litellm's own address is used.
    """

    def __init__(
        self,
        name: str,
        prefix: str,
        *,
        base_url: str | None = None,
        key: str | None = None,
        key_name: str | None = None,
        slots: int = 8,
        tags: Mode = "auto",
        judge: Judge = as_asked,
    ) -> None:
        self.name = name
        self.slots = slots
        self._prefix = prefix
        self._base_url = base_url.rstrip("/") if base_url else None
        self._key, self._key_name = key or None, key_name
        self._tags, self._judge = tags, judge
        self._client: httpx.AsyncClient | None = None
        self._is_ready = False

    def wire(self, request: Request) -> Wire:
        """What would be sent: litellm is run to the point of sending, without a key or a connection.

        Not exact where litellm refuses the request itself, or needs something for it that is not there.
        """
        _load()
        judged = self._judge(request)
        request = replace(request, parameters=judged.send)
        call = self._new_call(None, request)
        arguments = self._arguments(request, dry=True)
        if self._prefix not in _NO_DRY_RUN:
            with ThreadPoolExecutor(1) as thread:  # the caller's thread may have a running loop
                thread.submit(asyncio.run, _pump(call, arguments, _ChunkReader("raw"))).result()
        fields = {name: (name, _ARGUMENTS.get(name, name), *_SPELLINGS.get(name, ())) for name in judged.sent}
        if call.sent is None:
            return Wire(self._base_url or "", _shown(arguments), dict(judged.sent), False, judged.verdicts, fields,
                        judged.state)  # fmt: skip
        sent = parameters_in(call.sent.body)
        if sent.pop("schema", None) is not None and "schema" in judged.sent:
            sent["schema"] = judged.sent["schema"]  # whatever name and form it has there
        if "thinking_budget" in judged.sent and "effort" not in judged.sent and "effort" in sent:
            sent["thinking_budget"] = sent.pop("effort")
        lost = {name for name in judged.sent if name not in sent and not name.startswith(BODY)}
        verdicts = judged.verdicts | dict.fromkeys(lost, Verdict("ignored", "litellm leaves it out", left_out=True))
        return Wire(call.sent.url, call.sent.body, sent, True, verdicts, fields, judged.state)

    async def prepare(self) -> None:
        """Import litellm in a worker thread. Raises LabError where it is not installed."""
        if not self._is_ready:
            # A dry run pulls in what litellm imports at the first call of a vendor: a second of a blocked loop.
            await asyncio.to_thread(self.wire, Request("warm-up", (Message("user", "-"),)))
            self._is_ready = True

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        """From Sent and Accepted to Finished; see `Provider.stream`."""
        self._check_address()
        await self.prepare()
        if self._client is None:
            self._client = new_client(self._base_url)
        request = replace(request, parameters=self._judge(request).send)
        call = self._new_call(self._client, request)
        chunks = _ChunkReader("summary" if self._prefix in _SUMMARISED else "raw", self._tags)
        pump = asyncio.create_task(_pump(call, self._arguments(request), chunks))
        said = False
        try:
            while (event := await call.events.get()) is not None:
                said = said or isinstance(event, (Thinking, Answer))
                yield event
            crash = await pump
            if usage := call.reader.usage() or (None if call.reader.knows_end else chunks.usage):
                yield usage  # where the vendor's own count would have been seen, litellm's is an invention
            if fault := self._fault(call, crash, request.model, said):
                raise ProviderError(fault, call.reader.reason)
            if call.reader.knows_end or (call.is_readable and not said):
                yield Finished(call.reader.reason, call.reader.complete)
            else:
                yield Finished(chunks.reason, chunks.reason is not None and call.cut is None)
        finally:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
            await call.aclose()

    async def release(self) -> None:
        """Nothing that others wait for."""

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _check_address(self) -> None:
        """Raises ProviderError where litellm would take OpenAI's address for want of another."""
        if self._base_url is None and self._prefix in _NEED_ADDRESS:
            message = f"{self._prefix} has no address: {_CLIENT} would send to {OPENAI_HOST} instead"
            raise ProviderError(Fault("bad_request", message, "give the server's address with --base-url", self.name))

    def _new_call(self, client: httpx.AsyncClient | None, request: Request) -> Call:
        extra = {} if self._prefix in _SIGNED else _body_fields(request)
        return Call(
            client, self._base_url, extra=extra, secret=self._key, may_openai=self._prefix == "openai", tags=self._tags
        )

    def _arguments(self, request: Request, *, dry: bool = False) -> dict[str, Any]:
        """litellm's arguments for `request`. What is not set is absent."""
        names = _ARGUMENTS | _OTHER_ARGUMENTS.get(self._prefix, {})
        arguments: dict[str, Any] = {
            names[name]: value for name, value in request.parameters.items() if not name.startswith(BODY)
        }
        if "thinking_budget" in arguments:
            arguments["thinking"] = {"type": "enabled", "budget_tokens": arguments.pop("thinking_budget")}
        if "schema" in request.parameters:
            arguments["response_format"] = response_format(request.parameters["schema"])
        if "top_logprobs" in arguments:
            arguments["logprobs"] = True
        if self._prefix in _SIGNED:
            arguments |= _body_fields(request)
        if dry and self._prefix in _SIGNED:  # or the machine's credentials are looked for, over the network too
            region = os.environ.get("AWS_REGION_NAME") or os.environ.get("AWS_REGION") or "us-east-1"
            arguments |= {"aws_access_key_id": NO_KEY, "aws_secret_access_key": NO_KEY, "aws_region_name": region}
        key = None if dry else self._key
        return arguments | {
            "model": f"{self._prefix}/{request.model}",
            "messages": [{"role": m.role, "content": m.text} for m in request.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            "api_base": self._api_base(),
            "api_key": key or (None if self._prefix in _AMBIENT else NO_KEY),
            "max_retries": 0,
            "num_retries": 0,
            "timeout": _NEVER,
        }

    def _api_base(self) -> str | None:
        """The base URL as litellm wants it: one vendor without its path, another with all of it."""
        base = self._base_url
        if base is None:
            return None
        match self._prefix:
            case "anthropic":
                return base.removesuffix("/v1")
            case "cohere" | "cohere_chat" if not base.endswith("/chat"):
                return f"{base}/chat"
            case "gemini" if httpx.URL(base).path in ("", "/") and base.endswith("googleapis.com"):
                return f"{base}/v1beta"
            case _:
                return base

    def _fault(self, call: Call, crash: Exception | None, model: str, said: bool) -> Fault | None:
        """Why it failed, by what was seen on the wire first and by litellm's error last; None where it did not."""
        address = self._base_url or ""
        if refused := call.refused:
            return from_response(
                self.name, refused.status, refused.headers, refused.body,
                model=model, key=self._key, key_name=self._key_name, base_url=address,
            )  # fmt: skip
        if call.broken or (call.cut and not said and call.reader.reason is None):
            return from_connection(self.name, call.broken or call.cut or OSError(), base_url=address)
        if call.stopped:
            message = f"{_CLIENT} would have sent this to {call.stopped}: stopped before sending"
            return Fault("bad_request", message, "check the base URL of this endpoint", self.name)
        if call.reader.error is not None:
            return from_stream(self.name, call.reader.error, model=model, key=self._key, key_name=self._key_name)
        if crash is not None and not call.accepted:
            return _refused_by_client(self.name, without_key(str(crash), self._key), crash)
        if crash is not None and call.cut is None and not call.reader.speaks:
            message = one_line(f"{_CLIENT} could not read the stream: {without_key(str(crash), self._key)}")
            return Fault("unknown", message, "what came before it is kept; see what was sent", self.name, 200)
        if call.is_no_stream and not said and crash is None and call.cut is None:
            text = without_key(call.reader.head.decode("utf-8", "replace"), self._key)
            return not_a_stream(self.name, 200, call.content_type, text, address)
        return None


class _ChunkReader:
    """litellm's own chunks, for the streams that can't be read along (Bedrock's binary one, Ollama's …)."""

    def __init__(self, kind: ThinkingKind, tags: Mode = "auto") -> None:
        self.reason: str | None = None
        self.usage: Usage | None = None
        self._kind = kind
        self._splitter = ThinkSplitter(tags)

    def feed(self, chunk: Any) -> Iterator[Event]:
        self._count(getattr(chunk, "usage", None))
        if not getattr(chunk, "choices", None):
            return
        choice = chunk.choices[0]
        self.reason = getattr(choice, "finish_reason", None) or self.reason
        delta = choice.delta
        thought = getattr(delta, "reasoning_content", None)  # unset attributes are not there at all
        if thought:
            self._splitter.field_seen()
            yield Thinking(thought, self._kind)
        for block in getattr(delta, "thinking_blocks", None) or ():
            if block.get("type") == "redacted_thinking":
                yield Withheld("redacted")
        if content := getattr(delta, "content", None):
            yield from self._splitter.feed(content)

    def close(self) -> Iterator[Event]:
        yield from self._splitter.close()

    def _count(self, usage: Any) -> None:
        if usage is None:
            return
        details = getattr(usage, "completion_tokens_details", None)
        cached = getattr(getattr(usage, "prompt_tokens_details", None), "cached_tokens", None)
        thinking = getattr(details, "reasoning_tokens", None)
        output = usage.completion_tokens
        raw = usage.model_dump(mode="json", exclude_none=True)
        self.usage = Usage(usage.prompt_tokens, output, thinking, cached, output, source="litellm", raw=raw)


async def _pump(call: Call, arguments: dict[str, Any], chunks: _ChunkReader) -> Exception | None:
    """Drive litellm through one call; the events go to `call.events`, None behind the last. Gives its error.

    A task of its own, so that the call is set in this context alone.
    """
    CALL.set(call)
    crash: Exception | None = None
    try:
        litellm = _load()
        response = await litellm.acompletion(**arguments)
        async for chunk in response:
            if call.is_dry:
                break
            if call.reader.speaks:
                continue  # the text was taken from the bytes, where nothing is lost
            if not call.accepted:
                call.accepted = True
                await call.events.put(Accepted())
            for event in chunks.feed(chunk):
                await call.events.put(event)
    except Exception as error:  # litellm raises anything: TypeError and ValueError too; _fault sorts it out
        crash = error
    if not call.is_dry:
        await call.drain()
        for event in () if call.reader.speaks else chunks.close():
            await call.events.put(event)
        await call.events.put(None)
    return crash


def parameters_in(body: dict[str, Value]) -> dict[str, Value]:
    """promptlab's parameters that a body carries, under whatever name and however deep."""
    found: dict[str, Value] = {}
    for key, value in body.items():
        plain = key.replace("_", "").lower()
        name = _NAMES.get(plain)
        if plain in _PROSE:
            continue
        if name == "schema":
            found |= {name: value} if isinstance(value, dict) else {}  # what is in it are the answer's names
        elif isinstance(value, dict):
            found = parameters_in(value) | found
        elif name == "top_logprobs" and isinstance(value, bool):
            found = ({name: 0} if value else {}) | found
        elif name and value is not None:
            found[name] = value
    return found


def _body_fields(request: Request) -> dict[str, Value]:
    return {name.removeprefix(BODY): value for name, value in request.parameters.items() if name.startswith(BODY)}


def _shown(arguments: dict[str, Any]) -> dict[str, Value]:
    hidden = {"api_key", "api_base", "timeout", "max_retries", "num_retries"}
    return {n: v for n, v in arguments.items() if n not in hidden and not n.startswith("aws_")}


def _refused_by_client(name: str, text: str, error: Exception) -> Fault:
    """A request that litellm did not let out. It says nothing about the vendor, and is labelled so."""
    words = re.sub(r"^(litellm\.)?\w+(Error|Exception): ", "", text.strip().split("\n")[0])
    words = re.split(r"\.? To drop (?:these|unsupported)", words)[0]
    message = one_line(f"{_CLIENT} refuses: {words}")
    if type(error).__name__ != "UnsupportedParamsError":
        kind: FaultKind = "auth" if getattr(error, "status_code", None) == 401 else "bad_request"
        return Fault(kind, message, "the request was not sent", name)
    param = next((n for n in (*_ARGUMENTS.values(), "logprobs") if re.search(rf"\b{n}\b", words)), None)
    hint = f"leave out {param}, or send it unchecked as {BODY}{param}=…" if param else "leave the parameter out"
    return Fault("param_rejected", message, hint, name, param=param)


@cache
def _import() -> Any:
    os.environ.update(_ENVIRONMENT)
    for words in _WARNINGS:
        warnings.filterwarnings("ignore", message=words, category=UserWarning)
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        litellm = importlib.import_module("litellm")
        handler = importlib.import_module("litellm.llms.custom_httpx.http_handler").AsyncHTTPHandler
    except ImportError as error:
        hint = "pip install 'litellm>=1.106,<2'"
        raise LabError(f"litellm is needed for this endpoint and can't be imported: {error}", hint) from error
    for name, value in {**_SETTINGS, "sync_transport": SyncSeam()}.items():
        setattr(litellm, name, value)
    for name in _CALLBACKS:
        setattr(litellm, name, [])
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [logging.NullHandler()], False
        logger.setLevel(logging.CRITICAL + 1)
    # Every async client, litellm's own and those of the openai SDK, takes its transport from this one function.
    handler.create_async_transport = staticmethod(lambda **_: Seam())
    return litellm


def _load() -> Any:
    """litellm, imported once and made quiet. Raises LabError where it can't be imported."""
    with _loading:
        return _import()
