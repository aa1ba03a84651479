# SPDX-License-Identifier: Apache-2.0
"""What every export for transformers writes beside its weights, and how it writes those."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError
from transformers import GenerationConfig, PreTrainedModel

from yuren_core.model.recommended_sampling import generation_fields
from yuren_train.models.export.source import Source


def generation_config(source: Source) -> GenerationConfig:
    """What ends an answer, what pads, and how the model is best sampled."""
    stops = sorted(source.tokenizer.stop_ids)
    return GenerationConfig(
        eos_token_id=stops if len(stops) > 1 else stops[0],
        pad_token_id=source.hf_tokenizer.pad_token_id,
        **generation_fields(source.sampling),
    )


def save_model(model: PreTrainedModel, directory: Path) -> None:
    """Write config and weights.

    Raises:
        OSError: the disk refuses.
    """
    try:
        model.save_pretrained(directory)
    except SafetensorError as error:  # a full disk, in safetensors' own words
        raise OSError(str(error)) from error


def save_provenance(directory: Path, provenance: dict[str, object]) -> None:
    """Write `provenance.json`; the weights get its permissions, which safetensors makes private."""
    file = directory / "provenance.json"
    text = json.dumps(provenance, indent=2, ensure_ascii=False, sort_keys=True)
    file.write_text(text + "\n", encoding="utf-8")
    for weights in directory.glob("*.safetensors"):
        weights.chmod(file.stat().st_mode)
