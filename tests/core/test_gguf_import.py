# SPDX-License-Identifier: Apache-2.0
"""From GGUF to a model directory: same logits, same words, nothing of the GGUF left."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, LlamaForCausalLM

from tests.core.tiny_gguf import TOKENS, make_llama, write_gguf
from tests.tiny import IMAGE_TOKENS, VISION_WIDTH, tiny_tower
from yuren_core.chatml import CONTROL_TOKENS, IM_END, PAD
from yuren_core.errors import ModelFormatError, ModelNotFoundError
from yuren_core.model import gguf_import
from yuren_core.model.checkpoint import VISION_TOWER_DIR
from yuren_core.model.eyes import ADAPTER_DIR
from yuren_core.model.gguf_import import import_gguf
from yuren_core.model.loading import load_model
from yuren_core.model.multimodal_llama import MultimodalLlamaForCausalLM

LAYER = "model.layers.1.mlp.down_proj"


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with `tiny.gguf` and the model directory `tiny` made of it."""
    root = tmp_path_factory.mktemp("gguf")
    write_gguf(root / "tiny.gguf", make_llama())
    import_gguf(root / "tiny.gguf", root / "tiny", origin={"wheel": "tiny==1"})
    return root


def test_logits_are_those_of_the_model_in_the_gguf(imported: Path) -> None:
    original, ids = make_llama(), torch.arange(3, 40)[None]
    model = LlamaForCausalLM.from_pretrained(imported / "tiny").eval()
    assert model.dtype == torch.bfloat16
    with torch.no_grad():
        got, expected = model.float()(ids).logits, original.float()(ids).logits
    torch.testing.assert_close(got[..., : len(TOKENS)], expected, rtol=1e-5, atol=1e-6)


