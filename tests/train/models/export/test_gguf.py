# SPDX-License-Identifier: Apache-2.0
"""`export --to gguf`: read back by transformers' own loader, and computed as llama.cpp does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jinja2
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFReader, TokenType, dequantize, quantize
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import GgufConfig, LlamaForCausalLM

from tests.core.pictures import quarters
from tests.tiny import make_text_model
from tests.train.models.export.clip_graph import ClipGraph
from tests.train.models.export.towers import VIT, make_tower
from tests.train.models.test_merge import IDS, make_adapter
from yuren_core.chatml import IM_END, IMG_PATCH, PLAIN, ChatMLStyle, chat_template
from yuren_core.errors import ModelFormatError, UsageError
from yuren_core.model.loading import load_model
from yuren_core.model.multimodal_llama import MultimodalLlamaForCausalLM
from yuren_train.models.export.gguf_language import gguf_chat_template
from yuren_train.models.export.gguf_model import MMPROJ, export_gguf
from yuren_train.models.export.gguf_writing import GgufDtype
from yuren_train.models.prepare_base import prepare_base


def theirs(directory: Path, file: str) -> Tensor:
    model: Any = LlamaForCausalLM.from_pretrained(
        directory,
        gguf_file=file,
        dtype=torch.float32,
        quantization_config=GgufConfig(dequantize=True),
    )
    with torch.no_grad():
        logits: Tensor = model(input_ids=IDS).logits
    return logits


@pytest.mark.parametrize("dtype", ["f16", "bf16", "q8_0"])
@pytest.mark.parametrize("tied", [True, False])
def test_transformers_reads_the_same_logits(
    text_model: Path, untied_model: Path, tmp_path: Path, dtype: GgufDtype, tied: bool
) -> None:
    source = text_model if tied else untied_model
    made = export_gguf(str(source), tmp_path / "out", dtype=dtype)
    assert made.files == (f"model-{dtype}.gguf",)
    model = load_model(str(source), load="fp32", device="cpu").model
    if dtype == "q8_0":  # what it rounds to is what is computed with, and nothing else differs
        assert made.difference.same_choice > 0.8
        for weight in model.parameters():
            if weight.ndim == 2:
                rounded = quantize(weight.detach().numpy(), GGMLQuantizationType.Q8_0)
                restored = dequantize(rounded, GGMLQuantizationType.Q8_0)
                weight.data = torch.from_numpy(restored).view(weight.shape)
    else:
        assert made.difference.largest < 1e-4
    with torch.no_grad():
        ours = model(input_ids=IDS).logits
    assert float((theirs(made.path, made.files[0]) - ours).abs().max()) < 1e-4


def test_an_adapter_is_merged(text_model: Path, tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path / "adapter", text_model, precision="bf16")
    made = export_gguf(str(adapter), tmp_path / "out")
    assert made.difference.largest < 1e-4


def test_an_adapter_on_an_f16_base_is_merged_into_f16(tmp_path: Path) -> None:
    base = make_text_model(tmp_path / "base")
    weights = {
        name: tensor.half() for name, tensor in load_file(base / "model.safetensors").items()
    }
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    adapter = make_adapter(tmp_path / "adapter", base, precision="bf16")
    assert export_gguf(str(adapter), tmp_path / "out").difference.largest < 1e-4


def test_what_f16_cannot_hold_is_refused_and_bf16_holds_it(
    untied_model: Path, tmp_path: Path
) -> None:
    wide = shutil.copytree(untied_model, tmp_path / "wide")
    weights = load_file(wide / "model.safetensors")
    weights["model.layers.0.mlp.up_proj.weight"][0, 0] = 1e5
    save_file(weights, wide / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UsageError, match=r"blk\.0\.ffn_up\.weight") as caught:
        export_gguf(str(wide), tmp_path / "out")
    assert "--dtype bf16" in caught.value.hint
    assert export_gguf(str(wide), tmp_path / "out", dtype="bf16").difference.same_choice == 1


def test_scaled_positions_are_refused_with_the_way_out(text_model: Path, tmp_path: Path) -> None:
    scaled = shutil.copytree(text_model, tmp_path / "scaled")
    config = json.loads((scaled / "config.json").read_text())
    config["rope_parameters"] = {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}
    (scaled / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFormatError, match="linear") as caught:
        export_gguf(str(scaled), tmp_path / "out")
    assert "--to hf" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_tokens_stops_and_template(text_model: Path, tmp_path: Path) -> None:
    made = export_gguf(str(text_model), tmp_path / "out")
    fields = GGUFReader(made.path / made.files[0]).fields
    found = {name: field.contents() for name, field in fields.items()}
    tokenizer = load_model(str(text_model), load="fp32", device="cpu").tokenizer.tokenizer
    tokens, types = found["tokenizer.ggml.tokens"], found["tokenizer.ggml.token_type"]
    vocabulary = tokenizer.get_vocab()
    assert len(tokens) % 128 == 0
    assert {token: i for i, token in enumerate(tokens) if token in vocabulary} == vocabulary
    assert types[vocabulary[IM_END]] == TokenType.CONTROL
    assert types[vocabulary["a"]] == TokenType.NORMAL
    assert set(types[len(vocabulary) :]) <= {TokenType.UNUSED}
    assert found["tokenizer.ggml.eos_token_id"] == vocabulary[IM_END]
    assert found["tokenizer.ggml.eot_token_id"] == vocabulary[IM_END]
    assert found["tokenizer.ggml.add_bos_token"] is False
    assert found["tokenizer.ggml.pre"] == "gpt-2"
    assert found["tokenizer.chat_template"] == chat_template()
    modelfile = (made.path / "Modelfile").read_text()
    assert modelfile.startswith("FROM ./model-f16.gguf\nTEMPLATE")
    assert f'PARAMETER stop "{IM_END}"\n' in modelfile
    assert "PARAMETER num_ctx 512\n" in modelfile


@pytest.mark.parametrize("marker", ["<__media__>", "<__media_x7B__>"])
@pytest.mark.parametrize("opened", [True, False])
@pytest.mark.parametrize("style", [PLAIN, ChatMLStyle("</s>", pictures_last=True)])
def test_the_template_puts_llama_cpps_marker_between_brackets(
    marker: str, opened: bool, style: ChatMLStyle
) -> None:
    words = "if a__>b: # <media>"
    said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]
    parts = [{"type": "text", "text": words}, {"type": "image"}, {"type": "text", "text": words}]
    ours = jinja2.Template(chat_template(1, style)).render(
        messages=[*said, {"role": "user", "content": parts}], add_generation_prompt=opened
    )
    joined = {"role": "user", "content": words + marker + words}
    found = jinja2.Template(gguf_chat_template(style)).render(
        messages=[*said, joined], add_generation_prompt=opened
    )
    assert found == ours.replace(IMG_PATCH, marker)


@pytest.mark.parametrize(
    ("layer", "width", "quick_gelu"), [(-2, 32, False), (-1, 48, True), (-3, 32, True)]
)
def test_the_mmproj_is_tower_and_projector_in_llama_cpps_graph(
    text_model: Path, tmp_path: Path, layer: int, width: int, quick_gelu: bool
) -> None:
    tower = make_tower(VIT | {"width": width}, quick_gelu=quick_gelu, layer=layer)
    tower.save(tmp_path / "tower")
    base = tmp_path / "base"
    prepare_base(str(text_model), base, vision_tower=str(tmp_path / "tower"), vision_layer=layer)
    made = export_gguf(str(base), tmp_path / "out")
    assert made.files == ("model-f16.gguf", MMPROJ)
    loaded = load_model(str(base), load="fp32", device="cpu")
    assert isinstance(loaded.model, MultimodalLlamaForCausalLM)
    assert loaded.vision_tower is not None
    pixels = loaded.vision_tower.preprocess([quarters()])
    with torch.no_grad():
        ours = loaded.model.project(loaded.vision_tower(pixels))[0]
        found = ClipGraph(made.path / MMPROJ)(pixels)
    size = float(ours.abs().max())
    assert float((found - ours).abs().max()) < 0.02 * size  # F16, bf16, and tanh for GELU
    assert "FROM ./mmproj-f16.gguf\n" in (made.path / "Modelfile").read_text()
