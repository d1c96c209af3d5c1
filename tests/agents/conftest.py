"""A model server for each test, and real agents that know no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.gated import Gated
from agents.mock_models import ModelServer, serving
from agents.program import Claude, Codex, Program, needs_claude, needs_codex


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serving() as server:
        yield server


@pytest.fixture
def codex(tmp_path: Path, server: ModelServer) -> Codex:
    return Codex(tmp_path, server.url)


@pytest.fixture
def claude(tmp_path: Path, server: ModelServer) -> Claude:
    return Claude(tmp_path, server.url)


@pytest.fixture(
    params=[pytest.param(Codex, marks=needs_codex, id="codex"), pytest.param(Claude, marks=needs_claude, id="claude")]
)
def program(request: pytest.FixtureRequest, tmp_path: Path, server: ModelServer) -> Program:
    """Either agent."""
    made: Program = request.param(tmp_path, server.url)
    return made


@pytest.fixture
def gated(program: Program, server: ModelServer) -> Gated:
    """Either agent, with our hooks and a command that leaves a trace."""
    gated = Gated(program)
    gated.install()
    server.book.command = gated.command
    return gated
