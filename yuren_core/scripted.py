# SPDX-License-Identifier: Apache-2.0
"""A model process without a model: speaks the real protocol and answers by rule.

For tests, demonstrations and work on front ends: `python -m yuren_core.scripted [options]` in
the place of the worker. It answers every question with the same text, word by word, counts
words as tokens, and can be told to fail, to crash, or to be slow. It needs no torch.
"""

from __future__ import annotations

import argparse
import os
import queue
import signal
import sys
import threading
import time

from yuren_core import protocol
from yuren_core.messages import Message
from yuren_core.prompt import droppable_units
from yuren_core.protocol import Cancel, Count, Generate, Load, Ping, Request, Unload

IMAGE_TOKENS = 18
CONTEXT_LENGTH = 2048


def main() -> None:
    """Run until stdin ends."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m yuren_core.scripted")
    parser.add_argument("--answer", default="The capital of France is Paris.")
    parser.add_argument("--echo", action="store_true", help="answer with the last message")
    parser.add_argument("--token-delay", type=float, default=0.0, help="seconds per word")
    parser.add_argument("--load-delay", type=float, default=0.0, help="seconds for a load")
    parser.add_argument("--fail-load", default="", help="every load fails with this message")
    parser.add_argument("--fail-model", default="", help="a model of this name does not load")
    parser.add_argument("--fail-generate", default="", help="every answer fails with this message")
    parser.add_argument("--crash-after", type=int, default=-1, help="die after so many words")
    parser.add_argument("--blind", action="store_true", help="a model without a vision tower")
    _Scripted(parser.parse_args()).run()


class _Scripted:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.requests: queue.Queue[Request | None] = queue.Queue()
        self.cancelled: set[int] = set()
        self.seen = 0

    def run(self) -> None:
        threading.Thread(target=self._listen, daemon=True).start()
        while (request := self.requests.get()) is not None:
            match request:
                case Load():
                    self._load(request)
                case Generate():
                    self._generate(request)
                case Count():
                    self._count(request)
                case Unload():
                    self._send(protocol.Unloaded(request.id))
                case Ping():
                    self._send(protocol.Pong(request.id))
                case Cancel():
                    pass

    def _listen(self) -> None:
        for line in sys.stdin.buffer:
            request = protocol.decode_request(line)
            if isinstance(request, Cancel):
                self.cancelled.add(request.id)
            else:
                self.requests.put(request)
        self.requests.put(None)

    def _send(self, event: protocol.Event) -> None:
        sys.stdout.buffer.write(protocol.encode(event))
        sys.stdout.buffer.flush()

    def _load(self, request: Load) -> None:
        for step in range(5):
            self._send(protocol.Loading(request.id, "weights", step / 4))
            time.sleep(self.options.load_delay / 5)
        reason = self.options.fail_load
        if request.model == self.options.fail_model:
            reason = reason or f"there is no model {request.model}"
        if reason:
            hint = "Choose another model with --model."
            self._send(protocol.Failed(request.id, "ModelFormatError", reason, hint))
            return
        image_tokens = 0 if self.options.blind else IMAGE_TOKENS
        self._send(
            protocol.Ready(
                request.id,
                model="scripted",
                path=request.model,
                device="cpu",
                dtype="bf16",
                memory_bytes=0,
                context_length=CONTEXT_LENGTH,
                image_tokens=image_tokens,
                load_s=self.options.load_delay,
            )
        )

    def _count(self, request: Count) -> None:
        tokens = tuple(_count(item.message) for item in request.prompt)
        room = min(request.sampling.max_new_tokens, CONTEXT_LENGTH // 4)
        dropped: list[int] = []
        total = sum(tokens)
        for unit in droppable_units(request.prompt):
            if total <= CONTEXT_LENGTH - room:
                break
            dropped += unit
            total -= sum(tokens[place] for place in unit)
        images = tuple(IMAGE_TOKENS * len(item.message.images) for item in request.prompt)
        fits = total <= CONTEXT_LENGTH - room
        self._send(protocol.Counted(request.id, tokens, images, total, room, tuple(dropped), fits))

    def _generate(self, request: Generate) -> None:
        if self.options.fail_generate:
            self._send(
                protocol.Failed(request.id, "ContextLengthError", self.options.fail_generate)
            )
            return
        messages = [item.message for item in request.prompt]
        text = messages[-1].text if self.options.echo else self.options.answer
        words = [word for word in _split_after_spaces(text) if word]
        is_cut = len(words) > request.sampling.max_new_tokens
        words = words[: request.sampling.max_new_tokens]
        prompt_tokens = sum(_count(message) for message in messages)
        self._send(protocol.Prompt(request.id, prompt_tokens, min(self.seen, prompt_tokens), 0))
        start = time.perf_counter()
        done = 0
        for word in words:
            if request.id in self.cancelled:
                self._send(protocol.Cancelled(request.id, done, 0.0, _rate(done, start)))
                return
            if done == self.options.crash_after:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(self.options.token_delay)
            done += 1
            self._send(protocol.Delta(request.id, word, done))
        self.seen = prompt_tokens + done
        self._send(
            protocol.Completed(
                request.id,
                "length" if is_cut else "stop",
                done,
                self.options.token_delay,
                _rate(done, start),
            )
        )


def _count(message: Message) -> int:
    return len(message.text.split()) + IMAGE_TOKENS * len(message.images) + 4


def _split_after_spaces(text: str) -> list[str]:
    """Pieces that join to `text`, cut after each space or newline."""
    pieces, start = [], 0
    for index, character in enumerate(text):
        if character in " \n":
            pieces.append(text[start : index + 1])
            start = index + 1
    return [*pieces, text[start:]]


def _rate(tokens: int, start: float) -> float:
    return tokens / max(time.perf_counter() - start, 1e-6)


if __name__ == "__main__":
    main()
