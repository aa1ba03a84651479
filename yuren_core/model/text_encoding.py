# SPDX-License-Identifier: Apache-2.0
"""Text of people to ids: special tokens split, and no space that does not belong there."""

from __future__ import annotations

import re
from copy import deepcopy

from tokenizers import AddedToken
from tokenizers.pre_tokenizers import Metaspace
from tokenizers.pre_tokenizers import Sequence as PreTokenizerSequence
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerBase

_CONTROL = re.compile(r"<.+>|\[.+\]")
"""What a control token looks like, where the tokenizer does not say that it is one."""


def text_ids(encoder: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Ids of text; no string in it becomes a special token."""
    encoded = encoder(
        _clean(text), add_special_tokens=False, split_special_tokens=True, verbose=False
    )
    return list(encoded["input_ids"])


def ids_with_places(encoder: PreTrainedTokenizerBase, text: str) -> list[tuple[int, int]]:
    """Ids of text, and where in it each begins."""
    encoded = encoder(
        _clean(text),
        add_special_tokens=False,
        split_special_tokens=True,
        return_offsets_mapping=True,
        verbose=False,
    )
    places = (start for start, _ in encoded["offset_mapping"])
    return list(zip(encoded["input_ids"], places, strict=True))


def _clean(text: str) -> str:
    """Text without lone surrogates."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def add_nothing(tokenizer: PreTrainedTokenizerBase) -> None:
    """Let a tokenizer put no token before or behind what it encodes, as ChatML wants it.

    A LLaMA's puts its BOS before every text, and so would a server before a rendered template.
    """
    if not tokenizer("")["input_ids"]:
        return
    for name in ("add_bos_token", "add_eos_token"):
        if getattr(tokenizer, name, False):
            setattr(tokenizer, name, False)
    if tokenizer("")["input_ids"]:  # what it is told and what it does may differ
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single="$A:0", pair="$A:0 $B:1", special_tokens=[]
        )


def controls_marked(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """A tokenizer that knows each of its control tokens as special, so that text can be split.

    Tokenizers of 2023 list theirs without saying so.
    """
    unmarked = [
        token
        for token in tokenizer.added_tokens_decoder.values()
        if not token.special and _CONTROL.fullmatch(token.content)
    ]
    if not unmarked:
        return tokenizer
    changed: PreTrainedTokenizerBase = deepcopy(tokenizer)
    changed.backend_tokenizer.add_special_tokens(
        [AddedToken(token.content, special=True, normalized=False) for token in unmarked]
    )
    return changed


def mid_text(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """A tokenizer for text that follows a control token, as all text of ChatML does.

    Some of SentencePiece's kind put a space before the first piece of a whole text alone. A
    rendered conversation begins with a control token, so none of its text gets one.
    """
    if not any(space.prepend_scheme == "first" for space in _metaspaces(tokenizer)):
        return tokenizer
    changed: PreTrainedTokenizerBase = deepcopy(tokenizer)
    for space in _metaspaces(changed):
        space.prepend_scheme = "never"
    return changed


def _metaspaces(tokenizer: PreTrainedTokenizerBase) -> list[Metaspace]:
    step = tokenizer.backend_tokenizer.pre_tokenizer
    # A Sequence has no length; its end is an IndexError, which iteration understands.
    steps = list(iter(step)) if isinstance(step, PreTokenizerSequence) else [step]
    return [step for step in steps if isinstance(step, Metaspace)]
