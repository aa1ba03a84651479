# SPDX-License-Identifier: Apache-2.0
"""A model as GGUF files for llama.cpp and what is built on it.

    model-DTYPE.gguf   language model, tokenizer, chat template, stop tokens
    mmproj-f16.gguf    tower and projector, where the model sees
    Modelfile          for Ollama
    provenance.json

The language model is read back with the GGUF loader of transformers. It does not read how text
is cut into words, so that is proved by llama.cpp's own tokenizer in the slow tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import redirect_stderr
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from transformers import GgufConfig, LlamaForCausalLM

from yuren_core.errors import ModelFormatError
from yuren_core.i18n import tr
from yuren_core.model.prompt_format import ChatML
from yuren_core.paths import atomic_directory, storing
from yuren_train.models.export.gguf_eyes import describe_eyes, eyes_tensors
from yuren_train.models.export.gguf_language import describe_language, language_tensors
from yuren_train.models.export.gguf_vocabulary import gguf_vocabulary
from yuren_train.models.export.gguf_writing import GgufDtype, write_gguf
from yuren_train.models.export.ollama import modelfile
from yuren_train.models.export.proof import (
    Difference,
    compare,
    our_logits,
    proof_dtype,
    refuse_what_differs,
    text_prompt,
)
from yuren_train.models.export.room import require_room
from yuren_train.models.export.source import Tell, cast, is_seeing, read_source, tell_no_one
from yuren_train.models.export.transformers_files import save_provenance
from yuren_train.models.sources import refuse_what_is_there

MMPROJ = "mmproj-f16.gguf"

_EXACT: Mapping[torch.dtype, tuple[GgufDtype, ...]] = {
    torch.bfloat16: ("bf16", "f16"),
    torch.float16: ("f16",),
}
"""What holds weights of a dtype without rounding them, but for the smallest."""


@dataclass(frozen=True, slots=True)
class ExportedGguf:
    """What was made.

    Attributes:
        path: the directory.
        files: the GGUF files in it, the language model first.
        difference: of the language model's logits; that of Q8_0 is mostly its rounding.
    """

    path: Path
    files: tuple[str, ...]
    difference: Difference


def export_gguf(
    ref: str, out: Path, *, dtype: GgufDtype = "f16", tell: Tell = tell_no_one
) -> ExportedGguf:
    """Write GGUF files and a Modelfile.

    Args:
        ref: directory or hub id of a model, or of an adapter on one.
        out: the directory to be made.
        dtype: of the language model's matrices; norms are F32, tower and projector F16.
        tell: told how it goes.

    Raises:
        UsageError: `out` is there and not empty, or a weight does not go into F16.
        ModelFormatError: model, tokenizer or tower have no such form.
        StorageError: it cannot be written, or does not read back to the same logits.
        ModelError, DownloadError: as `load_model` says.
    """
    refuse_what_is_there(out)
    source = read_source(ref, tell)
    known = source.tokenizer.prompt_format
    if not isinstance(known, ChatML):
        raise ModelFormatError(
            tr("error.export.gguf", reason=tr("error.export.no_chatml")),
            tr("error.export.gguf_hint"),
        )
    prompts = [text_prompt(source.tokenizer)]
    tell("convert", None)
    cast(source.model, source.dtype)  # what an adapter adds was added in fp32
    rows: int = source.model.config.vocab_size
    vocabulary = gguf_vocabulary(source.hf_tokenizer, rows, known.control_tokens())
    language = language_tensors(source, dtype)
    eyes = eyes_tensors(source, "f16") if is_seeing(source) else []
    require_room(out, sum(item.nbytes for item in (*language, *eyes)))
    files = (f"model-{dtype}.gguf", *([MMPROJ] if eyes else []))
    context: int = source.model.config.max_position_embeddings
    with atomic_directory(out) as draft:
        with storing(out):
            write_gguf(
                draft / files[0],
                "llama",
                lambda writer: describe_language(writer, source, vocabulary, dtype),
                language,
                lambda fraction: tell("write", fraction),
            )
            if eyes:
                write_gguf(
                    draft / MMPROJ,
                    "clip",
                    lambda writer: describe_eyes(writer, source, "f16"),
                    eyes,
                    lambda fraction: tell("write", fraction),
                )
            text = modelfile(
                files,
                context=context,
                sampling=source.sampling,
                stops=source.stops,
                style=source.style,
            )
            (draft / "Modelfile").write_text(text, encoding="utf-8")
        language, eyes = [], []
        tell("prove", None)
        compute, held = proof_dtype(source), source.dtype
        wanted = our_logits(source, prompts, compute)
        provenance = source.provenance("yuren-train export --to gguf", arguments={"dtype": dtype})
        source.tower = None
        del source.model  # the other side needs the room
        with redirect_stderr(StringIO()):  # it has a bar that nothing turns off
            theirs: Any = LlamaForCausalLM.from_pretrained(
                draft,
                gguf_file=files[0],
                dtype=compute,
                quantization_config=GgufConfig(dequantize=True),
            ).eval()
        difference = compare(theirs, wanted)
        if dtype in _EXACT.get(held, ()):
            refuse_what_differs(difference, wanted, compute)
        with storing(out):
            save_provenance(draft, provenance | {"difference": asdict(difference)})
    return ExportedGguf(out, files, difference)