def test_digits_stand_alone_so_that_line_breaks_before_them_stay_one_token(imported: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(imported / "tiny")
    assert tokenizer.tokenize("a\n\n12") == ["a", "ĊĊ", "1", "2"]
    assert tokenizer.tokenize("a  1") == ["a", "ĠĠ", "1"]
    text = "你好, it's 3.14²!\n\n1. 👋"
    assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_the_config_is_a_plain_llama(imported: Path) -> None:
    config = json.loads((imported / "tiny/config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["rms_norm_eps"] == 1e-5
    assert config["rope_parameters"]["rope_theta"] == 100000.0
    assert config["max_position_embeddings"] == 512
    assert config["dtype"] == "bfloat16"
    assert config["vocab_size"] % 128 == 0
    assert "quantization_config" not in config
    assert "_model_name_or_path" not in config


def test_control_tokens_are_there_and_the_turn_ends_with_its_own(imported: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(imported / "tiny")
    generation = json.loads((imported / "tiny/generation_config.json").read_text())
    assert generation["eos_token_id"] == TOKENS.index(IM_END)
    assert generation["pad_token_id"] == tokenizer.convert_tokens_to_ids(PAD)
    assert set(CONTROL_TOKENS) <= set(tokenizer.extra_special_tokens)
    assert tokenizer.model_max_length == 512


def test_provenance_names_sources_and_versions_and_no_path(imported: Path) -> None:
    text = (imported / "tiny/provenance.json").read_text()
    digest = hashlib.sha256((imported / "tiny.gguf").read_bytes()).hexdigest()
    provenance = json.loads(text)
    assert provenance["source"] == {"file": "tiny.gguf", "sha256": digest, "wheel": "tiny==1"}
    assert {"yuren", "torch", "transformers"} <= set(provenance["versions"])
    assert str(imported) not in text


@pytest.fixture
def eyes(imported: Path, tmp_path: Path) -> Path:
    """A tower, a projector of ones and a LoRA on one layer, as they ship with yuren."""
    directory = tmp_path / "eyes"
    tiny_tower(directory=directory / VISION_TOWER_DIR)
    adapter = directory / ADAPTER_DIR
    adapter.mkdir()
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "base_model_name_or_path": "tiny"}
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    generator = torch.Generator().manual_seed(1)
    save_file(
        {
            f"base_model.model.{LAYER}.lora_A.weight": torch.randn(2, 64, generator=generator),
            f"base_model.model.{LAYER}.lora_B.weight": torch.randn(32, 2, generator=generator),
        },
        adapter / "adapter_model.safetensors",
    )
    save_file(
        {
            "model.mm_projector.weight": torch.ones(32, VISION_WIDTH),
            "model.mm_projector.bias": torch.ones(32),
        },
        adapter / "mm_projector.safetensors",
    )
    return directory


def test_with_eyes_it_is_a_model_that_sees(imported: Path, eyes: Path, tmp_path: Path) -> None:
    target = tmp_path / "seeing"
    assert gguf_import.main([str(imported / "tiny.gguf"), str(target), f"--eyes={eyes}"]) == 0
    loaded = load_model(str(target), load="fp32", device="cpu")
    assert isinstance(loaded.model, MultimodalLlamaForCausalLM)
    assert loaded.vision_tower is not None
    # The last layer is read; the tower saves whole patches of it.
    assert loaded.image_cost == loaded.vision_tower.num_patches + 2 == IMAGE_TOKENS + 2
    assert loaded.vision_tower.select_layer == -1
    assert (loaded.model.model.mm_projector.weight == 1).all()
    before = load_file(imported / "tiny" / "model.safetensors")
    after = load_file(target / "model.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {f"{LAYER}.weight"}
    lora = load_file(eyes / ADAPTER_DIR / "adapter_model.safetensors")
    a, b = (lora[f"base_model.model.{LAYER}.lora_{half}.weight"] for half in ("A", "B"))
    expected = before[f"{LAYER}.weight"].float() + 2 * b @ a  # alpha over rank is 2
    torch.testing.assert_close(after[f"{LAYER}.weight"].float(), expected, rtol=1e-2, atol=1e-2)
    assert set(after) - set(before) == {"model.mm_projector.weight", "model.mm_projector.bias"}
    provenance = json.loads((target / "provenance.json").read_text())
    assert provenance["eyes"] == {
        name: hashlib.sha256((eyes / name).read_bytes()).hexdigest()
        for name in (
            "adapter/adapter_model.safetensors",
            "adapter/mm_projector.safetensors",
            "vision_tower/open_clip_model.safetensors",
        )
    }
    assert str(eyes) not in json.dumps(provenance)


def test_eyes_that_do_not_fit_are_told_and_nothing_is_written(
    imported: Path, eyes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = eyes / ADAPTER_DIR / "mm_projector.safetensors"
    save_file({"model.mm_projector.weight": torch.ones(32, 7)}, file)
    before = {path.name for path in tmp_path.iterdir()}
    target = tmp_path / "seeing"
    assert gguf_import.main([str(imported / "tiny.gguf"), str(target), f"--eyes={eyes}"]) == 1
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["error"] == "ModelFormatError"
    assert "(32, 7)" in last["message"]
    assert last["hint"]
    assert {path.name for path in tmp_path.iterdir()} == before


def test_eyes_without_a_projector_are_refused(
    imported: Path, eyes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (eyes / ADAPTER_DIR / "mm_projector.safetensors").unlink()
    target = tmp_path / "seeing"
    assert gguf_import.main([str(imported / "tiny.gguf"), str(target), f"--eyes={eyes}"]) == 1
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["error"] == "DamagedCheckpointError"
    assert "mm_projector.safetensors" in last["message"]
    assert not target.exists()


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"pre": "tekken"}, "tekken"), ({"architecture": "falcon"}, "falcon")],
)
def test_what_cannot_be_read_rightly_is_refused(
    tmp_path: Path, changes: dict[str, str], named: str
) -> None:
    write_gguf(tmp_path / "x.gguf", make_llama(), **changes)
    with pytest.raises(ModelFormatError, match=named):
        import_gguf(tmp_path / "x.gguf", tmp_path / "x", origin={})
    assert [path.name for path in tmp_path.iterdir()] == ["x.gguf"]


@pytest.mark.parametrize("content", [b"", b"GGUF", b"no model at all" * 100])
def test_the_command_reports_a_file_that_is_no_gguf(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.gguf").write_bytes(content)
    code = gguf_import.main([str(tmp_path / "x.gguf"), str(tmp_path / "x")])
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert code == 1
    assert last["error"] == "ModelFormatError"
    assert "no whole GGUF" in last["message"]


def test_the_command_speaks_the_language_of_who_started_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("YUREN_LANG", "zh")
    assert gguf_import.main([str(tmp_path / "x.gguf"), str(tmp_path / "x")]) == 1
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["message"], last["hint"]) == (f"没有 {tmp_path}/x.gguf 这个文件", "请检查路径。")


def test_a_gguf_cut_off_in_its_weights_is_refused(imported: Path, tmp_path: Path) -> None:
    whole = (imported / "tiny.gguf").read_bytes()
    (tmp_path / "x.gguf").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelFormatError, match="no whole GGUF"):
        import_gguf(tmp_path / "x.gguf", tmp_path / "x", origin={})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"none\.gguf"):
        import_gguf(tmp_path / "none.gguf", tmp_path / "x", origin={})
