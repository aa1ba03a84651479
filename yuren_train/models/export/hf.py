# SPDX-License-Identifier: Apache-2.0
"""A text-only model as transformers has it: a plain `llama` directory, or a Mistral's, a Qwen2's.

A directory of ours that is text-only is one already; this merges an adapter, leaves out what is
ours alone, and proves that transformers computes the same.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from yuren_core.errors import UsageError
from yuren_core.i18n import tr
from yuren_core.model.architectures import empty_model
from yuren_core.paths import atomic_directory, storing
from yuren_train.models.export.proof import (
    CONVERSATION,
    Difference,
    compare,
    our_logits,
    proof_dtype,
    refuse_other_ids,
    refuse_what_differs,
    text_prompt,
)
from yuren_train.models.export.room import require_room
from yuren_train.models.export.source import (
    Source,
    Tell,
    cast,
    is_seeing,
    read_source,
    tell_no_one,
)
from yuren_train.models.export.transformers_files import (
    generation_config,
    save_model,
    save_provenance,
)
from yuren_train.models.sources import refuse_what_is_there


@dataclass(frozen=True, slots=True)
class ExportedHf:
    """What was made, and how far its logits are from ours."""

    path: Path
    difference: Difference


def export_hf(ref: str, out: Path, *, tell: Tell = tell_no_one) -> ExportedHf:
    """Write a plain directory of its architecture, in the dtype of the weights.

    Args:
        ref: directory or hub id of a text-only model, or of an adapter on one.
        out: the directory to be made.
        tell: told how it goes.

    Raises:
        UsageError: the model sees, or `out` is there and not empty.
        StorageError: it cannot be written, or does not read back to the same logits.
        ModelError, DownloadError: as `load_model` says.
    """
    refuse_what_is_there(out)
    source = read_source(ref, tell)
    if is_seeing(source):
        raise UsageError(tr("error.export.sees", path=source.path), tr("error.export.sees_hint"))
    prompts = [text_prompt(source.tokenizer)]
    tell("convert", None)
    source.hf_tokenizer.chat_template = source.chat_template()
    llama = _llama(source)
    require_room(out, sum(parameter.nbytes for parameter in llama.parameters()))
    with atomic_directory(out) as draft:
        tell("write", None)
        with storing(out):
            save_model(llama, draft)
            source.hf_tokenizer.save_pretrained(draft)
        del llama
        tell("prove", None)
        dtype = proof_dtype(source)
        wanted = our_logits(source, prompts, dtype)
        provenance = source.provenance("yuren-train export --to hf")
        del source  # the other side needs the room
        tokenizer: Any = AutoTokenizer.from_pretrained(draft)
        text = tokenizer.apply_chat_template(
            [{"role": said.role.value, "content": said.text} for said in CONVERSATION],
            tokenize=False,
            add_generation_prompt=True,
        )
        found = tokenizer(text, add_special_tokens=False)["input_ids"]
        refuse_other_ids(found, prompts[0].input_ids)
        theirs: Any = AutoModelForCausalLM.from_pretrained(draft, dtype=dtype).eval()
        difference = compare(theirs, wanted)
        refuse_what_differs(difference, wanted, dtype)
        with storing(out):
            save_provenance(draft, provenance | {"difference": asdict(difference)})
    return ExportedHf(out, difference)


def _llama(source: Source) -> LlamaForCausalLM:
    """The model of the other side; it shares our tensors."""
    cast(source.model, source.dtype)
    config = source.text_config()
    config.dtype = source.dtype
    with torch.device("meta"):
        llama = empty_model(config)
    weights = {k: v for k, v in source.model.state_dict().items() if "mm_projector" not in k}
    llama.load_state_dict(weights, strict=True, assign=True)
    llama.tie_weights()
    llama.generation_config = generation_config(source)
    return llama
