"""The same client for programs on asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from budgauge.accounting.records import Reserve
from budgauge.accounting.reservation import Held
from budgauge.accounting.sdk_response import usage_of
from budgauge.errors import BudgaugeError, DuplicateIdError
from budgauge.rpc import calls as wire
from budgauge.rpc import protocol
from budgauge.rpc.calls import Charge, Target

_MOST_BYTES = 1 << 26
"""The longest line that is taken from the server: a status with very many agents."""


class AsyncClient:
    """As `Client`, awaited; made by `budgauge.connect_async`. Calls of several tasks are made one after the other."""

    def __init__(self, target: Target, *, timeout: float = 10.0) -> None:
        self._target = target
        self._line = _Line(target)
        self._timeout = timeout
        self._mutex = asyncio.Lock()

    async def report_usage(
        self, agent_id: str, model: str, prompt_tokens: int, completion_tokens: int, **fields: Any
    ) -> Charge:
        """Record a call if the budget admits it; as `TokenBudgetTracker.report_usage`, with its fields."""
        call = wire.report_call(agent_id, model, prompt_tokens, completion_tokens, fields)
        return wire.charge_of(await self._call(call))

    async def get_budget(self) -> dict[str, Any]:
        """The status, with the fields of `status --json`, `used` and `remaining`."""
        status: dict[str, Any] = await self._call(("tokens.getBudget", {}))
        return status

    async def check(self, agent_id: str, tokens: int = 1) -> str | None:
        """Would `tokens` counted tokens more be refused? The message then, else None."""
        answer: dict[str, Any] = await self._call(("tokens.check", {"agent_id": agent_id, "tokens": tokens}))
        return answer["message"]  # type: ignore[no-any-return]  # as the method says

    async def reserve(self, agent_id: str, tokens: int, ttl: float = 600, *, id: str | None = None) -> AsyncHold:
        """Hold counted tokens for a call to come, for at most `ttl` seconds; as `TokenBudgetTracker.reserve`."""
        call = wire.reserve_call(agent_id, tokens, ttl, id)
        return AsyncHold(self, wire.reserve_of(call, await self._call(call)))

    async def settle(
        self, reserve: str, model: str, prompt_tokens: int, completion_tokens: int, **fields: Any
    ) -> Charge:
        """End a reservation, by its id, with what was spent; as `TokenBudgetTracker.settle`."""
        call = wire.settle_call(reserve, model, prompt_tokens, completion_tokens, fields)
        return wire.charge_of(await self._call(call))

    async def release(self, reserve: str) -> None:
        """Give a reservation back unused, by its id; as `TokenBudgetTracker.release`."""
        await self._call(wire.release_call(reserve))

    async def reset(
        self, agent_id: str | None = None, *, expected_reset_id: str | msgspec.UnsetType | None = msgspec.UNSET
    ) -> str:
        """Start the counters afresh; the reset's id. As `TokenBudgetTracker.reset`."""
        reset_id: str = (await self._call(wire.reset_call(agent_id, expected_reset_id)))["reset_id"]
        return reset_id

    async def events(self, *topics: str) -> AsyncIterator[dict[str, Any]]:
        """Events as they come, without end; as `Client.events`."""
        line = _Line(self._target)
        try:
            while True:
                await self._retried(line, ("subscribe", {"topics": list(topics or ("tokens.updated",))}))
                try:
                    while True:
                        event = wire.event_of(await line.read())
                        if event is not None:
                            yield event
                except OSError:
                    line.close()
        finally:
            line.close()

    def close(self) -> None:
        """End the connection; another call makes another."""
        self._line.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def _call(self, call: wire.Call) -> Any:
        async with self._mutex:
            return await self._retried(self._line, call)

    async def _retried(self, line: _Line, call: wire.Call) -> Any:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout
        tries = 0
        while True:
            try:
                answer = await asyncio.wait_for(line.call(*call), max(0.001, deadline - loop.time()))
                break
            except (OSError, asyncio.TimeoutError) as error:
                line.close()
                pause = wire.PAUSES[min(tries, len(wire.PAUSES) - 1)]
                if loop.time() + pause > deadline:
                    raise wire.not_reached(self._target, error or "it does not answer in time") from error
                await asyncio.sleep(pause)
                tries += 1
            except BaseException:
                # Its answer may still come, and would be taken for the next one's.
                line.close()
                raise
        return wire.result_of(answer)


class AsyncHold(Held):
    """As `Hold`, awaited: `async with await client.reserve(...) as hold`."""

    def __init__(self, client: AsyncClient, reserve: Reserve) -> None:
        super().__init__(reserve)
        self._client = client

    async def settle(self, model: str, prompt_tokens: int, completion_tokens: int, **fields: Any) -> Charge:
        """Record what the call spent, also past the budget; as `AsyncClient.settle`."""
        charge = await self._client.settle(
            self.id, model, prompt_tokens, completion_tokens, agent_id=self.agent_id, **fields
        )
        self._is_over = True
        return charge

    async def settle_response(self, response: object, **fields: Any) -> Charge:
        """Settle with what an answer of the OpenAI or Anthropic SDK says it took; as `Hold.settle_response`."""
        usage = usage_of(response)
        usage.fields.update(fields)
        try:
            return await self.settle(usage.model, usage.prompt_tokens, usage.completion_tokens, **usage.fields)
        except DuplicateIdError:
            usage.fields.pop("id", None)
            return await self.settle(usage.model, usage.prompt_tokens, usage.completion_tokens, **usage.fields)

    async def release(self) -> None:
        """Give the tokens back; as `AsyncClient.release`."""
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


class _Line:
    """A connection to a server, made when it is needed. OSError where a call may be tried again."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._number = 0

    async def call(self, method: str, params: object) -> dict[str, Any]:
        """The answer to a call."""
        if self._streams is None:
            await self._open()
        return await self._ask(method, params)

    async def _ask(self, method: str, params: object) -> dict[str, Any]:
        assert self._streams is not None
        self._number += 1
        self._streams[1].write(protocol.request(self._number, method, params))
        await self._streams[1].drain()
        while True:
            answer = await self.read()
            if "method" not in answer and answer.get("id") in (self._number, None):
                return answer

    async def read(self) -> dict[str, Any]:
        """The next message."""
        assert self._streams is not None
        line = await self._streams[0].readline()
        if not line.endswith(b"\n"):
            raise ConnectionResetError("the server ended the connection")
        return wire.message_of(line)

    async def _open(self) -> None:
        target = self._target
        if target.path:
            wire.check_private(target.path)
            self._streams = await asyncio.open_unix_connection(target.path, limit=_MOST_BYTES)
        else:
            self._streams = await asyncio.open_connection(target.host, target.port, limit=_MOST_BYTES)
            wire.result_of(await self._ask("auth", {"token": target.token}))

    def close(self) -> None:
        """End it."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None
