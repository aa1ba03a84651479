# SPDX-License-Identifier: Apache-2.0
"""A tokenizer as GGUF files hold it.

Two kinds are known, as llama.cpp has them: byte-level BPE with one of the ways of cutting text
into words that it knows by name, and SentencePiece's BPE. Every other one is refused, for a model
fed with other pieces than it learned is quietly worse.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from gguf import TokenType
from transformers import PreTrainedTokenizerBase

from yuren_core.errors import ModelFormatError
from yuren_core.i18n import tr

_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_ENGLISH = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_BY_REGEX = {
    rf"{_ENGLISH}|{_WORDS}|\p{{N}}{{1,3}}|{_REST}": "llama-bpe",
    rf"{_ENGLISH}|{_WORDS}|\p{{N}}|{_REST}": "qwen2",
}
"""What llama.cpp calls the ways of LLaMA 3 and Qwen2, by the regular expression of each."""


@dataclass(frozen=True, slots=True)
class GgufVocabulary:
    """What stands under `tokenizer.ggml`.

    Attributes:
        model: "gpt2" for byte-level BPE, "llama" for SentencePiece's.
        splitting: `pre`, how text is cut into words.
        tokens: one for each row of the embedding; rows without a token have a name of their own.
        types: of each token.
        merges: "left right", in order; empty for SentencePiece's.
        scores: of each token; empty for byte-level BPE.
        add_space_prefix: whether text behind a control token gets a space in front.
    """

    model: str
    splitting: str
    tokens: list[str]
    types: list[int]
    merges: list[str]
    scores: list[float]
    add_space_prefix: bool


def gguf_vocabulary(
    tokenizer: PreTrainedTokenizerBase, rows: int, controls: Collection[str] = ()
) -> GgufVocabulary:
    """The vocabulary of a fast tokenizer.

    Args:
        tokenizer: byte-level, or of SentencePiece's kind.
        rows: of the embedding.
        controls: tokens that are control tokens even where the tokenizer does not say so;
            llama.cpp would find them in what people type.

    Raises:
        ModelFormatError: it is of another kind.
    """
    whole: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    model: dict[str, Any] = whole["model"]
    if model.get("type") != "BPE":
        raise _refused(str(model.get("type")))
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    names = {i: token for token, i in tokenizer.get_vocab().items()}
    is_byte = bool(model.get("byte_fallback"))
    tokens = [names.get(i, f"[unused{i}]") for i in range(rows)]
    added = {
        item["id"]: item["special"] or item["content"] in controls for item in whole["added_tokens"]
    }
    unknown = model.get("unk_token") if is_byte else None
    types = [
        int(_type(i, names.get(i), added, is_byte=is_byte, unknown=unknown)) for i in range(rows)
    ]
    if not is_byte:
        return GgufVocabulary("gpt2", _splitting(whole), tokens, types, merges, [], False)
    order: dict[str, int] = {}
    for rank, merge in enumerate(merges):
        order.setdefault(merge.replace(" ", ""), rank)
    # Of two pieces that could be joined, llama.cpp takes the one with the higher score.
    scores = [-float(order.get(token, len(order))) for token in tokens]
    return GgufVocabulary("llama", "default", tokens, types, [], scores, _has_prefix(whole))


def _type(
    i: int, name: str | None, added: Mapping[int, bool], *, is_byte: bool, unknown: str | None
) -> TokenType:
    if name is None:
        return TokenType.UNUSED
    if name == unknown:
        return TokenType.UNKNOWN
    if i in added:
        return TokenType.CONTROL if added[i] else TokenType.USER_DEFINED
    if is_byte and len(name) == 6 and name.startswith("<0x"):
        return TokenType.BYTE
    return TokenType.NORMAL


def _splitting(whole: dict[str, Any]) -> str:
    """llama.cpp's name of how a byte-level tokenizer cuts text into words."""
    step = whole["pre_tokenizer"] or {}
    steps = step["pretokenizers"] if step.get("type") == "Sequence" else [step]
    normalizer = (whole["normalizer"] or {}).get("type")
    match [s.get("type") for s in steps]:
        case ["ByteLevel"] if steps[0].get("use_regex", True) and normalizer is None:
            name = "gpt-2"
        case ["Digits", "ByteLevel"] if steps[0]["individual_digits"] and normalizer is None:
            name = "smollm"
        case ["Split", "ByteLevel"] if not steps[1].get("use_regex", True):
            name = _BY_REGEX.get(steps[0]["pattern"].get("Regex", ""), "")
        case _:
            name = ""
    if not name or steps[-1].get("add_prefix_space"):
        raise _refused(", ".join(str(s.get("type")) for s in steps))
    return name


def _has_prefix(whole: dict[str, Any]) -> bool:
    """Whether every piece of text between control tokens begins with a space."""
    text = json.dumps([whole["pre_tokenizer"], whole["normalizer"]])
    return '"Prepend"' in text or '"prepend_scheme": "always"' in text


def _refused(kind: str) -> ModelFormatError:
    return ModelFormatError(tr("error.export.words", kind=kind), tr("error.export.words_hint"))
