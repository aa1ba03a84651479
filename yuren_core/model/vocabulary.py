# SPDX-License-Identifier: Apache-2.0
"""Give a LLaMA and its tokenizer the control tokens of ChatML and of pictures.

Used alike by the import of the starter model and by the trainer's prepare-base. Rules that
always hold: a token that the base has keeps its id; a new row, of input and output embedding
alike, is the mean of the old real rows, written by token id; the number of rows is a multiple
of 128; tied embeddings stay tied; padding is a token of its own, never the end of a turn.
Doing it twice changes nothing the second time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from tokenizers import AddedToken
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from yuren_core.chatml import CONTROL_TOKENS, IM_END, PAD
from yuren_core.errors import ModelFormatError
from yuren_core.i18n import tr
from yuren_core.model.text_encoding import add_nothing

ROW_MULTIPLE = 128
"""Embedding rows are a multiple of this: matrix units and tensor parallelism like it so."""


@dataclass(frozen=True, slots=True)
class VocabularyChange:
    """What `add_control_tokens` did.

    Attributes:
        added: tokens that were not there before, with the ids that they got.
        ids: every control token and the pad token with its id, old ones included.
        rows_before: embedding rows that the model had.
        rows: embedding rows that it has now.
    """

    added: dict[str, int]
    ids: dict[str, int]
    rows_before: int
    rows: int


def add_control_tokens(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> VocabularyChange:
    """Add the control tokens and the pad token where they are missing; both are changed.

    Logits of old ids on old text stay what they were, to the bit. Rows beyond the tokenizer
    that the base has already are kept, apart from those that a new token falls on.

    Args:
        model: a causal language model whose embeddings are not quantized.
        tokenizer: its tokenizer.

    Returns:
        What was added, and the ids.

    Raises:
        ModelFormatError: the model has no plain embedding to extend.
    """
    weights = _embedding_weights(model)
    rows_before = weights[0].shape[0]
    old_ids = {i for i in tokenizer.get_vocab().values() if i < rows_before}

    added = _add_tokens(tokenizer)
    vocabulary = tokenizer.get_vocab()
    needed = max(rows_before, max(vocabulary.values()) + 1)
    rows = -(-needed // ROW_MULTIPLE) * ROW_MULTIPLE

    if rows != rows_before:
        # Transformers' own mean resizing samples around the mean; ours is exact, below.
        model.resize_token_embeddings(rows, mean_resizing=False)
    new_ids = [i for i in vocabulary.values() if i not in old_ids and i < rows_before]
    new_ids += range(rows_before, rows)
    _write_mean(_embedding_weights(model), sorted(old_ids), new_ids)

    ids = {token: vocabulary[token] for token in (*CONTROL_TOKENS, PAD)}
    for config in (model.config, model.generation_config):
        if config is not None:
            config.eos_token_id = ids[IM_END]
            config.pad_token_id = ids[PAD]
    model.config.vocab_size = rows
    return VocabularyChange(added, ids, rows_before, rows)


def _add_tokens(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """Add and register the tokens one by one, so that new ids follow their order."""
    before = tokenizer.get_vocab()

    def special(token: str) -> AddedToken:
        return AddedToken(token, special=True, lstrip=False, rstrip=False, normalized=False)

    for token in CONTROL_TOKENS:
        tokenizer.add_special_tokens(
            {"extra_special_tokens": [special(token)]}, replace_extra_special_tokens=False
        )
    tokenizer.add_special_tokens({"pad_token": special(PAD)})
    tokenizer.add_special_tokens({"eos_token": special(IM_END)})
    add_nothing(tokenizer)
    after = tokenizer.get_vocab()
    return {token: after[token] for token in (*CONTROL_TOKENS, PAD) if token not in before}


def _embedding_weights(model: PreTrainedModel) -> list[torch.Tensor]:
    """Input and output embedding, `(V, D)` each; only one where they are tied."""
    weights: list[torch.Tensor] = []
    output = model.get_output_embeddings()
    for module in (model.get_input_embeddings(), output):
        weight = getattr(module, "weight", None)
        if not isinstance(weight, torch.Tensor) or not weight.is_floating_point():
            raise ModelFormatError(
                tr("error.vocabulary.fixed", model=type(model).__name__),
                tr("error.vocabulary.fixed_hint"),
            )
        if not any(weight is known for known in weights):
            weights.append(weight)
    return weights


@torch.no_grad()
def _write_mean(weights: list[torch.Tensor], old_ids: list[int], new_ids: list[int]) -> None:
    if not new_ids:
        return
    for weight in weights:
        # (V_old, D) -> (D,), summed in fp32 whatever the weights are kept in
        mean = weight[old_ids].mean(dim=0, dtype=torch.float32)
        weight[new_ids] = mean.to(weight.dtype)
