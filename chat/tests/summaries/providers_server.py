"""OpenAI, Anthropic and Gemini on this machine: their real paths, bodies and events, with answers that a test chose.

    providers.answer("openai", {"text": "..."})     answers with this output, in JSON or in pieces, as it was asked
    providers.fail("openai", 429, retry_after=20)   an error of theirs, which quotes what it was asked
    providers.hang("openai")                        takes the question and says nothing
    providers.stall("openai", {...})                says half of it, and nothing more
    providers.drip("openai")                        shows that it is there, again and again, and never answers
    providers.cut("openai", {...})                  says half of it, and hangs up
    providers.mangle("openai")                      answers with something that is not JSON
    providers.say("openai", "Sure! Here it is.")    answers with words instead of the output
    providers.refuse("openai")                      would not; with an output, after half of it
    providers.received                              what this test's calls sent, in order

What was arranged for a provider is used in turn, and the last of it again and again. `answer(..., is_paced=True)` gives
one piece, and each further one after `providers.go()`.

Everything that any test of this process sent is kept in `EVERYTHING`. A test that stores what somebody wrote who did
not agree puts `UNTOLD` in it: the run fails when that ever reached a provider.
"""

import json
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Event, Semaphore, Thread
from typing import Any, Literal, NamedTuple

Name = Literal["openai", "anthropic", "google"]
NAMES: tuple[Name, ...] = ("openai", "anthropic", "google")
UNTOLD = "zqnevertoldzq"
PIECES = 8


class Received(NamedTuple):
    """One request, as it came."""

    provider: str
    path: str
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def model(self) -> str:
        return self.path.split("/models/")[1].partition(":")[0] if self.provider == "google" else self.body["model"]

    @property
    def is_streamed(self) -> bool:
        return ":streamGenerateContent" in self.path if self.provider == "google" else bool(self.body.get("stream"))

    @property
    def words(self) -> str:
        """All that a model would read, as text: instructions, content and schema."""
        return json.dumps(self.body, ensure_ascii=False)

    @property
    def content(self) -> str:
        """What was given to be read, without instructions and schema."""
        body = self.body
        if self.provider == "google":
            return "\n".join(part["text"] for turn in body["contents"] for part in turn["parts"])
        turns = [turn["content"] for turn in body["messages"] if turn["role"] == "user"]
        return "\n".join(turn if isinstance(turn, str) else "\n".join(part["text"] for part in turn) for turn in turns)


EVERYTHING: list[Received] = []
"""What this process ever received, in all tests."""


def told(marker: str) -> list[Received]:
    """Requests of the whole run that hold these words."""
    return [request for request in EVERYTHING if marker in request.text or marker in request.words]


def assert_nothing_untold_was_told() -> None:
    found = told(UNTOLD)
    assert not found, f"{len(found)} requests to a language model held words of somebody who did not agree: {found[:1]}"


Output = dict[str, Any] | str
Chosen = Output | Callable[[Received], Output]


