# SPDX-License-Identifier: Apache-2.0
"""A LLaMA in a GGUF file becomes a model directory with the control tokens.

    python -m yuren_core.model.gguf_import SOURCE.gguf TARGET [--origin KEY=VALUE ...] [--greedy]
        [--eyes DIR]

The weights are dequantized to bf16; what comes out is a plain LlamaForCausalLM, its config free
of traces of the GGUF, or with eyes (`yuren_core.model.eyes`) a multimodal one. Refused: other
architectures, and tokenizers whose way of cutting text into words we do not know, for a model
fed with other pieces than it learned is quietly worse.

On stdout, one JSON object a line: `{"stage": ..., "fraction": ...}` while it goes on,
`{"error": ..., "message": ..., "hint": ...}` where it fails (exit code 1).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

import torch
import transformers
from gguf import GGUFReader
from tokenizers import pre_tokenizers
from transformers import AutoTokenizer, GgufConfig, LlamaForCausalLM

from yuren_core.chatml import IMG_PATCH
from yuren_core.errors import ModelFormatError, ModelNotFoundError, YurenError
from yuren_core.i18n import tr, use_language
from yuren_core.model.checkpoint import write_model_directory
from yuren_core.model.eyes import give_eyes
from yuren_core.model.vision_tower import VisionTower
from yuren_core.model.vocabulary import add_control_tokens
from yuren_core.sampling_params import GREEDY, NO_ADVICE

Report = Callable[[str, float], None]
"""Takes a stage's name and what part of the whole import, 0 to 1, is done as it begins."""

_VERSIONED = ("yuren", "torch", "transformers", "tokenizers", "gguf")


def import_gguf(
    source: Path,
    target: Path,
    *,
    origin: dict[str, str],
    greedy: bool = False,
    eyes: Path | None = None,
    report: Report = lambda *_: None,
) -> None:
    """Write the model directory of a GGUF file, whole or not at all.

    Args:
        source: a GGUF file of a LLaMA.
        target: the model directory; one that is there is replaced at the end.
        origin: where the file came from, for `provenance.json`.
        greedy: recommend that the likeliest token be taken always.
        eyes: directory of a tower, a projector and a LoRA for this model.
        report: told of each stage.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelFormatError: it is no GGUF, or none that we can read rightly.
        StorageError: the directory cannot be written.
    """
    report("header", 0.0)
    words = _word_splitting(_read_header(source))
    report("tokenizer", 0.1)
    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    if words is not None:
        tokenizer.backend_tokenizer.pre_tokenizer = words
    report("weights", 0.3)
    model = _read_model(source)
    tokenizer.model_max_length = model.config.max_position_embeddings
    report("vocabulary", 0.8)
    change = add_control_tokens(model, tokenizer)
    tower: VisionTower | None = None
    if eyes is not None:
        model, tower = give_eyes(model, eyes, image_token_id=change.ids[IMG_PATCH])
    report("write", 0.85)
    write_model_directory(
        target,
        model=model,
        tokenizer=tokenizer,
        image_tokens=tower.num_patches if tower else 0,
        vision_tower=tower,
        sampling=GREEDY if greedy else NO_ADVICE,
        provenance={
            "made_by": "yuren_core.model.gguf_import",
            "source": {"file": source.name, "sha256": _sha256(source), **origin},
            **({"eyes": _hashes(eyes)} if eyes is not None else {}),
            "arguments": {"dtype": "bfloat16", "added_tokens": change.added, "rows": change.rows},
            "versions": {name: metadata.version(name) for name in _VERSIONED},
        },
    )
    report("done", 1.0)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _hashes(directory: Path) -> dict[str, str]:
    """sha256 of each file of weights below, by its path."""
    files = sorted(directory.rglob("*.safetensors"))
    return {file.relative_to(directory).as_posix(): _sha256(file) for file in files}


def _read_header(source: Path) -> dict[str, object]:
    if not source.is_file():
        raise ModelNotFoundError(tr("error.gguf.absent", path=source), tr("error.gguf.absent_hint"))
    try:
        fields = GGUFReader(source).fields
        names = ("general.architecture", "tokenizer.ggml.model", "tokenizer.ggml.pre")
        return {name: fields[name].contents() for name in names if name in fields}
    except (ValueError, IndexError, KeyError, OSError, UnicodeDecodeError) as error:
        raise ModelFormatError(
            tr("error.gguf.damaged", path=source, reason=error), tr("error.gguf.damaged_hint")
        ) from error


def _word_splitting(header: dict[str, object]) -> pre_tokenizers.PreTokenizer | None:
    """How text is cut into words before merges; None: as transformers makes it.

    Transformers builds every byte-level tokenizer of a GGUF with GPT-2's splitting and does not
    read `tokenizer.ggml.pre`. SmolLM cuts single digits out first: with GPT-2's alone, the two
    line breaks before "1." would be two tokens where the model learned one.
    """
    architecture, kind = header.get("general.architecture"), header.get("tokenizer.ggml.model")
    if architecture != "llama":
        raise ModelFormatError(
            tr("error.gguf.architecture", architecture=repr(architecture)),
            tr("error.gguf.architecture_hint"),
        )
    match kind, header.get("tokenizer.ggml.pre", "default"):
        case "gpt2", "smollm":
            return pre_tokenizers.Sequence(
                [
                    pre_tokenizers.Digits(individual_digits=True),
                    pre_tokenizers.ByteLevel(
                        add_prefix_space=False, trim_offsets=True, use_regex=True
                    ),
                ]
            )
        case ("gpt2", "gpt-2") | ("llama", "default"):
            return None
        case _, pre:
            raise ModelFormatError(
                tr("error.gguf.tokenizer", kind=repr(kind), splitting=repr(pre)),
                tr("error.gguf.tokenizer_hint"),
            )


def _read_model(source: Path) -> LlamaForCausalLM:
    model = LlamaForCausalLM.from_pretrained(
        source.parent,
        gguf_file=source.name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
    )
    config = model.config
    vars(config).pop("_model_name_or_path", None)  # the GGUF's working title, no place
    # GGUF keeps it in fp32; the shortest decimal that gives that number is what was meant.
    config.rms_norm_eps = float(f"{config.rms_norm_eps:.6g}")
    return model


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m yuren_core.model.gguf_import")
    parser.add_argument("source", type=Path, help="a GGUF file of a LLaMA")
    parser.add_argument("target", type=Path, help="the model directory to write")
    parser.add_argument("--origin", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--greedy", action="store_true", help="recommend greedy decoding")
    parser.add_argument("--eyes", type=Path, help="a directory of tower, projector and LoRA")
    options = parser.parse_args(arguments)
    use_language("auto")
    transformers.utils.logging.disable_progress_bar()
    origin = dict(item.split("=", 1) for item in options.origin if "=" in item)
    try:
        import_gguf(
            options.source,
            options.target,
            origin=origin,
            greedy=options.greedy,
            eyes=options.eyes,
            report=lambda stage, fraction: _tell({"stage": stage, "fraction": fraction}),
        )
    except YurenError as error:
        _tell({"error": error.kind, "message": error.message, "hint": error.hint})
        return error.exit_code
    return 0


def _tell(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
