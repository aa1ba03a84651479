# SPDX-License-Identifier: Apache-2.0
"""Loading and writing model directories: every path works, every broken one says why."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import AutoTokenizer, LlamaForCausalLM

from yuren_core.chatml import chat_template
from yuren_core.errors import (
    DamagedCheckpointError,
    DownloadError,
    ModelFormatError,
    ModelNotFoundError,
    StorageError,
    UnsafeCheckpointError,
    UsageError,
)
from yuren_core.model.checkpoint import read_config, write_model_directory
from yuren_core.model.loading import load_model
from yuren_core.model.multimodal_llama import MultimodalLlamaForCausalLM
from yuren_core.protocol import LoadMode

IDS = torch.tensor([[5, 80, 200, 17, 300, 42, 42, 9]])


def load(directory: Path | str, mode: LoadMode = "fp32"):  # type: ignore[no-untyped-def]
    return load_model(str(directory), load=mode, device="cpu")


@pytest.fixture
def broken(text_model: Path, tmp_path: Path) -> Path:
    """A copy of the text model, to be broken."""
    return Path(shutil.copytree(text_model, tmp_path / "broken"))


# ---------------------------------------------------------------- what loads


def test_text_logits_equal_transformers(text_model: Path) -> None:
    theirs = LlamaForCausalLM.from_pretrained(text_model, dtype=torch.float32)
    ours = load(text_model)
    assert torch.equal(ours.model(input_ids=IDS).logits, theirs(input_ids=IDS).logits)


def test_untied_text_logits_equal_transformers(tmp_path: Path) -> None:
    from tests.tiny import make_text_model

    directory = make_text_model(tmp_path / "untied", tied=False, seed=3)
    theirs = LlamaForCausalLM.from_pretrained(directory, dtype=torch.float32)
    ours = load(directory)
    assert ours.model.lm_head.weight is not ours.model.model.embed_tokens.weight
    assert torch.equal(ours.model(input_ids=IDS).logits, theirs(input_ids=IDS).logits)


def test_the_text_path_of_a_multimodal_model_is_llamas_own(multimodal_model: Path) -> None:
    ours = load(multimodal_model)
    theirs = LlamaForCausalLM.from_pretrained(
        multimodal_model, config=_as_llama(multimodal_model), dtype=torch.float32
    )
    assert isinstance(ours.model, MultimodalLlamaForCausalLM)
    assert torch.equal(ours.model(input_ids=IDS).logits, theirs(input_ids=IDS).logits)


def _as_llama(directory: Path):  # type: ignore[no-untyped-def]
    from transformers import LlamaConfig

    raw = json.loads((directory / "config.json").read_text())
    return LlamaConfig(
        **{k: v for k, v in raw.items() if not k.startswith(("mm_", "use_mm", "model_type"))}
    )


@pytest.mark.parametrize("mode", ["bf16", "8bit", "4bit"])
@pytest.mark.parametrize("model", ["text_model", "multimodal_model"])
def test_lower_precisions_stay_near(
    model: str, mode: LoadMode, request: pytest.FixtureRequest
) -> None:
    directory = request.getfixturevalue(model)
    exact = load(directory).model(input_ids=IDS).logits
    loaded = load(directory, mode)
    assert loaded.precision.name == mode
    near = loaded.model(input_ids=IDS).logits.float()
    similarity = torch.cosine_similarity(exact, near, dim=-1).min()
    assert similarity > {"bf16": 0.999, "8bit": 0.995, "4bit": 0.8}[mode]
    assert loaded.memory_bytes < load(directory).memory_bytes


def test_a_saved_model_loads_again_equal(multimodal_model: Path, tmp_path: Path) -> None:
    first = load(multimodal_model, "bf16")
    write_model_directory(
        tmp_path / "again",
        model=first.model,
        tokenizer=first.tokenizer.tokenizer,
        image_tokens=first.tokenizer.image_tokens,
        vision_tower=first.vision_tower,
        provenance={"made_by": "a test"},
    )
    second = load(tmp_path / "again", "bf16")
    assert torch.equal(first.model(input_ids=IDS).logits, second.model(input_ids=IDS).logits)
    pixels = torch.rand(1, 3, 32, 32, dtype=torch.bfloat16)
    assert first.vision_tower is not None
    assert second.vision_tower is not None
    assert torch.equal(first.vision_tower(pixels), second.vision_tower(pixels))
    assert json.loads((tmp_path / "again/provenance.json").read_text()) == {"made_by": "a test"}
    names = load_file(tmp_path / "again" / "model.safetensors").keys()
    assert {"model.mm_projector.weight", "model.mm_projector.bias"} <= names
    saved = AutoTokenizer.from_pretrained(tmp_path / "again")
    assert saved.chat_template == chat_template(first.tokenizer.image_tokens)
    assert saved.pad_token != saved.eos_token


def test_progress_ends_at_one(text_model: Path) -> None:
    told: list[tuple[str, float | None]] = []
    load_model(str(text_model), load="bf16", device="cpu", progress=lambda *args: told.append(args))
    fractions = [fraction for stage, fraction in told if stage == "weights"]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1, abs=0.1)
    assert told[0][0] == "tokenizer"


def test_shards_and_bin_files_load(text_model: Path, tmp_path: Path) -> None:
    reference = load(text_model).model(input_ids=IDS).logits
    weights = load_file(text_model / "model.safetensors")
    names = sorted(weights)
    for suffix in ("bin", "safetensors"):
        directory = Path(shutil.copytree(text_model, tmp_path / suffix))
        (directory / "model.safetensors").unlink()
        stem = "pytorch_model" if suffix == "bin" else "model"
        index = {}
        for part, chosen in enumerate((names[:7], names[7:]), 1):
            file = f"{stem}-{part:05}-of-00002.{suffix}"
            index |= dict.fromkeys(chosen, file)
            shard = {name: weights[name] for name in chosen}
            if suffix == "bin":
                torch.save(shard, directory / file)
            else:
                from safetensors.torch import save_file

                save_file(shard, directory / file)
        (directory / f"{stem}.{suffix}.index.json").write_text(json.dumps({"weight_map": index}))
        assert torch.equal(load(directory).model(input_ids=IDS).logits, reference)


def test_a_hub_id_loads_from_the_hubs_cache(
    text_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "hub" / "models--someone--tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    shutil.copytree(text_model, repository / "snapshots" / ("0" * 40))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert load("someone/tiny").model(input_ids=IDS).logits.shape[1] == IDS.shape[1]
    with pytest.raises(DownloadError, match="someone/other"):
        load("someone/other")


@pytest.mark.parametrize("failure", [OSError(), RuntimeError("CAS service\nlong story")])
def test_whatever_the_hub_s_libraries_raise_is_a_failed_download(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise failure

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    reason = str(failure).partition("\n")[0] or "OSError"
    with pytest.raises(DownloadError, match=f"someone/tiny could not be fetched: {reason}\n"):
        load("someone/tiny")


def test_a_file_of_a_model_stands_for_its_directory(
    text_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(text_model.parent)
    loaded = load(f"{text_model.name}/config.json")  # reads like a hub id, and is none
    assert loaded.path == Path(text_model.name)


# ---------------------------------------------------------------- what is refused


def test_no_directory() -> None:
    for ref in ("/nowhere/at/all", "nonsense", "./a/b/c", "~nobody-of-this-name/model"):
        with pytest.raises(ModelNotFoundError, match="no model directory"):
            load(ref)


def test_a_directory_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelFormatError, match=r"no config\.json"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("{", "cannot be read"),
        ("[]", "model_type None"),
        ('{"model_type": "bert"}', "model_type 'bert'"),
        ('{"model_type": ["llama"]}', "model_type"),
        ('{"model_type": "llama", "hidden_size": "big"}', "hidden_size"),
    ],
)
def test_a_config_that_cannot_be(broken: Path, config: str, words: str) -> None:
    (broken / "config.json").write_text(config)
    with pytest.raises(ModelFormatError, match=words):
        read_config(broken)


def test_a_half_copied_safetensors_file(broken: Path) -> None:
    file = broken / "model.safetensors"
    data = file.read_bytes()
    for length in (len(data) // 2, 100, 0):
        file.write_bytes(data[:length])
        with pytest.raises(DamagedCheckpointError, match=r"model\.safetensors"):
            load(broken)


def test_a_missing_shard_is_named(broken: Path) -> None:
    weight_map = {"model.norm.weight": "model-00002-of-00002.safetensors"}
    index = broken / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(DamagedCheckpointError, match=r"00002-of-00002.* is missing"):
        load(broken)
    index.write_text(json.dumps({"weight_map": {"x": "../../etc/passwd"}}))
    with pytest.raises(DamagedCheckpointError, match="elsewhere"):
        load(broken)


def test_no_weights(broken: Path) -> None:
    (broken / "model.safetensors").unlink()
    with pytest.raises(ModelFormatError, match="no weights"):
        load(broken)


def test_missing_and_misshapen_weights_are_named(broken: Path) -> None:
    from safetensors.torch import save_file

    weights = load_file(broken / "model.safetensors")
    norm = weights.pop("model.norm.weight")
    save_file(weights, broken / "model.safetensors")
    with pytest.raises(DamagedCheckpointError, match=r"model\.norm\.weight \(1 are missing\)"):
        load(broken)
    save_file({**weights, "model.norm.weight": norm[:3]}, broken / "model.safetensors")
    with pytest.raises(DamagedCheckpointError, match=r"model\.norm\.weight has the shape \(3,\)"):
        load(broken)


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("this must never run",))


def test_a_bin_that_runs_code_is_refused(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (broken / "model.safetensors").unlink()
    torch.save({"model.norm.weight": _Evil()}, broken / "pytorch_model.bin")
    with pytest.raises(UnsafeCheckpointError, match="wants to run code"):
        load(broken)
    (broken / "pytorch_model.bin").write_bytes(pickle.dumps(_Evil()))
    with pytest.raises((UnsafeCheckpointError, DamagedCheckpointError)):
        load(broken)
    (broken / "pytorch_model.bin").write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(DamagedCheckpointError):
        load(broken)
    assert "never run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "content", [b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", b"<html>", b""]
)
def test_a_bin_that_is_something_else_is_told_as_such(broken: Path, content: bytes) -> None:
    (broken / "model.safetensors").unlink()
    (broken / "pytorch_model.bin").write_bytes(content)
    with pytest.raises(DamagedCheckpointError, match="no state dict"):
        load(broken)


def test_a_bin_of_torch_before_1_6_loads(broken: Path, text_model: Path) -> None:
    weights = load_file(broken / "model.safetensors")
    (broken / "model.safetensors").unlink()
    torch.save(weights, broken / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    expected = load(text_model).model(input_ids=IDS).logits
    assert torch.equal(load(broken).model(input_ids=IDS).logits, expected)


def test_a_broken_tokenizer_is_named(broken: Path) -> None:
    (broken / "tokenizer.json").write_text("{")
    with pytest.raises(ModelFormatError, match="tokenizer"):
        load(broken)


def test_a_tower_of_another_width_is_refused(multimodal_model: Path, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(multimodal_model, tmp_path / "wide"))
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps({**config, "mm_hidden_size": 99}))
    with pytest.raises(ModelFormatError, match="mm_hidden_size 99"):
        load(directory)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_an_absent_device_is_refused_before_loading() -> None:
    with pytest.raises(UsageError, match="no CUDA device"):
        load_model("/nowhere", device="cuda")


@pytest.mark.parametrize(
    "refusal", [OSError(28, "No space left on device"), SafetensorError("No space left on device")]
)
def test_no_space_left_keeps_the_old_directory(
    text_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Exception
) -> None:
    loaded = load(text_model, "bf16")
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").write_text("kept")

    def full(*args: object, **kwargs: object) -> None:
        raise refusal

    monkeypatch.setattr(LlamaForCausalLM, "save_pretrained", full)
    with pytest.raises(StorageError, match="No space left"):
        write_model_directory(target, model=loaded.model, tokenizer=loaded.tokenizer.tokenizer)
    assert (target / "old").read_text() == "kept"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