@dataclass
class Reply:
    """What a provider does with a question."""

    output: Chosen = ""
    status: int = 200
    retry_after: float | None = None
    ending: Literal["whole", "cut", "stalled", "dripping", "hanging", "mangled"] = "whole"
    is_refused: bool = False
    is_blocked: bool = False
    is_paced: bool = False
    input_tokens: int = 1000
    output_tokens: int = 100

    def text(self, asked: Received) -> str:
        """The output as a model writes it."""
        output = self.output(asked) if callable(self.output) else self.output
        text = output if isinstance(output, str) else json.dumps(output)
        return text[: len(text) // 2] if self.is_refused else text


@dataclass
class Providers:
    """What a test says to the server, and what it got."""

    url: str
    received: list[Received] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    _arranged: dict[str, deque[Reply]] = field(default_factory=lambda: {name: deque() for name in NAMES})
    _gone_on: Semaphore = field(default_factory=lambda: Semaphore(0))
    _over: Event = field(default_factory=Event)

    def answer(self, provider: Name, output: Chosen, **how: Any) -> None:
        """Answer with this, or with what this makes of the request. `how`: is_paced, input_tokens, output_tokens."""
        self._arrange(provider, Reply(output, **how))

    def fail(self, provider: Name, status: int, retry_after: float | None = None) -> None:
        self._arrange(provider, Reply(status=status, retry_after=retry_after))

    def hang(self, provider: Name) -> None:
        self._arrange(provider, Reply(ending="hanging"))

    def stall(self, provider: Name, output: Chosen) -> None:
        self._arrange(provider, Reply(output, ending="stalled"))

    def drip(self, provider: Name) -> None:
        self._arrange(provider, Reply(ending="dripping"))

    def cut(self, provider: Name, output: Chosen) -> None:
        self._arrange(provider, Reply(output, ending="cut"))

    def mangle(self, provider: Name) -> None:
        self._arrange(provider, Reply(ending="mangled"))

    def say(self, provider: Name, words: str) -> None:
        self._arrange(provider, Reply(words))

    def refuse(self, provider: Name, output: Chosen = "") -> None:
        """Refuse at once, or with half of an output said."""
        self._arrange(provider, Reply(output, is_refused=True, output_tokens=3))

    def block(self) -> None:
        """Gemini's way not even to ask its model."""
        self._arrange("google", Reply(is_refused=True, is_blocked=True))

    def go(self) -> None:
        """Let the next piece of a paced answer out."""
        self._gone_on.release()

    def asked(self, provider: Name) -> list[Received]:
        return [request for request in self.received if request.provider == provider]

    def end(self) -> None:
        """Let go of whoever still hangs."""
        self._over.set()
        self._gone_on.release(1000)

    def take(self, provider: str) -> Reply:
        arranged = self._arranged[provider]
        if not arranged:
            self.faults.append(f"{provider} was asked, and the test had arranged nothing")
            return Reply(status=500)
        return arranged.popleft() if len(arranged) > 1 else arranged[0]

    def wait_for_go(self) -> None:
        self._gone_on.acquire()

    def wait_for_end(self, seconds: float | None = None) -> bool:
        """Whether it is over."""
        return self._over.wait(seconds)

    def _arrange(self, provider: Name, reply: Reply) -> None:
        self._arranged[provider].append(reply)


class Server(ThreadingHTTPServer):
    """All three, each below its own path; of one test at a time."""

    daemon_threads = True
    block_on_close = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.numbers = count(1)
        self.providers = Providers(self.url)

    def for_a_test(self) -> Providers:
        self.providers.end()
        self.providers = Providers(self.url)
        return self.providers

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are what some tests are about; anything else is a mistake of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            self.providers.faults.append(repr(sys.exception()))


def serving() -> Iterator[Server]:
    server = Server()
    thread = Thread(target=partial(server.serve_forever, poll_interval=0.05))
    thread.start()
    try:
        yield server
    finally:
        server.providers.end()
        server.shutdown()
        thread.join()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    """One question. The connection is closed after it, so that a cut answer is one."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        provider = next(name for name in NAMES if self.path.startswith(f"/{name}/"))
        asked = Received(provider, self.path, {name.lower(): value for name, value in self.headers.items()}, text)
        providers = self.server.providers
        EVERYTHING.append(asked)
        providers.received.append(asked)
        self._reply(providers, asked, providers.take(provider))

    def _reply(self, providers: Providers, asked: Received, reply: Reply) -> None:
        wire = WIRES[asked.provider](f"answer-{next(self.server.numbers)}", asked, reply)
        if reply.ending == "hanging":
            providers.wait_for_end()
        elif reply.ending == "dripping":
            self._send_drops(providers, asked)
        elif reply.status != 200:
            self._send_whole(providers, wire.error(f"It could not be answered: {asked.words[:3000]}"), reply)
        elif reply.ending == "mangled":
            self._send_mangled(asked)
        elif asked.is_streamed:
            self._send_pieces(providers, wire.events(_pieces(reply.text(asked))), reply)
        else:
            self._send_whole(providers, wire.whole(reply.text(asked)), reply)

    def _send_whole(self, providers: Providers, answer: dict[str, Any], reply: Reply) -> None:
        body = json.dumps(answer).encode()
        extra = {} if reply.retry_after is None else {"Retry-After": f"{reply.retry_after:g}"}
        self._send_head(reply.status, "application/json", {"Content-Length": str(len(body)), **extra})
        self.wfile.write(body if reply.ending == "whole" else body[: len(body) // 2])
        self.wfile.flush()
        if reply.ending == "stalled":
            providers.wait_for_end()

    def _send_mangled(self, asked: Received) -> None:
        name = b"event: message_start\n" if asked.provider == "anthropic" else b""
        body = name + b'data: {"id": "x", "choi\n\n' if asked.is_streamed else b'{"id": "x", "choi'
        kind = "text/event-stream" if asked.is_streamed else "application/json"
        self._send_head(200, kind, {"Content-Length": str(len(body))})
        self.wfile.write(body)

    def _send_drops(self, providers: Providers, asked: Received) -> None:
        kind = "text/event-stream" if asked.is_streamed else "application/json"
        # Anthropic's and OpenAI's clients read over comments, Gemini's over empty lines.
        drop = b": ping\n\n" if asked.is_streamed and asked.provider != "google" else b"\n"
        self._send_head(200, kind, {"Transfer-Encoding": "chunked"})
        while not providers.wait_for_end(0.05):
            self._send_chunk(drop)

    def _send_pieces(self, providers: Providers, events: list[bytes], reply: Reply) -> None:
        self._send_head(200, "text/event-stream", {"Transfer-Encoding": "chunked"})
        for number, event in enumerate(events):
            if number == len(events) // 2 and reply.ending != "whole":
                if reply.ending == "stalled":
                    providers.wait_for_end()
                return
            if reply.is_paced and number:
                providers.wait_for_go()
            self._send_chunk(event)
        self.wfile.write(b"0\r\n\r\n")

    def _send_chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _send_head(self, status: int, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Connection": "close", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has
        """Say nothing: what is of interest is kept."""


def _pieces(text: str) -> list[str]:
    step = max(1, -(-len(text) // PIECES))
    return [text[start : start + step] for start in range(0, len(text), step)]


def _event(data: dict[str, Any], name: str = "") -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


@dataclass
class Wire:
    """How one provider says things. `tool` is the function that the answer is to be given to, where one was offered."""

    number: str
    asked: Received
    reply: Reply

    @property
    def tool(self) -> str:
        raise NotImplementedError

    @property
    def is_call(self) -> bool:
        return bool(self.tool) and not isinstance(self.reply.output, str) and not self.reply.is_refused


class OpenAI(Wire):
    """https://platform.openai.com/docs/api-reference/chat"""

    @property
    def tool(self) -> str:
        return next((tool["function"]["name"] for tool in self.asked.body.get("tools", [])), "")

    @property
    def usage(self) -> dict[str, Any]:
        used = self.reply
        return {
            "prompt_tokens": used.input_tokens,
            "completion_tokens": used.output_tokens,
            "total_tokens": used.input_tokens + used.output_tokens,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        }

    @property
    def finish(self) -> str:
        if self.reply.is_refused and self.reply.output:
            return "content_filter"
        return "tool_calls" if self.is_call else "stop"

    @property
    def says_no(self) -> bool:
        """A model that refuses says so at once; a filter breaks off."""
        return self.reply.is_refused and not self.reply.output

    def whole(self, text: str) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
        if self.says_no:
            message |= {"content": None, "refusal": "I'm sorry, I cannot assist with that request."}
        elif self.is_call:
            message |= {"content": None, "tool_calls": [self._call(text)]}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.finish}
        return self._head("chat.completion") | {"choices": [choice], "usage": self.usage}

    def events(self, pieces: Sequence[str]) -> list[bytes]:
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "", "refusal": None}]
        if self.says_no:
            deltas += [{"refusal": "I'm sorry, "}, {"refusal": "I cannot assist with that request."}]
        elif self.is_call:
            deltas = [{"role": "assistant", "content": None, "tool_calls": [{"index": 0} | self._call("")]}]
            deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in pieces]
        else:
            deltas += [{"content": piece} for piece in pieces]
        chunks = [self._chunk(delta, None) for delta in deltas] + [self._chunk({}, self.finish)]
        if (self.asked.body.get("stream_options") or {}).get("include_usage"):
            chunks.append(self._head("chat.completion.chunk") | {"choices": [], "usage": self.usage})
        return [_event(chunk) for chunk in chunks] + [b"data: [DONE]\n\n"]

    def error(self, message: str) -> dict[str, Any]:
        kinds = {429: ("requests", "rate_limit_exceeded"), 401: ("invalid_request_error", "invalid_api_key")}
        kind, code = kinds.get(self.reply.status, ("server_error", None))
        return {"error": {"message": message, "type": kind, "param": None, "code": code}}

    def _call(self, arguments: str) -> dict[str, Any]:
        return {"id": "call_1", "type": "function", "function": {"name": self.tool, "arguments": arguments}}

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self.number}",
            "object": kind,
            "created": 1767225600,
            "model": self.asked.model,
            "service_tier": "default",
            "system_fingerprint": "fp_1",
        }

    def _chunk(self, delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self._head("chat.completion.chunk") | {"choices": [choice], "usage": None}


class Anthropic(Wire):
    """https://docs.anthropic.com/en/api/messages"""

    @property
    def tool(self) -> str:
        return next((tool["name"] for tool in self.asked.body.get("tools", [])), "")

    @property
    def finish(self) -> str:
        return "refusal" if self.reply.is_refused else "tool_use" if self.is_call else "end_turn"

    def whole(self, text: str) -> dict[str, Any]:
        block = {"type": "text", "text": text}
        if self.is_call:
            block = {"type": "tool_use", "id": "toolu_1", "name": self.tool, "input": json.loads(text)}
        return self._message([block] if text else [], self.finish, self.reply.output_tokens)

    def events(self, pieces: Sequence[str]) -> list[bytes]:
        started: dict[str, Any] = {"type": "message_start", "message": self._message([], None, 1)}
        delta: dict[str, Any] = {"type": "message_delta", "delta": {"stop_reason": self.finish, "stop_sequence": None}}
        ended = [delta | {"usage": {"output_tokens": self.reply.output_tokens}}, {"type": "message_stop"}]
        said = self._block(pieces) if pieces else []
        return [_event(data, str(data["type"])) for data in (started, {"type": "ping"}, *said, *ended)]

    def error(self, message: str) -> dict[str, Any]:
        kinds = {429: "rate_limit_error", 401: "authentication_error", 400: "invalid_request_error"}
        kind = kinds.get(self.reply.status, "overloaded_error" if self.reply.status == 529 else "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": f"req_{self.number}"}

    def _block(self, pieces: Sequence[str]) -> list[dict[str, Any]]:
        block: dict[str, Any] = {"type": "text", "text": ""}
        name, key = "text_delta", "text"
        if self.is_call:
            block = {"type": "tool_use", "id": "toolu_1", "name": self.tool, "input": {}}
            name, key = "input_json_delta", "partial_json"
        return [
            {"type": "content_block_start", "index": 0, "content_block": block},
            *({"type": "content_block_delta", "index": 0, "delta": {"type": name, key: piece}} for piece in pieces),
            {"type": "content_block_stop", "index": 0},
        ]

    def _message(self, content: list[dict[str, Any]], finish: str | None, output_tokens: int) -> dict[str, Any]:
        return {
            "id": f"msg_{self.number}",
            "type": "message",
            "role": "assistant",
            "model": self.asked.model,
            "content": content,
            "stop_reason": finish,
            "stop_sequence": None,
            "usage": {
                "input_tokens": self.reply.input_tokens,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": output_tokens,
                "service_tier": "standard",
            },
        }


class Google(Wire):
    """https://ai.google.dev/api/generate-content"""

    @property
    def tool(self) -> str:
        declared = [one for tool in self.asked.body.get("tools", []) for one in tool.get("functionDeclarations", [])]
        return declared[0]["name"] if declared else ""

    def whole(self, text: str) -> dict[str, Any]:
        if self.reply.is_blocked:
            answer = self._answer([], None)
            return answer | {"candidates": [], "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
        if self.reply.is_refused:
            return self._answer([{"text": text}] if text else [], "SAFETY")
        if self.is_call:
            return self._answer([{"functionCall": {"name": self.tool, "args": json.loads(text)}}], "STOP")
        return self._answer([{"text": text}], "STOP")

    def events(self, pieces: Sequence[str]) -> list[bytes]:
        if self.is_call or not pieces:
            return [_event(self.whole("".join(pieces)))]  # a call comes in one piece
        finish = "SAFETY" if self.reply.is_refused else "STOP"
        return [
            _event(self._answer([{"text": piece}], finish if number == len(pieces) else None))
            for number, piece in enumerate(pieces, start=1)
        ]

    def error(self, message: str) -> dict[str, Any]:
        kinds = {429: "RESOURCE_EXHAUSTED", 400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 503: "UNAVAILABLE"}
        status = self.reply.status
        return {"error": {"code": status, "message": message, "status": kinds.get(status, "INTERNAL")}}

    def _answer(self, parts: list[dict[str, Any]], finish: str | None) -> dict[str, Any]:
        candidate: dict[str, Any] = {"index": 0}
        if parts:
            candidate["content"] = {"parts": parts, "role": "model"}
        if finish:
            candidate["finishReason"] = finish
        used = self.reply
        usage = {
            "promptTokenCount": used.input_tokens,
            "candidatesTokenCount": used.output_tokens,
            "totalTokenCount": used.input_tokens + used.output_tokens,
        }
        return {
            "candidates": [candidate],
            "usageMetadata": usage,
            "modelVersion": self.asked.model,
            "responseId": self.number,
        }


WIRES: dict[str, Any] = {"openai": OpenAI, "anthropic": Anthropic, "google": Google}
