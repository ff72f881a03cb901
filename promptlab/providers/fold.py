"""What the folds of all dialects do alike: a message is JSON or a fault, an end is the end, an error is kept."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

from promptlab.errors import ProviderError
from promptlab.events import Event, Finished
from promptlab.providers import fault
from promptlab.providers.direct import Call
from promptlab.providers.fault import BROKEN_OFF


class StreamFold:
    """The common part of a `Fold`. A dialect says what a parsed message means (`read`, which sets `_known` where it is
    one of its own) and what is left at the end (`_left`)."""

    hint: str = fault.BASE_URL  # where to look when what comes is not this dialect
    end_mark: bytes | None = b"[DONE]"  # OpenAI's own; gateways add it to other streams of events

    def __init__(self, call: Call) -> None:
        self._call = call
        self.usage_block: dict[str, Any] = {}  # the vendor's counts; cumulative: the last ones hold
        self.finish: str | None = None
        self.error: ProviderError | None = None
        self.said = False
        self.done = False
        self._known = False  # some message of this dialect has come
        self._odd = b""  # the first that was none

    @property
    def complete(self) -> bool:
        """Whether the answer came to an end of its own."""
        return self.finish is not None and self.finish not in BROKEN_OFF and self.error is None

    def take(self, data: bytes) -> list[Event]:
        """The events of one message; none after an end or an error, however the bytes were cut. Raises ProviderError
        for what is no JSON."""
        if self.done or self.error:
            return []
        try:
            message = json.loads(data)
        except (ValueError, RecursionError):
            if data == self.end_mark:
                self.done = True
                return []
            raise ProviderError(fault.no_json(self._call.provider, data, self.hint, key=self._call.key)) from None
        events = self.read(message) if isinstance(message, dict) else self._other(message)
        if not (self._known or self._odd):
            self._odd = data[:2000]
        return events

    def read(self, message: dict[str, Any]) -> list[Event]:
        """The events of one parsed message. Kinds that are not known are left alone."""
        raise NotImplementedError

    def end(self, rest: bytes, where: str) -> list[Event]:
        """What is left at the end of the stream; see `Fold.end`."""
        events: list[Event] = []
        if rest:
            with suppress(ProviderError):  # half a line: the stream was cut in it
                events = self.take(rest)
        if not self._known and not self.done:
            said = fault.without_key((rest or self._odd).decode("utf-8", "replace"), self._call.key)
            found = fault.not_a_stream(self._call.provider, 200, "", said, where)
            raise ProviderError(replace(found, hint=self.hint))
        events += self._left()
        if not self.error:
            events.append(Finished(self.finish, self.complete))
        return events

    def _other(self, message: object) -> list[Event]:
        """The events of JSON that is no object."""
        return []

    def _left(self) -> list[Event]:
        """Held-back text, and the usage."""
        raise NotImplementedError

    def _fail(self, error: object, *, status: int | None = None, meant: int | None = None) -> None:
        """Keep an error that the vendor reports in the stream; see `fault.from_stream`."""
        call = self._call
        found = fault.from_stream(
            call.provider, error, status=status, meant=meant, model=call.model, key=call.key, key_name=call.key_name
        )
        self.error = ProviderError(found, self.finish)
