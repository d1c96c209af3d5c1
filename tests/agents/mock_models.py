"""A loopback model server that real coding agents can talk to, with a known truth.

It answers the two HTTP APIs that Codex CLI (`/v1/responses`, server-sent events) and
Claude Code (`/v1/messages`) use. Every answer carries token usage drawn from a counter,
and the server keeps the sums, so that whatever a reader makes of the agents' own session
logs can be held against what was really served.

    python mock_models.py PORT           # serves 127.0.0.1:PORT until killed
    GET /truth                           # {"calls": n, "by_model": {model: {...sums...}}}

First turn of a conversation: the model asks for one shell command (`echo hi`), so that the
agent's tool hooks run. Next turn: it says "done". A prompt with "insist:" makes it ask for the
command three times, whatever comes of it. A prompt with the word "delegate" makes the
model start a sub-agent first (Codex: spawn_agent, then wait_agent; Claude Code: Agent), whose
own conversation then runs as above. Token counts grow with every call, so no two calls are
alike and a missed or doubled call shows in the sum.

Codex CLI (npm package @openai/codex), with CODEX_HOME/config.toml holding:

    model = "gpt-5.1-codex"
    model_provider = "mock"
    [model_providers.mock]
    name = "mock"
    base_url = "http://127.0.0.1:PORT/v1"
    wire_api = "responses"

    codex exec --skip-git-repo-check -s danger-full-access "say hi" </dev/null
    # add --dangerously-bypass-hook-trust where [hooks] must run unattended

Claude Code (npm package @anthropic-ai/claude-code):

    IS_SANDBOX=1 CLAUDE_CONFIG_DIR=DIR ANTHROPIC_BASE_URL=http://127.0.0.1:PORT \
    ANTHROPIC_API_KEY=dummy CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_TELEMETRY=1 \
    DISABLE_AUTOUPDATER=1 claude -p "say hi" --permission-mode bypassPermissions </dev/null
"""

from __future__ import annotations

import http.server
import itertools
import json
import socketserver
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

Json = dict[str, Any]
"""A JSON object of another program's making: its shape is only known where it is read."""
Truth = dict[str, dict[str, int]]
"""Sums by model."""
INSISTING = 3
"""How often a command is asked for where the prompt insists on it."""


class Book:
    """What was served so far."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._sums: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        self.requests: list[Json] = []
        """All that was asked, as it came."""
        self.totals: list[int] = []
        """Tokens of each answer, prompt and completion."""
        self.command = "echo hi"
        """What the model wants to run."""
        self.charges: Json = {}
        """What the Messages API tells beside the tokens of each call, as `{"speed": "fast"}`."""

    def number(self) -> int:
        """The next call's number, from 1."""
        with self._lock:
            return next(self._numbers)

    def add(self, model: str, **tokens: int) -> None:
        with self._lock:
            self._sums[model]["calls"] += 1
            self.totals.append(tokens["prompt_tokens"] + tokens["completion_tokens"])
            for name, count in tokens.items():
                self._sums[model][name] += count

    def truth(self) -> Truth:
        with self._lock:
            return {model: dict(sums) for model, sums in self._sums.items()}


def event(kind: str, **data: object) -> str:
    """One server-sent event."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n"


def asked(items: list[Json], word: str) -> bool:
    """Does the person's own prompt hold the word?"""
    prompts = [json.dumps(item.get("content", "")) for item in items if item.get("role") == "user"]
    return any(word in prompt and "<environment_context>" not in prompt for prompt in prompts)


def function_call(number: int, name: str, arguments: Json, **more: object) -> Json:
    """A tool call, as the Responses API has it."""
    call = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}"}
    return {**call, **more, "name": name, "arguments": json.dumps(arguments)}


def next_item(request: Json, number: int, command: str) -> Json:
    """What the model says or does next in a Codex conversation."""
    items: list[Json] = [item for item in request.get("input", []) if isinstance(item, dict)]
    tools = {tool.get("name") or tool.get("type") for tool in request.get("tools", [])}
    spawned = [item for item in items if item.get("name") == "spawn_agent"]
    if asked(items, "delegate") and "multi_agent_v1" in tools and not spawned:
        task = {"message": "say hi", "agent_type": "worker"}
        return function_call(number, "spawn_agent", task, namespace="multi_agent_v1")
    if spawned and not any(item.get("name") == "wait_agent" for item in items):
        call = spawned[0]["call_id"]
        outputs = [item["output"] for item in items if item.get("call_id") == call and "output" in item]
        child = json.loads(outputs[0] if outputs else "{}").get("agent_id", "")
        wait = {"targets": [child], "timeout_ms": 20_000}
        return function_call(number, "wait_agent", wait, namespace="multi_agent_v1")
    answers = sum(item.get("type", "").endswith("_call_output") for item in items)
    if answers < (INSISTING if asked(items, "insist:") else 1) and "exec_command" in tools:
        return function_call(number, "exec_command", {"cmd": command})
    content = [{"type": "output_text", "text": "done"}]
    return {"type": "message", "id": f"msg_{number}", "role": "assistant", "content": content}


