# SPDX-License-Identifier: Apache-2.0
"""llama.cpp itself loads what is exported, and answers as we do."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from gguf import GGMLQuantizationType, dequantize, quantize
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from tests.core.metaspace_tokenizer import metaspace_tokenizer
from tests.core.pictures import encoded, quarters
from tests.train.models.export import llama_cpp
from tests.train.models.export.clip_graph import ClipGraph
from tests.train.models.export.towers import SIZE, VIT, make_tower
from yuren_core.chatml import IMG_PATCH
from yuren_core.messages import ImagePart, Message, Part, Role, TextPart
from yuren_core.model.checkpoint import write_model_directory
from yuren_core.model.loading import LoadedModel, load_model
from yuren_core.model.multimodal_llama import merge_image_features
from yuren_core.model.vocabulary import add_control_tokens
from yuren_train.models.export.gguf_model import MMPROJ, export_gguf
from yuren_train.models.export.gguf_writing import GgufDtype
from yuren_train.models.prepare_base import prepare_base

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(llama_cpp.python() is None, reason=llama_cpp.how_to_install()),
]

TOKENS = 12
SYSTEM = "You are a helpful assistant."
QUESTION = "  What is in this picture?\n\n1. 羽人 2,102,650 🙂 <|im_end|"


def greedy(
    loaded: LoadedModel, parts: tuple[Part, ...], projected: Tensor | None = None
) -> tuple[str, int, Tensor]:
    """Our text, the tokens of the prompt, and the log-probabilities of the first answer's.

    Args:
        loaded: the model.
        parts: what the user says.
        projected: (1, P, D) of the picture among them.
    """
    messages = [Message.of(Role.SYSTEM, SYSTEM), Message(Role.USER, parts)]
    rendered = loaded.tokenizer.prompt_format.render(messages)
    prompt = loaded.tokenizer.encode([s for part in rendered for s in part]).input_ids
    ids = list(prompt)
    first: Tensor | None = None
    for _ in range(TOKENS):
        with torch.no_grad():
            embeds = loaded.model.get_input_embeddings()(torch.tensor([ids]))
            if projected is not None:
                is_patch = torch.tensor([ids]) == loaded.tokenizer.control_id(IMG_PATCH)
                embeds = merge_image_features(embeds, is_patch, projected)
            logits = loaded.model(inputs_embeds=embeds).logits[0, -1]
        first = logits.log_softmax(-1) if first is None else first
        ids.append(int(logits.argmax()))
        if ids[-1] in loaded.tokenizer.stop_ids:
            break
    assert first is not None
    text = loaded.tokenizer.tokenizer.decode(ids[len(prompt) :], skip_special_tokens=True)
    return text, len(prompt), first


def chat(content: Any) -> tuple[str, Any]:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content}]
    more = {"temperature": 0, "max_tokens": TOKENS, "logprobs": True, "top_logprobs": 5}
    return "chat", {"messages": messages, **more}


def compare(answer: Any, prompt_tokens: int, first: Tensor, *, apart: float) -> None:
    """The prompt's length, and the likeliest first tokens with their log-probabilities."""
    assert answer["usage"]["prompt_tokens"] == prompt_tokens
    top = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    found = [item["logprob"] for item in top]
    assert found == pytest.approx([float(first[item["id"]]) for item in top], abs=apart)


def rounded_to_q8_0(loaded: LoadedModel) -> None:
    """Give every matrix the values that it has in blocks of Q8_0."""
    for weight in loaded.model.parameters():
        if weight.ndim == 2:
            blocks = quantize(weight.detach().numpy(), GGMLQuantizationType.Q8_0)
            restored = dequantize(blocks, GGMLQuantizationType.Q8_0)
            weight.data = torch.from_numpy(restored).view(weight.shape)


@pytest.mark.parametrize(("dtype", "apart"), [("f16", 0.05), ("bf16", 0.15), ("q8_0", 0.3)])
def test_greedy_text_is_ours(
    text_model: Path, tmp_path: Path, dtype: GgufDtype, apart: float
) -> None:
    made = export_gguf(str(text_model), tmp_path / "out", dtype=dtype)
    loaded = load_model(str(text_model), load="fp32", device="cpu")
    if dtype == "q8_0":
        rounded_to_q8_0(loaded)
    (answer,) = llama_cpp.ask(made.path, made.files, [chat(QUESTION)])
    text, prompt_tokens, first = greedy(loaded, (TextPart(QUESTION),))
    compare(answer, prompt_tokens, first, apart=apart)
    chosen = answer["choices"][0]["logprobs"]["content"][0]["id"]
    assert float(first.max() - first[chosen]) < 2 * apart
    if dtype == "f16":  # rounded activations decide near ties of a random model otherwise
        assert answer["choices"][0]["message"]["content"].strip() == text.strip()


@pytest.mark.parametrize("prefix", ["first", "each"])
def test_sentencepieces_kind_is_cut_alike(tmp_path: Path, prefix: Literal["first", "each"]) -> None:
    torch.manual_seed(0)
    tokenizer = metaspace_tokenizer(prefix).tokenizer
    config = LlamaConfig(
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=512,
        vocab_size=len(tokenizer),
        initializer_range=0.2,
    )
    model = LlamaForCausalLM(config)
    add_control_tokens(model, tokenizer)
    write_model_directory(tmp_path / "model", model=model.bfloat16(), tokenizer=tokenizer)
    made = export_gguf(str(tmp_path / "model"), tmp_path / "out")
    loaded = load_model(str(tmp_path / "model"), load="fp32", device="cpu")
    (answer,) = llama_cpp.ask(made.path, made.files, [chat(QUESTION)])
    _, prompt_tokens, first = greedy(loaded, (TextPart(QUESTION),))
    compare(answer, prompt_tokens, first, apart=0.05)


@pytest.mark.parametrize("layer", [-2, -1, -3])
def test_it_answers_about_a_picture(text_model: Path, tmp_path: Path, layer: int) -> None:
    """Brackets, pixels, tower to the layer that is read, and projector, but for the class token.

    This llama.cpp misplaces it: ggml-org/llama.cpp#25814.
    """
    make_tower(VIT, layer=layer).save(tmp_path / "tower")
    base = tmp_path / "base"
    prepare_base(str(text_model), base, vision_tower=str(tmp_path / "tower"), vision_layer=layer)
    made = export_gguf(str(base), tmp_path / "out")
    loaded = load_model(str(base), load="fp32", device="cpu")
    assert loaded.vision_tower is not None
    pixels = loaded.vision_tower.preprocess([quarters(SIZE, SIZE)])
    projected = ClipGraph(made.path / MMPROJ, class_last=True)(pixels)[None]
    picture = b64encode(encoded(quarters(SIZE, SIZE), "PNG")).decode()
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}}
    content = [image, {"type": "text", "text": QUESTION}]
    (answer,) = llama_cpp.ask(made.path, made.files, [chat(content)])
    parts = (ImagePart("", ""), TextPart(QUESTION))
    _, prompt_tokens, first = greedy(loaded, parts, projected)
    compare(answer, prompt_tokens, first, apart=0.05)
    unseen = greedy(loaded, parts, torch.zeros_like(projected))[2]
    assert float((unseen - first).abs().max()) > 1  # the picture decides
