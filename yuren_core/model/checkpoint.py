# SPDX-License-Identifier: Apache-2.0
"""Read and write a model directory (the layout is in the README, "A model directory").

Reading goes through safetensors, or through torch's `weights_only` loading for `.bin` files;
anything that needs more of pickle is refused, and no code from a model directory ever runs.
Writing happens beside the target, is read back, then renamed: a half-written model never has
the final name.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from yuren_core.chatml import IM_END, PAD, PLAIN, ChatMLStyle, chat_template
from yuren_core.errors import (
    DamagedCheckpointError,
    ModelFormatError,
    ModelNotFoundError,
    StorageError,
    UnsafeCheckpointError,
)
from yuren_core.i18n import tr
from yuren_core.model.architectures import LLAVA_TYPES, TALKED_TO, TRAINED
from yuren_core.model.multimodal_llama import MultimodalLlamaConfig
from yuren_core.model.recommended_sampling import generation_fields
from yuren_core.model.text_encoding import add_nothing
from yuren_core.paths import atomic_directory, storing
from yuren_core.sampling_params import NO_ADVICE, SamplingAdvice

if TYPE_CHECKING:
    from yuren_core.model.vision_tower import VisionTower

VISION_TOWER_DIR = "vision_tower"
_ZIP = b"PK"
_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
"""How torch's `.bin` files begin, and those of torch before 1.6, which cannot be memory-mapped."""


def read_json_config(directory: Path) -> dict[str, Any]:
    """What the config.json of a model directory says, of whatever kind the model is.

    Raises:
        ModelNotFoundError: there is no such directory.
        ModelFormatError: it holds no readable config.
    """
    path = directory / "config.json"
    if not directory.is_dir():
        raise ModelNotFoundError(
            tr("error.checkpoint.absent", path=directory), tr("error.checkpoint.absent_hint")
        )
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelFormatError(
            tr("error.checkpoint.no_config", path=directory), tr("error.checkpoint.no_config_hint")
        ) from error
    except (OSError, ValueError) as error:
        raise ModelFormatError(
            tr("error.checkpoint.unreadable", path=path, reason=error),
            tr("error.checkpoint.copy_again"),
        ) from error
    return raw if isinstance(raw, dict) else {}


def read_config(directory: Path, known: Mapping[str, Any] = TRAINED) -> LlamaConfig:
    """The config of a model directory.

    Args:
        directory: with `config.json`.
        known: the config classes of what is welcome, by `model_type`.

    Raises:
        ModelNotFoundError: there is no such directory.
        ModelFormatError: it holds no readable config, or a model of another architecture.
    """
    raw = read_json_config(directory)
    path = directory / "config.json"
    model_type = raw.get("model_type")
    cls = known.get(model_type) if isinstance(model_type, str) else None
    if cls is None and model_type in (*TALKED_TO, *LLAVA_TYPES):
        raise ModelFormatError(
            tr("error.checkpoint.talked_to", path=path, found=repr(model_type)),
            tr("error.checkpoint.talked_to_hint", known=", ".join(known), path=directory),
        )
    if cls is None:
        hint = tr("error.checkpoint.model_type_hint", known=", ".join((*TALKED_TO, *LLAVA_TYPES)))
        if model_type == "baichuan":
            hint = tr("error.checkpoint.baichuan_hint", path=directory)
        raise ModelFormatError(
            tr("error.checkpoint.model_type", path=path, found=repr(model_type)), hint
        )
    pad, rows = raw.get("pad_token_id"), raw.get("vocab_size")
    if isinstance(pad, int) and isinstance(rows, int) and not 0 <= pad < rows:
        raw = {**raw, "pad_token_id": None}  # YuRen's: torch has no row to keep at zero for it
    try:
        config: LlamaConfig = cls.from_dict(raw)
    except Exception as error:
        raise ModelFormatError(
            tr("error.checkpoint.config_value", path=path, reason=error),
            tr("error.checkpoint.config_value_hint"),
        ) from error
    return config


def weight_files(directory: Path) -> list[Path]:
    """The files that hold the weights, safetensors before `.bin`, all of them there.

    Raises:
        ModelFormatError: no weights at all.
        DamagedCheckpointError: the index names a shard that is missing, or cannot be read.
    """
    for single, index in (
        ("model.safetensors", "model.safetensors.index.json"),
        ("pytorch_model.bin", "pytorch_model.bin.index.json"),
    ):
        if (directory / index).is_file():
            return _shards(directory / index)
        if (directory / single).is_file():
            return [directory / single]
    raise ModelFormatError(
        tr("error.checkpoint.no_weights", path=directory), tr("error.checkpoint.no_weights_hint")
    )


