"""The client for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import msgspec

from budgauge.accounting.records import Reserve
from budgauge.accounting.reservation import Held
from budgauge.accounting.sdk_response import usage_of
from budgauge.errors import BudgaugeError, DuplicateIdError
from budgauge.rpc import calls
from budgauge.rpc.address import Address
from budgauge.rpc.calls import Call, Charge
from budgauge.rpc.exchange import Exchange

_Result = TypeVar("_Result")


class AsyncClient:
    """Calls a ledger's server like `Client`, awaited; made by `budgauge.connect_async`. Calls wait for each other."""

    def __init__(self, address: Address, *, timeout: float = 10.0) -> None:
        self._address = address
        self._timeout = timeout
        self._exchange = Exchange(address, timeout, blocks=False)
        self._mutex = asyncio.Lock()

    async def report_usage(
        self, agent_id: str, model: str, prompt_tokens: int, completion_tokens: int, **fields: Any
    ) -> Charge:
        """As `Client.report_usage`."""
        return await self._call(calls.report_usage(agent_id, model, prompt_tokens, completion_tokens, fields))

    async def get_budget(self) -> dict[str, Any]:
        """As `Client.get_budget`."""
        return await self._call(calls.get_budget())

    async def state(self) -> dict[str, Any]:
        """As `Client.state`."""
        return await self._call(calls.state())

    async def check(self, agent_id: str, tokens: int = 1) -> str | None:
        """As `Client.check`."""
        return await self._call(calls.check(agent_id, tokens))

    async def reserve(self, agent_id: str, tokens: int, ttl: float = 600, *, id: str | None = None) -> AsyncHold:
        """As `Client.reserve`."""
        return AsyncHold(self, await self._call(calls.reserve(agent_id, tokens, ttl, id)))

    async def settle(
        self, reserve: str, model: str, prompt_tokens: int, completion_tokens: int, **fields: Any
    ) -> Charge:
        """As `Client.settle`."""
        return await self._call(calls.settle(reserve, model, prompt_tokens, completion_tokens, fields))

    async def release(self, reserve: str) -> None:
        """As `Client.release`."""
        await self._call(calls.release(reserve))

    async def reset(
        self, agent_id: str | None = None, *, expected_reset_id: str | msgspec.UnsetType | None = msgspec.UNSET
    ) -> str:
        """As `Client.reset`."""
        return await self._call(calls.reset(agent_id, expected_reset_id))

    async def undo_reset(self) -> str:
        """As `Client.undo_reset`."""
        return await self._call(calls.undo_reset())

    def events(self, *topics: str) -> AsyncIterator[dict[str, Any]]:
        """As `Client.events`."""
        return Exchange(self._address, self._timeout, blocks=False).events(topics)

    def close(self) -> None:
        """End the connection. The next call opens another."""
        self._exchange.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def _call(self, call: Call[_Result]) -> _Result:
        async with self._mutex:
            return await self._exchange.call(call)


class AsyncHold(Held):
    """A reservation like `Hold`, awaited: `async with await client.reserve(...) as hold`."""

    def __init__(self, client: AsyncClient, reserve: Reserve) -> None:
        super().__init__(reserve)
        self._client = client

    async def settle(self, model: str, prompt_tokens: int, completion_tokens: int, **fields: Any) -> Charge:
        """As `Hold.settle`."""
        charge = await self._client.settle(
            self.id, model, prompt_tokens, completion_tokens, agent_id=self.agent_id, **fields
        )
        self._is_over = True
        return charge

    async def settle_response(self, response: object, **fields: Any) -> Charge:
        """As `Hold.settle_response`."""
        usage = usage_of(response)
        usage.fields.update(fields)
        try:
            return await self.settle(usage.model, usage.prompt_tokens, usage.completion_tokens, **usage.fields)
        except DuplicateIdError:
            usage.fields.pop("id", None)
            return await self.settle(usage.model, usage.prompt_tokens, usage.completion_tokens, **usage.fields)

    async def release(self) -> None:
        """As `Hold.release`."""
        await self._client.release(self.id)
        self._is_over = True

    async def __aenter__(self) -> AsyncHold:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._is_over:
            return
        try:
            await self.release()
        except BudgaugeError:
            # What went wrong first is what matters; the hold ends by itself.
            if kind is None:
                raise