def responses_api(request: Json, book: Book) -> str:
    """One streamed answer of the Responses API (Codex)."""
    number = book.number()
    item = next_item(request, number, book.command)
    prompt, cached, completion, reasoning = 1000 + 100 * number, 512, 50 + number, 20
    book.add(
        request.get("model", "?"),
        prompt_tokens=prompt,
        cached_tokens=cached,
        completion_tokens=completion,
        reasoning_tokens=reasoning,
    )
    usage = {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": prompt + completion,
    }
    head = {"id": f"resp_{number}", "object": "response"}
    return (
        event("response.created", response={**head, "status": "in_progress"})
        + event("response.output_item.done", output_index=0, item=item)
        + event("response.completed", response={**head, "status": "completed", "output": [], "usage": usage})
    )


def next_blocks(request: Json, number: int, command: str) -> tuple[list[Json], str]:
    """What the model says or does next in a Claude Code conversation, and why it stops there."""
    # Behind a tool's result some models get a message of the system.
    messages = [message for message in request.get("messages", []) if message.get("role") != "system"]
    tools = {tool.get("name") for tool in request.get("tools") or []}
    text = {"type": "text", "text": "working"}
    use = {"type": "tool_use", "id": f"toolu_{number:05d}"}
    answers = json.dumps(messages).count('"type": "tool_result"')
    insists = answers < INSISTING and asked(messages, "insist:")
    if "tool_result" in json.dumps(messages[-1:]) and not insists:
        return [text], "end_turn"
    if "Agent" in tools and asked(messages, "delegate"):
        if '"name": "Agent"' in json.dumps(messages):
            # The sub-agent works beside the conversation, which goes on with other words than a tool's result.
            return [text], "end_turn"
        task = {"description": "say hi", "prompt": "say hi", "subagent_type": "general-purpose"}
        return [text, {**use, "name": "Agent", "input": task}], "tool_use"
    if "Bash" in tools:
        return [text, {**use, "name": "Bash", "input": {"command": command, "description": "say hi"}}], "tool_use"
    return [text], "end_turn"


def block_events(index: int, block: Json) -> Iterator[str]:
    """A content block as it streams."""
    if block["type"] == "text":
        start: Json = {"type": "text", "text": ""}
        delta = {"type": "text_delta", "text": block["text"]}
    else:
        start = {**block, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    yield event("content_block_start", index=index, content_block=start)
    yield event("content_block_delta", index=index, delta=delta)
    yield event("content_block_stop", index=index)


def messages_api(request: Json, book: Book) -> tuple[str, Json]:
    """One answer of the Messages API (Claude Code), as a stream and as a whole."""
    number, model = book.number(), request.get("model", "?")
    fresh, write_5m, write_1h, read, completion = 10 + number, 100, 500, 1000, 150 + number
    usage = {
        "input_tokens": fresh,
        "cache_creation_input_tokens": write_5m + write_1h,
        "cache_read_input_tokens": read,
        "output_tokens": 1,
        "service_tier": "standard",
        "cache_creation": {"ephemeral_5m_input_tokens": write_5m, "ephemeral_1h_input_tokens": write_1h},
        **book.charges,
    }
    book.add(
        model,
        prompt_tokens=fresh + write_5m + write_1h + read,
        cached_tokens=read,
        cache_write_5m_tokens=write_5m,
        cache_write_1h_tokens=write_1h,
        completion_tokens=completion,
    )
    head = {"id": f"msg_{number:05d}", "type": "message", "role": "assistant", "model": model, "stop_sequence": None}
    blocks, stop = next_blocks(request, number, book.command)
    stopped = {"stop_reason": stop, "stop_sequence": None}
    stream = [event("message_start", message={**head, "content": [], "stop_reason": None, "usage": usage})]
    for index, block in enumerate(blocks):
        stream += block_events(index, block)
    stream += [event("message_delta", delta=stopped, usage={**book.charges, "output_tokens": completion})]
    stream.append(event("message_stop"))
    final = {**usage, "output_tokens": completion}
    return "".join(stream), {**head, "content": blocks, "stop_reason": stop, "usage": final}


class ModelServer(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """The server, with its book."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        """Port 0 takes any that is free."""
        super().__init__(("127.0.0.1", port), Handler)
        self.book = Book()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"

    @property
    def book(self) -> Book:
        return cast(ModelServer, self.server).book

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the tests' output is for the tests."""

    def reply(self, body: str, kind: str = "application/json") -> None:
        data = body.encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        if self.path == "/truth":
            truth = self.book.truth()
            self.reply(json.dumps({"calls": sum(sums["calls"] for sums in truth.values()), "by_model": truth}))
        else:
            self.reply(json.dumps({"object": "list", "data": [], "models": []}))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if "count_tokens" in self.path:
            self.reply('{"input_tokens": 100}')
        elif self.path.startswith("/v1/responses"):
            request = json.loads(body)
            self.book.requests.append(request)
            self.reply(responses_api(request, self.book), "text/event-stream")
        elif self.path.startswith("/v1/messages"):
            request = json.loads(body)
            self.book.requests.append(request)
            stream, whole = messages_api(request, self.book)
            if request.get("stream"):
                self.reply(stream, "text/event-stream")
            else:
                self.reply(json.dumps(whole))
        else:
            self.reply("{}")


@contextmanager
def serving() -> Iterator[ModelServer]:
    """A server in a thread, on any free port."""
    with ModelServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


if __name__ == "__main__":
    ModelServer(int(sys.argv[1])).serve_forever()