def _shards(index: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise _damaged("unreadable", index, reason=repr(error)) from error
    for name in names:
        if Path(name).name != name:
            raise _damaged("shard_elsewhere", index, name=repr(name))
        if not (index.parent / name).is_file():
            raise _damaged("shard_missing", index.parent / name)
    return [index.parent / name for name in names]


def _damaged(key: str, path: Path, **values: object) -> DamagedCheckpointError:
    """The error of `error.checkpoint.<key>` in the catalogue, for a file that is not whole."""
    return DamagedCheckpointError(
        tr(f"error.checkpoint.{key}", path=path, **values), tr("error.checkpoint.copy_again")
    )


def read_tensors(file: Path) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors of one weight file, memory-mapped, one at a time.

    Raises:
        DamagedCheckpointError: the file is cut off or no weight file.
        UnsafeCheckpointError: a `.bin` that wants more than tensors.
    """
    if file.suffix == ".safetensors":
        with _reading_safetensors(file), safe_open(file, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118 - no dict
                yield name, weights.get_tensor(name)
    else:
        yield from _read_bin(file).items()


@contextmanager
def _reading_safetensors(file: Path) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, OSError, ValueError) as error:
        raise _damaged("not_whole", file, reason=error) from error


def _read_bin(file: Path) -> dict[str, Tensor]:
    try:
        with file.open("rb") as opened:
            start = opened.read(2)
        if start not in (_ZIP, *_PICKLES):  # a web page, or the stand-in that git-lfs leaves
            raise _damaged("no_state_dict", file)
        weights = torch.load(
            file, map_location="cpu", weights_only=True, mmap=True if start == _ZIP else None
        )
    except pickle.UnpicklingError as error:
        raise UnsafeCheckpointError(
            tr("error.checkpoint.pickle", path=file), tr("error.checkpoint.pickle_hint")
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        raise _damaged("unreadable", file, reason=error) from error
    if not isinstance(weights, dict) or not all(isinstance(t, Tensor) for t in weights.values()):
        raise _damaged("no_state_dict", file)
    return weights


def write_model_directory(
    target: Path,
    *,
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    image_tokens: int = 0,
    vision_tower: VisionTower | None = None,
    sampling: SamplingAdvice = NO_ADVICE,
    provenance: dict[str, Any] | None = None,
    style: ChatMLStyle = PLAIN,
) -> None:
    """Write a model directory whole or not at all, and read it back.

    Args:
        target: its final place; a directory that is there is replaced at the end.
        model: text-only or multimodal, in the dtype to be saved in.
        tokenizer: with the control tokens.
        image_tokens: patches of one picture (P), for the chat template; 0 for text only.
        vision_tower: saved into `vision_tower/`.
        sampling: what the model is best sampled with, for whoever says nothing else.
        provenance: sources and their hashes, versions, arguments.
        style: the ChatML that the model was trained on.

    Raises:
        StorageError: it cannot be written, or does not read back as it was written.
    """
    tokenizer.chat_template = chat_template(image_tokens, style)
    add_nothing(tokenizer)
    if isinstance(model.config, MultimodalLlamaConfig):
        model.config.mm_after_answer = style.after_answer
        model.config.mm_pictures_last = style.pictures_last
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.convert_tokens_to_ids(IM_END),
        pad_token_id=tokenizer.get_vocab().get(PAD, tokenizer.pad_token_id),
        **generation_fields(sampling),
    )
    with atomic_directory(target) as draft:
        with storing(target):
            try:
                model.save_pretrained(draft)
            except SafetensorError as error:  # a full disk, in safetensors' own words
                raise OSError(str(error)) from error
            tokenizer.save_pretrained(draft)
            if vision_tower is not None:
                vision_tower.save(draft / VISION_TOWER_DIR)
            text = json.dumps(provenance or {}, indent=2, ensure_ascii=False, sort_keys=True)
            (draft / "provenance.json").write_text(text + "\n", encoding="utf-8")
            for file in draft.glob("*.safetensors"):  # safetensors makes them private
                file.chmod((draft / "provenance.json").stat().st_mode)
        _read_back(draft, model)


def _read_back(draft: Path, model: LlamaForCausalLM) -> None:
    read_config(draft)
    written = dict(model.state_dict())
    if model.config.tie_word_embeddings:
        written.pop("lm_head.weight", None)
    for file in weight_files(draft):
        for name, tensor in read_tensors(file):
            original = written.pop(name, None)
            if original is None or not torch.equal(tensor, original.to("cpu")):
                raise StorageError(
                    tr("error.checkpoint.read_back", name=name), tr("error.checkpoint.try_again")
                )
    if written:
        raise StorageError(
            tr("error.checkpoint.unwritten", name=min(written)), tr("error.checkpoint.try_again")
        )
