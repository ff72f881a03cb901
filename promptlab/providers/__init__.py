"""How an endpoint is spoken to: one protocol, one module per dialect, and the catalog of endpoints."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from promptlab.events import Event
from promptlab.request import Request, Wire


class Provider(Protocol):
    """One endpoint in one dialect.

    `name` is the endpoint's, as people write it before the slash. `slots` is how many requests it takes at once.
    """

    name: str
    slots: int

    def wire(self, request: Request) -> Wire:
        """What would be sent for `request`: pure, no network, no key."""
        ...

    async def prepare(self) -> None:
        """Get ready for the first request (start a server, import a library). Raises LabError."""
        ...

    def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        """Send it and yield what comes, from Accepted to Finished. Raises ProviderError.

        An async generator: whoever leaves early closes it, and it closes its connection.
        """
        ...

    async def release(self) -> None:
        """No more requests will come in this run: give back what others may wait for."""
        ...

    async def aclose(self) -> None: ...
