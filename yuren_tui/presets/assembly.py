# SPDX-License-Identifier: Apache-2.0
"""From a preset and a history to what the model is told, in order.

    system        system prompt; who the character is; the scenario
    lore          before and after the character, where entries are active
    examples      example dialogue, block by block; the first to go when the context is full
    history       the chat, with lore and the note some messages from its end
    instructions  what is said after the history

Nothing is dropped here but lore over its budget: the model process knows the ids, and fits the
items to the context. Macros are expanded in what the preset says, never in what people and
models said. Where the last message is the model's own, it is to be continued (as
`yuren_core.chatml.render` does), so nothing is put after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from yuren_core.messages import Message, Role
from yuren_core.prompt import PromptItem, PromptKind
from yuren_tui.presets.address import called_without_name
from yuren_tui.presets.examples import parse_examples
from yuren_tui.presets.json_values import clean_text
from yuren_tui.presets.library import PresetLibrary
from yuren_tui.presets.lore_activation import activate_lore
from yuren_tui.presets.lore_choice import LoreScan
from yuren_tui.presets.lore_report import LoreReport, LoreState
from yuren_tui.presets.lorebook import Lorebook
from yuren_tui.presets.macros import MacroContext, expand
from yuren_tui.presets.preset import Preset, ResolvedText
from yuren_tui.presets.words import words


@dataclass(frozen=True, slots=True)
class Assembly:
    """A prompt before it is fitted to the context, and what its lorebooks did."""

    items: tuple[PromptItem, ...]
    lore: LoreReport = field(default_factory=LoreReport)

    @property
    def messages(self) -> tuple[Message, ...]:
        """All messages, in order."""
        return tuple(item.message for item in self.items)


def assemble(
    preset: Preset,
    history: Sequence[Message],
    *,
    user_name: str,
    model: str,
    language: str,
    now: datetime,
    seed: int,
    count_tokens: Callable[[str], int],
    budget: int | None = None,
    persona: str = "",
    system_prompt: str | None = None,
    lore_state: LoreState | None = None,
    lorebooks: Sequence[Lorebook] = (),
    greeting_index: int | None = None,
    lore: LoreReport | None = None,
) -> Assembly:
    """Put a prompt together.

    Args:
        preset: who the model is.
        history: the chat, oldest first, without a system prompt; greetings are part of it.
        user_name: what `{{user}}` stands for; "" for "the user", since "you" is the model in a
            prompt; a character is told of "Friend", as its greeting calls somebody without a name.
        model: the model's name.
        language: which of the preset's languages speaks.
        now: the clock.
        seed: one a chat; chance in macros and lore depends on it.
        count_tokens: tokens of a text; asked about lore only.
        budget: most tokens of lore; None leaves it to the books.
        persona: what the person says about themselves.
        system_prompt: the chat's own system prompt, where it was edited; None for the preset's.
        lore_state: what `Assembly.lore.state` was after the last turn that was sent.
        lorebooks: others that hold beside the preset's own.
        greeting_index: which first message the chat began with, for `@@is_greeting`.
        lore: what the lorebooks do with this history, where it is known; None looks through them.

    Returns:
        The items in order, and the lore report.
    """
    text = preset.text(language)
    if system_prompt is not None:
        text = replace(text, system=system_prompt)
    context = macro_context(
        text,
        user_name=user_name,
        model=model,
        now=now,
        seed=seed,
        history=history,
        persona=persona,
    )

    def told(words_: str) -> str:
        return clean_text(expand(words_, context)).strip()

    def told_last(words_: str) -> str:
        """`{{original}}` is what would be said there otherwise, and after the history that is
        nothing."""
        nothing = replace(context, texts={**context.texts, "original": ""})
        return clean_text(expand(words_, nothing)).strip()

    if lore is None:
        scan = LoreScan(
            history=history,
            count_tokens=count_tokens,
            expand=told,
            seed=seed,
            state=lore_state or LoreState(),
            greeting_index=greeting_index,
            budget=budget,
        )
        lore = activate_lore((text.lorebook, *lorebooks), scan)
    items = [
        *_head(text, lore, told, persona),
        *_examples(text, told, context),
        *_body(
            history,
            lore,
            note=(preset.note_depth, told(text.note)),
            instructions=told_last(text.post_history),
        ),
    ]
    return Assembly(tuple(items), lore)


def greetings(
    preset: Preset,
    *,
    user_name: str,
    model: str,
    language: str,
    now: datetime,
    seed: int,
    persona: str = "",
) -> tuple[str, ...]:
    """First messages of the model, with macros expanded: the usual one, then its swipes.

    Args: as `assemble`, but where nobody has a name, `{{user}}` is "you", and "friend" where the
    person is called. A chat begins with the first as its first assistant message.

    Returns:
        None at all where the person is to speak first.
    """
    text = preset.text(language)
    name = clean_text(user_name)
    spoken_to = name or words(text.language, "you")
    context = macro_context(
        text, user_name=spoken_to, model=model, now=now, seed=seed, history=(), persona=persona
    )
    said = [text.greeting, *text.alternate_greetings]
    if not name:
        said = [called_without_name(one, text.language) for one in said]
    return tuple(clean for one in said if (clean := clean_text(expand(one, context)).strip()))


def macro_context(
    text: ResolvedText,
    *,
    user_name: str,
    model: str,
    now: datetime,
    seed: int,
    history: Sequence[Message] = (),
    persona: str = "",
) -> MacroContext:
    """What macros stand for with this preset and this chat."""
    base = MacroContext(
        user=clean_text(user_name) or words(text.language, _nobody(text)),
        char=clean_text(text.char),
        model=clean_text(model),
        language=text.language,
        now=now,
        seed=seed,
        turn=len(history),
    )
    return replace(base, texts=_texts(text, base, history, persona))


def default_system(language: str, *, is_character: bool) -> str:
    """What `{{original}}` stands for, macros still in it.

    It is what the model would be told had neither chat nor preset a system prompt of its own: how
    to play a character, else what the default preset says, the person's own where there is one.
    """
    if is_character:
        return words(language, "play")
    return PresetLibrary().default().text(language).system


def _nobody(text: ResolvedText) -> str:
    """What a person without a name is to the model, as a key of `words`.

    A character calls them so, too, and is to find one word for them in all that it is told.
    """
    return "friend_name" if text.is_character else "user"


def _texts(
    text: ResolvedText, base: MacroContext, history: Sequence[Message], persona: str
) -> dict[str, str]:
    """Macros that give longer texts; each is expanded once, without the others."""

    def last(*roles: Role) -> str:
        return next((m.text for m in reversed(history) if m.role in roles), "")

    described = {
        "description": text.character,
        "personality": text.personality,
        "scenario": text.scenario,
        "persona": persona,
        "original": default_system(text.language, is_character=text.is_character),
    }
    return {name: expand(said, base).strip() for name, said in described.items()} | {
        "lastmessage": last(Role.USER, Role.ASSISTANT),
        "lastusermessage": last(Role.USER),
        "lastcharmessage": last(Role.ASSISTANT),
        "lastmessageid": str(len(history) - 1) if history else "",
    }


def _head(
    text: ResolvedText, lore: LoreReport, told: Callable[[str], str], persona: str
) -> list[PromptItem]:
    language = text.language
    system = text.system
    if not system.strip() and text.is_character:
        system = default_system(language, is_character=True)

    def labelled(label: str, said: str) -> str:
        head = told(words(language, label))
        return f"{head}{'' if head.endswith('：') else ' '}{said}" if said else ""

    about = [
        told(text.character),
        labelled("personality", told(text.personality)),
        labelled("scenario", told(text.scenario)),
        labelled("persona", told(persona)),
    ]
    first, second = told(system), "\n\n".join(part for part in about if part)
    before, after = _lore(lore, "before_char"), _lore(lore, "after_char")
    blocks: list[tuple[str, PromptKind]] = [(first, "system"), (before, "lore"), (second, "system")]
    if not before:
        blocks = [("\n\n".join(part for part in (first, second) if part), "system")]
    blocks.append((after, "lore"))
    return [PromptItem(Message.of(Role.SYSTEM, said), kind) for said, kind in blocks if said]


def _lore(lore: LoreReport, where: str) -> str:
    return "\n\n".join(one.text for one in lore.active if one.entry.where == where)


def _examples(
    text: ResolvedText, told: Callable[[str], str], context: MacroContext
) -> list[PromptItem]:
    blocks = parse_examples(told(text.examples), user=context.user, char=context.char)
    items: list[PromptItem] = []
    for number, block in enumerate(blocks):
        head = Message.of(Role.SYSTEM, told(words(text.language, "example")))
        items += [PromptItem(message, "examples", block=number) for message in (head, *block)]
    if items:
        end = Message.of(Role.SYSTEM, told(words(text.language, "begin")))
        items.append(PromptItem(end, "examples", block=len(blocks) - 1))
    return items


def _body(
    history: Sequence[Message], lore: LoreReport, *, note: tuple[int, str], instructions: str
) -> list[PromptItem]:
    """The history, and what stands among its last messages and after it."""
    placed: dict[int, list[PromptItem]] = {}  # by the index of the message that follows

    def put(depth: int, message: Message, kind: PromptKind) -> None:
        end = len(history)
        if depth == 0 and history and history[-1].role is Role.ASSISTANT:
            depth = 1
        placed.setdefault(max(0, end - depth), []).append(PromptItem(message, kind))

    for one in lore.active:
        if one.entry.where == "at_depth":
            put(one.entry.depth, Message.of(one.entry.role, one.text), "lore")
    depth, reminder = note
    if reminder:
        put(depth, Message.of(Role.SYSTEM, reminder), "instructions")
    if instructions:
        put(0, Message.of(Role.SYSTEM, instructions), "instructions")
    items: list[PromptItem] = []
    for index, message in enumerate(history):
        items += placed.get(index, [])
        items.append(PromptItem(message, "history", index))
    return items + placed.get(len(history), [])
