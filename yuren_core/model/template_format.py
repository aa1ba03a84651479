# SPDX-License-Identifier: Apache-2.0
"""A model's own Jinja chat template as a prompt format.

The template never sees what people wrote. It is rendered, in the sandbox of transformers, with a
mark in the place of each message; then what stands around the marks becomes control tokens and
text, and the messages themselves become text alone. So no string in them is ever a control token,
and none can steer the template. A template that trims messages is found out by the white space
around the marks, and the messages are trimmed alike.

Templates that know no system prompt, or want user and assistant to alternate, refuse much of what
a chat has. Then what the system says is told at the head of the user's next message, and messages
of one role that follow each other become one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from transformers import PreTrainedTokenizerBase

from yuren_core.chatml import ControlSegment, ImageSegment, Segment, TextSegment
from yuren_core.errors import ModelFormatError, NoVisionTowerError
from yuren_core.i18n import tr
from yuren_core.messages import ImagePart, Message, Role
from yuren_core.model.prompt_format import PromptFormat

_SPACE = "\u2003"  # white space that no template writes
_MARK = re.compile(f"({_SPACE}?)\ue000(\\d+)\ue001({_SPACE}?)")
_BETWEEN = "\n\n"  # messages that are told as one

_Turn = tuple[Role, tuple[int, ...]]
"""A role, and the places of the messages that it says in one."""


class TemplateFormat(PromptFormat):
    """The chat template of a tokenizer.

    Args:
        tokenizer: with `chat_template`.
        image_token: what the template writes for a picture; "" for text alone, whose messages
            are told to the template as strings.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, *, image_token: str = "") -> None:
        self._tokenizer = tokenizer
        self._image_token = image_token
        self.picture = ("", image_token, "")
        bos = tokenizer.bos_token
        # Processors of pictures let the tokenizer put it first; for text the template does.
        begins = tokenizer("")["input_ids"][:1] if image_token else []
        self._bos = str(bos) if bos and begins == [tokenizer.bos_token_id] else ""
        added = list(tokenizer.added_tokens_decoder.values())
        names = sorted((token.content for token in added), key=len, reverse=True)
        self._added = re.compile("|".join(map(re.escape, names)) or "(?!)")
        self._controls = tuple(token.content for token in added if token.special)

    def needed(self, *, sees: bool) -> tuple[str, ...]:
        """None for text: whatever the template writes, the tokenizer reads."""
        return (self._image_token,) if sees else ()

    def control_tokens(self) -> tuple[str, ...]:
        """Every token that the tokenizer calls special."""
        return self._controls

    def stop_tokens(self) -> tuple[str, ...]:
        """The token right behind an answer, where the template puts one there."""
        asked, said = Message.of(Role.USER, "?"), Message.of(Role.ASSISTANT, "!")
        try:
            *_, (first, *_) = self.render((asked, said, asked))[2:3]
        except (ModelFormatError, ValueError):
            return ()
        return (first.token,) if isinstance(first, ControlSegment) else ()

    def render(self, messages: Sequence[Message]) -> list[list[Segment]]:
        """As `PromptFormat.render` says.

        Raises:
            ModelFormatError: the template refuses the conversation, or leaves a part of it out.
        """
        resume = bool(messages) and messages[-1].role is Role.ASSISTANT
        reason = ""
        for turns in _ways(messages):
            told = [
                {"role": role.value, "content": self._content(messages, places)}
                for role, places in turns
            ]
            try:
                said = self._rendered(told, opening=not resume)
            except Exception as error:  # noqa: BLE001 - a template may raise whatever it likes
                reason = " ".join(str(error).split())
                continue
            images = [image for message in messages for image in message.images]
            are_all = not self._image_token or said.count(self._image_token) == len(images)
            marks = [int(match[2]) for match in _MARK.finditer(said)]
            if are_all and marks == list(range(len(messages))):
                return self._with_pictures(self._cut(said, messages, resume), images)
            reason = reason or tr("error.template.left_out")
        raise ModelFormatError(
            tr("error.template.refused", reason=reason), tr("error.template.refused_hint")
        )

    def _content(self, messages: Sequence[Message], places: Sequence[int]) -> Any:
        text = _BETWEEN.join(map(_mark, places))
        images = sum(len(messages[place].images) for place in places)
        if images and not self._image_token:
            raise NoVisionTowerError(tr("error.prompt.blind"), tr("error.prompt.blind_hint"))
        if not self._image_token:
            return text
        return [*({"type": "image"} for _ in range(images)), {"type": "text", "text": text}]

    def _with_pictures(
        self, parts: list[list[Segment]], images: Sequence[ImagePart]
    ) -> list[list[Segment]]:
        """The parts with pictures in the places of the image token, and what stands first."""
        left = iter(images)
        seen = [
            [ImageSegment(next(left)) if segment == self._image else segment for segment in part]
            for part in parts
        ]
        bos = ControlSegment(self._bos)
        if self._bos and seen[0][:1] != [bos]:
            seen[0].insert(0, bos)
        return seen

    @property
    def _image(self) -> ControlSegment:
        return ControlSegment(self._image_token)

    def _rendered(self, turns: list[dict[str, Any]], *, opening: bool) -> str:
        template: Any = self._tokenizer.apply_chat_template
        return str(template(turns, tokenize=False, add_generation_prompt=opening))

    def _cut(self, said: str, messages: Sequence[Message], resume: bool) -> list[list[Segment]]:
        parts: list[list[Segment]] = []
        start = 0
        for match in _MARK.finditer(said):
            place = int(match[2])
            is_open = resume and place == len(messages) - 1
            text = messages[place].text
            text = text if match[1] else text.lstrip()
            text = text if match[3] or is_open else text.rstrip()
            part = self._segments(said[start : match.start()])
            parts.append([*part, TextSegment(text)] if text else part)
            start = match.end()
        parts.append([] if resume else self._segments(said[start:]))
        for part in parts:
            if part and isinstance(part[0], TextSegment):
                part[0] = replace(part[0], opens=True)
            if part:
                break
        return parts

    def _segments(self, text: str) -> list[Segment]:
        """What the template itself wrote."""
        segments: list[Segment] = []
        start = 0
        for match in self._added.finditer(text):
            if text[start : match.start()]:
                segments.append(TextSegment(text[start : match.start()]))
            segments.append(ControlSegment(match[0]))
            start = match.end()
        return [*segments, TextSegment(text[start:])] if text[start:] else segments


def _mark(place: int) -> str:
    return f"{_SPACE}\ue000{place}\ue001{_SPACE}"


def _ways(messages: Sequence[Message]) -> Iterator[list[_Turn]]:
    """A conversation as it is; with the system speaking first alone; with no system at all."""
    yield [(message.role, (place,)) for place, message in enumerate(messages)]
    if messages and messages[0].role is Role.SYSTEM:
        yield [(Role.SYSTEM, (0,)), *_alternating(messages, first=1)]
    yield _alternating(messages, first=0)


def _alternating(messages: Sequence[Message], *, first: int) -> list[_Turn]:
    """The messages from `first` on, as turns of user and assistant, the user's before."""
    turns: list[_Turn] = []

    def tell(role: Role, place: int) -> None:
        if turns and turns[-1][0] is role:
            turns[-1] = (role, (*turns[-1][1], place))
        else:
            turns.append((role, (place,)))

    for place in range(first, len(messages)):
        role = messages[place].role
        if role is Role.ASSISTANT and not turns:
            turns.append((Role.USER, ()))
        tell(Role.ASSISTANT if role is Role.ASSISTANT else Role.USER, place)
    return turns
