# SPDX-License-Identifier: Apache-2.0
"""The tokenizer of a model as a fast one, whatever it was saved as, and proved right.

Many LLaMAs come with SentencePiece's `tokenizer.model` alone, some with a class of their own
that is code, which is never run. Conversion can go quietly wrong at the first space, so where
there is a `tokenizer.model` to compare with, the ids must be SentencePiece's own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sentencepiece import SentencePieceProcessor
from transformers import AutoTokenizer, LlamaTokenizer, PreTrainedTokenizerBase

from yuren_core.errors import ModelFormatError
from yuren_core.i18n import tr

ORDINARY_TEXT = (
    "The capital of France is Paris; it had 2,102,650 inhabitants in 2023.",
    "羽人是一种多模态大语言模型，能看图，也能聊天。",
    "def greet(name: str) -> str:\n    return f'Hello, {name}!'\n\n\nprint(greet('🙂'))",
)
"""What is compared, here and wherever a base must answer as before; none begins with a space."""


def load_tokenizer(directory: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a directory, whatever kind it is.

    Raises:
        ModelFormatError: it cannot be read.
    """
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            directory, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:
        raise ModelFormatError(
            tr("error.loading.tokenizer", path=directory, reason=error),
            tr("error.loading.tokenizer_hint"),
        ) from error
    return tokenizer


def fast_tokenizer(directory: Path) -> PreTrainedTokenizerBase:
    """Read a tokenizer; a slow one is converted.

    Raises:
        ModelFormatError: it cannot be read, or no conversion gives SentencePiece's ids.
    """
    pieces = None if (directory / "tokenizer.json").is_file() else _sentencepiece(directory)
    if pieces is None:
        tokenizer = load_tokenizer(directory)
        if not tokenizer.is_fast:
            raise ModelFormatError(
                tr("error.tokenizer.slow", kind=type(tokenizer).__name__),
                tr("error.tokenizer.slow_hint"),
            )
        return tokenizer
    ways: tuple[Callable[[Path], PreTrainedTokenizerBase], ...] = (
        load_tokenizer,
        _as_llama,
        partial(_as_llama, space_first=False),
    )
    for read in ways:
        try:
            tokenizer = read(directory)
        except ModelFormatError:  # by the other way, then
            continue
        if tokenizer.is_fast and _agree(tokenizer, pieces):
            return tokenizer
    raise ModelFormatError(
        tr("error.base.conversion", path=directory / "tokenizer.model"),
        tr("error.base.conversion_hint"),
    )


def _sentencepiece(directory: Path) -> SentencePieceProcessor | None:
    try:
        return SentencePieceProcessor(model_file=str(directory / "tokenizer.model"))
    except (OSError, RuntimeError):  # none there, or one of another kind by the same name
        return None


def _as_llama(directory: Path, *, space_first: bool | None = None) -> PreTrainedTokenizerBase:
    """As a LLaMA's; `space_first` says whether a space comes before each text."""
    told: dict[str, Any] = {} if space_first is None else {"add_prefix_space": space_first}
    try:
        tokenizer: PreTrainedTokenizerBase = LlamaTokenizer.from_pretrained(directory, **told)
    except Exception as error:
        raise ModelFormatError(
            tr("error.loading.tokenizer", path=directory, reason=error),
            tr("error.loading.tokenizer_hint"),
        ) from error
    return tokenizer


def _agree(tokenizer: PreTrainedTokenizerBase, pieces: SentencePieceProcessor) -> bool:
    return all(
        tokenizer(text, add_special_tokens=False)["input_ids"] == pieces.encode(text)
        for text in ORDINARY_TEXT
    )
