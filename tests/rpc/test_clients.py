"""The Python clients, sync and async."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import budgauge
from budgauge import (
    AgentLimitExceededError,
    BudgetExceededError,
    DuplicateIdError,
    LedgerError,
    RecordError,
    ReservationError,
    ResetError,
    ServerError,
    TokenBudgetTracker,
)
from budgauge.rpc import address, exchange
from budgauge.rpc.client import Client
from clock import Clock
from served import Configured, Served, lines

Serve = Callable[..., Served]


def test_it_is_found_by_the_ledgers_path(ledger: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    serve()
    with budgauge.connect(ledger=str(ledger)) as client:
        charge = client.report_usage("a", "gpt-4", 1500, 800, project="p")
        assert charge
        assert (charge.total_used, charge.remaining_budget, charge.usage_percentage) == (2300, 997_700, 0.23)
    monkeypatch.setenv("CODEX_TOKEN_LEDGER", str(ledger))
    with budgauge.connect() as client:
        assert client.get_budget()["total_used"] == 2300
        assert client.get_budget()["ledger"] == str(ledger)


def test_errors_are_those_of_a_tracker(ledger: Path, serve: Serve, configured: Configured) -> None:
    configured("total_budget = 1000\n[token_budget.per_agent_limits]\nb = 100")
    serve()
    client = budgauge.connect(ledger=str(ledger))
    tracker = TokenBudgetTracker.open(ledger=str(ledger))
    for agent, tokens in (("a", 1001), ("b", 101)):
        with pytest.raises((AgentLimitExceededError, BudgetExceededError)) as mine:
            tracker.report_usage(agent, "gpt-4", tokens, 0)
        with pytest.raises(type(mine.value)) as theirs:
            client.report_usage(agent, "gpt-4", tokens, 0)
        assert str(theirs.value) == str(mine.value)
        assert vars(theirs.value) == vars(mine.value)
        assert client.check(agent, tokens) == str(mine.value)
    assert client.check("a", 1) is None
    client.report_usage("a", "gpt-4", 1, 0, id="x")
    assert not client.report_usage("a", "gpt-4", 1, 0, id="x")
    with pytest.raises(DuplicateIdError):
        client.report_usage("a", "gpt-4", 2, 0, id="x")
    with pytest.raises(RecordError, match=r"^prompt_tokens must be"):
        client.report_usage("a", "gpt-4", -1, 0)
    with pytest.raises(RecordError, match="prompt"):
        client.report_usage("a", "gpt-4", 1, 0, prompt=2)
    with pytest.raises(ReservationError):
        client.release("unknown")
    first = client.reset()
    assert client.reset("a", expected_reset_id=first)
    with pytest.raises(ResetError):
        client.reset(expected_reset_id=None)
    ledger.unlink()
    ledger.mkdir()
    with pytest.raises(LedgerError):
        client.report_usage("a", "gpt-4", 1, 0)
    ledger.rmdir()
    assert client.report_usage("a", "gpt-4", 1, 0)
    client.close()


def test_a_reset_is_undone_once(ledger: Path, serve: Serve) -> None:
    serve()
    with budgauge.connect(ledger=str(ledger)) as client:
        client.report_usage("a", "gpt-4", 1500, 800)
        reset = client.reset()
        assert (client.state()["total_used"], client.state()["reset_id"]) == (0, reset)
        assert client.undo_reset() == reset
        state = client.state()
        assert (state["total_used"], state["agents"][0]["used"], state["reset_id"]) == (2300, 2300, None)
        assert (state["total_budget"], state["remaining_budget"], state["reserved"]) == (1_000_000, 997_700, 0)
        with pytest.raises(ResetError, match="no reset"):
            client.undo_reset()


def test_reserve_and_settle(ledger: Path, serve: Serve) -> None:
    serve()
    with budgauge.connect(ledger=str(ledger)) as client:
        with client.reserve("a", tokens=3000, ttl=60) as hold:
            assert client.get_budget()["reserved"] == 3000
            assert hold.settle("gpt-4", prompt_tokens=1500, completion_tokens=800).total_used == 2300
        assert client.get_budget()["reserved"] == 0
        with client.reserve("a", tokens=3000):
            pass
        with pytest.raises(ZeroDivisionError), client.reserve("a", tokens=3000):
            raise ZeroDivisionError
        assert client.get_budget()["reserved"] == 0
    assert [record.get("type") for record in lines(ledger)] == ["reserve", "settle", *["reserve", "release"] * 2]


async def test_the_same_awaited(ledger: Path, serve: Serve, configured: Configured) -> None:
    configured("total_budget = 10_000")
    served = serve()
    async with budgauge.connect_async(ledger=str(ledger)) as client:
        assert (await client.report_usage("a", "gpt-4", 1500, 800)).total_used == 2300
        async with await client.reserve("a", tokens=3000) as hold:
            assert (await hold.settle("gpt-4", 10, 5)).total_used == 2315
        async with await client.reserve("a", tokens=3000) as hold:
            assert hold.tokens == 3000
            assert hold.agent_id == "a"
            assert hold.expires > time.time()
        assert (await client.get_budget())["reserved"] == 0
        assert await client.check("a", 10_000)
        assert await client.check("a", 1) is None
        with pytest.raises(BudgetExceededError):
            await client.report_usage("a", "gpt-4", 10_000, 0)
        with pytest.raises(ReservationError):
            await client.release("unknown")
        results = await asyncio.gather(*(client.report_usage("b", "gpt-4", 1, 0) for _ in range(20)))
        assert max(result.total_used for result in results) == 2335
        reset = await client.reset("a", expected_reset_id=None)
        assert await client.undo_reset() == reset
        assert (await client.get_budget())["agent_totals"] == {"a": 2315, "b": 20}
    served.end()
    async with budgauge.connect_async(ledger=str(ledger), timeout=0.2) as client:
        with pytest.raises(ServerError, match="no budgauge server"):
            await client.get_budget()


def test_tcp(ledger: Path, serve: Serve) -> None:
    served = serve(tcp_port=0)
    assert served.server.address is not None
    assert served.server.token_path is not None
    address = "{}:{}".format(*served.server.address)
    with budgauge.connect(tcp=address, token=served.server.token_path.read_text().strip()) as client:
        assert client.report_usage("a", "gpt-4", 1, 0)
    with budgauge.connect(tcp=address, token="wrong") as client, pytest.raises(ServerError, match="token"):
        client.get_budget()
    for bad in ("localhost", "x:y", ":5", "h:0", "h:99999"):
        with pytest.raises(ServerError, match="address"):
            budgauge.connect(tcp=bad, token="x")
    with pytest.raises(ServerError, match="token"):
        budgauge.connect(tcp=address)

    async def awaited() -> int:
        assert served.server.token_path is not None
        token = served.server.token_path.read_text().strip()
        async with budgauge.connect_async(tcp=address, token=token) as client:
            return int((await client.get_budget())["total_used"])

    assert asyncio.run(awaited()) == 1


def test_without_a_server_the_error_says_what_to_do(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, pauses = Clock(1000.0), list[float]()

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        clock.now += seconds

    monkeypatch.setattr(exchange, "time", SimpleNamespace(monotonic=clock, sleep=sleep))
    with budgauge.connect(ledger=str(ledger), timeout=0.3) as client, pytest.raises(ServerError) as caught:
        client.report_usage("a", "gpt-4", 1, 0)
    assert 0 < sum(pauses) <= 0.3
    assert "budgauge serve" in caught.value.hint
    assert not ledger.exists()


def test_it_reconnects_and_asks_again(ledger: Path, serve: Serve) -> None:
    served = serve()
    client = budgauge.connect(ledger=str(ledger))
    assert client.report_usage("a", "gpt-4", 1, 0)
    served.end()
    later = threading.Timer(0.3, serve)
    later.start()
    assert client.report_usage("a", "gpt-4", 1, 0).total_used == 2
    later.join()
    client.close()


class Lossy:
    """Stands before a server, hands every call on, and loses the first answers."""

    def __init__(self, path: Path, server: Path, losses: int) -> None:
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()
        self._server = server
        self._losses = losses
        self.lost: list[bytes] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                here, _ = self._listening.accept()
            except OSError:
                return
            with here, socket.socket(socket.AF_UNIX) as there:
                there.connect(str(self._server))
                while data := here.recv(65536):
                    there.sendall(data)
                    answer = there.recv(65536)
                    if len(self.lost) < self._losses:
                        self.lost.append(data)
                        break
                    here.sendall(answer)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        assert not self._thread.is_alive()
        self._listening.close()


@pytest.fixture
def lossy(ledger: Path, serve: Serve, tmp_path: Path) -> Iterator[Callable[[int], tuple[Path, Lossy]]]:
    served = serve()
    made: list[Lossy] = []

    def make(losses: int) -> tuple[Path, Lossy]:
        path = served.path.with_name(f"lossy{len(made)}.sock")
        made.append(Lossy(path, served.path, losses))
        return path, made[-1]

    yield make
    for each in made:
        each.close()


def test_whatever_answer_is_lost_it_counts_once(ledger: Path, lossy: Callable[[int], tuple[Path, Lossy]]) -> None:
    clients: list[Client] = []

    def through(losses: int) -> Client:
        path, _ = lossy(losses)
        clients.append(budgauge.connect(socket=path))
        return clients[-1]

    assert not through(3).report_usage("a", "gpt-4", 10, 0)  # it was added when it was asked first
    client = through(1)
    hold = client.reserve("a", tokens=100)
    assert through(1).settle(hold.id, "gpt-4", 5, 0).total_used == 15
    other = client.reserve("a", tokens=100)
    through(2).release(other.id)
    reset = through(2).reset()
    assert TokenBudgetTracker(ledger=ledger).get_status().reset_id == reset
    assert [record.get("type") for record in lines(ledger)] == [
        *[None, "reserve", "settle", "reserve", "release", "reset"]
    ]
    for each in clients:
        each.close()


def test_an_undo_whose_answer_is_lost_is_not_made_again(
    ledger: Path, lossy: Callable[[int], tuple[Path, Lossy]]
) -> None:
    tracker = TokenBudgetTracker(ledger=ledger)
    for tokens in (1, 2):
        tracker.report_usage("a", "gpt-4", tokens, 0)
        tracker.reset()
    path, _ = lossy(1)
    with budgauge.connect(socket=path) as client:
        with pytest.raises(ServerError, match=r"answer to tokens\.undoReset .* was lost"):
            client.undo_reset()
        assert client.state()["total_used"] == 2


async def test_the_same_awaited_where_answers_are_lost(
    ledger: Path, lossy: Callable[[int], tuple[Path, Lossy]]
) -> None:
    path, _ = lossy(2)
    async with budgauge.connect_async(socket=path) as client:
        assert not await client.report_usage("a", "gpt-4", 10, 0)
    assert len(lines(ledger)) == 1


def test_events_come_and_come_again_after_a_restart(ledger: Path, serve: Serve) -> None:
    served = serve()
    client = budgauge.connect(ledger=str(ledger))
    events = client.events()
    assert next(events)["data"]["total_used"] == 0
    client.report_usage("a", "gpt-4", 1, 0)
    assert next(events)["data"]["total_used"] == 1
    served.end()
    serve()
    client.report_usage("a", "gpt-4", 1, 0)
    while next(events)["data"]["total_used"] != 2:
        pass
    events.close()  # type: ignore[attr-defined]  # a generator
    client.close()


async def test_awaited_events(ledger: Path, serve: Serve) -> None:
    served = serve()
    async with budgauge.connect_async(ledger=str(ledger)) as client:
        seen = []
        async for event in client.events("tokens.updated", "ledger.reset"):
            seen.append(event["topic"])
            if len(seen) == 1:
                await client.report_usage("a", "gpt-4", 1, 0)
            elif event["data"].get("total_used") == 1:
                await client.reset()
            elif event["topic"] == "ledger.reset":
                break
    served.end()
    assert seen[-1] == "ledger.reset"


def test_a_client_of_several_threads(ledger: Path, serve: Serve) -> None:
    serve()
    client = budgauge.connect(ledger=str(ledger))

    def work() -> None:
        for _ in range(100):
            client.report_usage("a", "gpt-4", 1, 0)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.get_budget()["total_used"] == 400
    client.close()


def test_a_fork_makes_a_connection_of_its_own(ledger: Path, serve: Serve) -> None:
    serve()
    client = budgauge.connect(ledger=str(ledger))
    client.report_usage("parent", "gpt-4", 1, 0)
    child = os.fork()
    if not child:
        try:
            for _ in range(50):
                client.report_usage("child", "gpt-4", 1, 0)
        finally:
            os._exit(0)
    for _ in range(50):
        client.report_usage("parent", "gpt-4", 1, 0)
    os.waitpid(child, 0)
    assert client.get_budget()["agent_totals"] == {"parent": 51, "child": 50}
    client.close()


def test_a_socket_of_another_user_is_not_used(ledger: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    served = serve()
    served.path.parent.chmod(0o777)
    with budgauge.connect(ledger=str(ledger)) as client, pytest.raises(ServerError, match="others can change"):
        client.get_budget()
    served.path.parent.chmod(0o700)
    monkeypatch.setattr(address.os, "geteuid", lambda: 12345)  # type: ignore[attr-defined]  # as imported there
    with budgauge.connect(ledger=str(ledger)) as client:
        if os.stat(served.path).st_uid:
            with pytest.raises(ServerError, match="another user"):
                client.get_budget()


def test_what_is_no_server_of_ours_is_told(ledger: Path, own_place: Path) -> None:
    path = own_place / "other.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def answer() -> None:
            there, _ = listening.accept()
            with there:
                there.recv(65536)
                there.sendall(b"220 hello\r\n")
                time.sleep(0.5)

        threading.Thread(target=answer, daemon=True).start()
        with budgauge.connect(socket=path) as client, pytest.raises(ServerError, match="no JSON-RPC"):
            client.get_budget()
