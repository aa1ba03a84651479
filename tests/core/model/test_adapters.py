# SPDX-License-Identifier: Apache-2.0
"""Adapters on their bases: PEFT's logits in every precision, bases found, faults in words."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import LlamaForCausalLM

from tests.tiny import make_text_model
from yuren_core.client import ModelClient
from yuren_core.errors import (
    DamagedCheckpointError,
    ModelFormatError,
    ModelNotFoundError,
    YurenError,
)
from yuren_core.messages import Message, Role
from yuren_core.model.adapter_files import fingerprint
from yuren_core.model.adapters import LoraLinear
from yuren_core.model.checkpoint import read_config
from yuren_core.model.loading import LoadedModel, load_model
from yuren_core.model.multimodal_llama import MultimodalLlamaForCausalLM
from yuren_core.prompt import prompt_items
from yuren_core.protocol import Completed, Failed, LoadMode, Ready
from yuren_core.sampling_params import SamplingParams

IDS = torch.tensor([[1, 45, 300, 2, 402, 401, 77, 1, 9]])
ROWS = [1, 2, 401, 402]


def make_adapter(directory: Path, base: Path, **options: object) -> Path:
    """What PEFT itself writes, with values that change the logits much."""
    model = LlamaForCausalLM.from_pretrained(base, dtype=torch.float32)
    tied = model.config.tie_word_embeddings
    config = LoraConfig(
        r=4,
        lora_alpha=6,
        target_modules=[
            "q_proj",
            "k_proj",
            "v_proj",
            "o_proj",
            "gate_proj",
            "up_proj",
            "down_proj",
        ],
        trainable_token_indices={"embed_tokens": ROWS} | ({} if tied else {"lm_head": ROWS}),
        **options,  # type: ignore[arg-type]
    )
    wrapped = get_peft_model(model, config)
    torch.manual_seed(7)
    with torch.no_grad():
        for tensor in wrapped.parameters():
            if tensor.requires_grad:
                tensor.add_(torch.randn_like(tensor) * 0.1)
    wrapped.save_pretrained(str(directory))
    return directory


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_text_model(tmp_path_factory.mktemp("adapters") / "base", tied=request.param)


@pytest.fixture(scope="module")
def adapter(base: Path) -> Path:
    return make_adapter(base.with_name("adapter"), base)


@pytest.fixture
def broken(adapter: Path, tmp_path: Path) -> Path:
    """A copy of the adapter, to be broken or changed."""
    return Path(shutil.copytree(adapter, tmp_path / "broken"))


def load(directory: Path, mode: LoadMode = "fp32") -> LoadedModel:
    return load_model(str(directory), load=mode, device="cpu")


def logits_of(loaded: LoadedModel) -> Tensor:
    logits: Tensor = loaded.model(input_ids=IDS).logits
    return logits.float()


def logits_of_peft(base: Path, adapter: Path) -> Tensor:
    model = LlamaForCausalLM.from_pretrained(base, dtype=torch.float32)
    logits: Tensor = PeftModel.from_pretrained(model, str(adapter))(input_ids=IDS).logits
    return logits.detach()


def test_merged_logits_are_those_of_peft(base: Path, adapter: Path) -> None:
    theirs = logits_of_peft(base, adapter)
    loaded = load(adapter)
    torch.testing.assert_close(logits_of(loaded), theirs, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(logits_of(load(base)), theirs, atol=0.5)
    assert (loaded.name, loaded.path) == ("adapter", adapter)
    assert type(loaded.model) is LlamaForCausalLM


@pytest.mark.parametrize(("mode", "least"), [("bf16", 0.999), ("8bit", 0.99)])
def test_other_precisions_are_near(base: Path, adapter: Path, mode: LoadMode, least: float) -> None:
    near = logits_of(load(adapter, mode))
    assert torch.cosine_similarity(near, logits_of_peft(base, adapter), dim=-1).min() > least


def test_4bit_keeps_the_base_s_own_4_bits_and_the_lora_beside_them(
    base: Path, adapter: Path
) -> None:
    plain, loaded = load(base, "4bit"), load(adapter, "4bit")
    plain_linear = plain.model.model.layers[1].mlp.up_proj
    linear = loaded.model.model.layers[1].mlp.up_proj
    assert isinstance(linear, LoraLinear)
    assert torch.equal(linear.linear.weight, plain_linear.weight)
    assert loaded.memory_bytes > plain.memory_bytes
    vars(plain.model)["is_loaded_in_4bit"] = True
    theirs = PeftModel.from_pretrained(plain.model, str(adapter))(input_ids=IDS).logits.float()
    assert torch.cosine_similarity(logits_of(loaded), theirs, dim=-1).min() > 0.999


@pytest.mark.parametrize(("mode", "least"), [("bf16", 0.995), ("8bit", 0.99), ("fp32", 0.995)])
def test_an_adapter_of_qlora_meets_the_weights_that_it_knew_in_every_precision(
    broken: Path, mode: LoadMode, least: float
) -> None:
    provenance = broken / "provenance.json"
    provenance.write_text(json.dumps({"base": {"precision": "4bit"}}))
    trained = logits_of(load(broken, "4bit"))
    near = logits_of(load(broken, mode))
    provenance.unlink()
    far = logits_of(load(broken, mode))
    assert torch.cosine_similarity(near, trained, dim=-1).min() > least
    assert (near - trained).abs().mean() < 0.2 * (far - trained).abs().mean()


def test_rslora_and_bin_files_are_read(base: Path, tmp_path: Path) -> None:
    directory = make_adapter(tmp_path / "rslora", base, use_rslora=True)
    theirs = logits_of_peft(base, directory)
    weights = directory / "adapter_model.safetensors"
    torch.save(load_file(weights), weights.with_suffix(".bin"))
    weights.unlink()
    torch.testing.assert_close(logits_of(load(directory)), theirs, rtol=1e-4, atol=1e-4)


def test_the_tokenizer_beside_an_adapter_goes_before_the_base_s(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    own = Path(shutil.copytree(adapter, tmp_path / "own"))
    for file in base.glob("tokenizer*"):
        shutil.copy(file, own)
    config = json.loads((own / "tokenizer_config.json").read_text())
    config["model_max_length"] = 77
    (own / "tokenizer_config.json").write_text(json.dumps(config))
    assert load(own).tokenizer.tokenizer.model_max_length == 77
    assert load(adapter).tokenizer.tokenizer.model_max_length != 77


def test_a_projector_beside_the_adapter_takes_the_place_of_the_base_s(
    multimodal_model: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "seeing"
    directory.mkdir()
    (directory / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "base_model_name_or_path": str(multimodal_model)})
    )
    save_file(
        {"model.layers.0.self_attn.q_proj.lora_A.weight": torch.zeros(2, 64)}
        | {"model.layers.0.self_attn.q_proj.lora_B.weight": torch.zeros(64, 2)},
        directory / "adapter_model.safetensors",
    )
    old = load(multimodal_model).model.model.mm_projector
    new = {"weight": torch.randn(old.weight.shape), "bias": torch.randn(old.bias.shape)}
    save_file(
        {f"model.mm_projector.{name}": tensor for name, tensor in new.items()},
        directory / "mm_projector.safetensors",
    )
    model = load(directory).model
    assert isinstance(model, MultimodalLlamaForCausalLM)
    assert torch.equal(model.model.mm_projector.weight, new["weight"])
    assert torch.equal(model.model.mm_projector.bias, new["bias"])


async def test_a_chat_through_the_model_process(adapter: Path, tmp_path: Path) -> None:
    client = ModelClient(log_path=tmp_path / "model.log")
    await client.start()
    try:
        loading = [event async for event in client.load(str(adapter), load="bf16", device="cpu")]
        ready = loading[-1]
        assert isinstance(ready, Ready)
        assert (ready.model, ready.path) == ("adapter", str(adapter))
        prompt = prompt_items([Message.of(Role.USER, "What is the capital of France?")])
        sampling = SamplingParams(temperature=0, repetition_penalty=1, max_new_tokens=8)
        events = [event async for event in client.generate(prompt, sampling)]
        assert isinstance(events[-1], Completed)
        (adapter.parent / "base").rename(adapter.parent / "away")
        failed = [event async for event in client.load(str(adapter), load="bf16", device="cpu")][-1]
        assert isinstance(failed, Failed)
        assert failed.kind == "ModelNotFoundError"
    finally:
        if (adapter.parent / "away").exists():
            (adapter.parent / "away").rename(adapter.parent / "base")
        await client.close()


# ---------------------------------------------------------------- where the base is


def rename_base(directory: Path, name: str) -> None:
    file = directory / "adapter_config.json"
    raw = json.loads(file.read_text())
    file.write_text(json.dumps({**raw, "base_model_name_or_path": name}))


@pytest.mark.parametrize("place", ["relative", "beside", "installed", "elsewhere"])
def test_a_base_is_found_where_it_may_be(base: Path, broken: Path, home: Path, place: str) -> None:
    target, name = {
        "relative": (broken.parent / "models/it", "../models/it"),
        "beside": (broken.parent / "base", "/home/of/somebody/else/base"),
        "installed": (home / "data/models/base", "/home/of/somebody/else/base"),
        "elsewhere": (home / "far/away", str(home / "far/away")),
    }[place]
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(base, target)
    rename_base(broken, name)
    assert logits_of(load(broken)).shape[1] == IDS.shape[1]


def test_a_base_from_the_hub_s_cache(
    base: Path, broken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "hub" / "models--someone--tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    shutil.copytree(base, repository / "snapshots" / ("0" * 40))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    rename_base(broken, "someone/tiny")
    assert logits_of(load(broken)).shape[1] == IDS.shape[1]


def test_a_base_that_is_nowhere_is_named_with_the_places(broken: Path, home: Path) -> None:
    rename_base(broken, "/gone/base")
    with pytest.raises(ModelNotFoundError) as caught:
        load(broken)
    for place in ("/gone/base", str(broken.parent / "base"), str(home / "data/models/base")):
        assert place in caught.value.message
    assert "base_model_name_or_path" in caught.value.hint


def test_another_base_in_its_place_is_refused(base: Path, broken: Path, tmp_path: Path) -> None:
    provenance = broken / "provenance.json"
    provenance.write_text(json.dumps({"base": {"fingerprint": fingerprint(base)}}))
    assert logits_of(load(broken)).shape[1] == IDS.shape[1]
    other = make_text_model(tmp_path / "other", tied=read_config(base).tie_word_embeddings, seed=5)
    assert len({fingerprint(place) for place in (base, other, broken)}) == 3
    rename_base(broken, str(other))
    with pytest.raises(ModelFormatError, match="not the model that the adapter"):
        load(broken)
    provenance.write_text("{}")
    assert load(broken).name == "broken"


# ---------------------------------------------------------------- what is refused


def change(**values: object) -> Callable[[Path], None]:
    def do(directory: Path) -> None:
        file = directory / "adapter_config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **values}))

    return do


def replace(old: str, new: str, tensor: Callable[[Tensor], Tensor]) -> Callable[[Path], None]:
    """Rename a tensor and change it; one without a name is taken out."""

    def do(directory: Path) -> None:
        file = directory / "adapter_model.safetensors"
        weights = load_file(file)
        value = tensor(weights.pop(f"base_model.model.model.{old}"))
        if new:
            weights[f"base_model.model.model.{new}"] = value.contiguous()
        save_file(weights, file)

    return do


def cut(name: str, length: int) -> Callable[[Path], None]:
    def do(directory: Path) -> None:
        file = directory / name
        file.write_bytes(file.read_bytes()[:length])

    return do


Q = "layers.0.self_attn.q_proj"
ROW = "embed_tokens.token_adapter.trainable_tokens_delta"


@pytest.mark.parametrize(
    ("breaking", "error", "words"),
    [
        (change(peft_type="IA3"), ModelFormatError, "peft_type is 'IA3'"),
        (change(use_dora=True), ModelFormatError, "use_dora is True"),
        (change(bias="all"), ModelFormatError, "bias is 'all'"),
        (change(init_lora_weights="pissa_niter_4"), ModelFormatError, "is 'pissa_niter_4'"),
        (change(modules_to_save=["lm_head"]), ModelFormatError, "modules_to_save"),
        (change(base_model_name_or_path=None), ModelFormatError, "no base model"),
        (change(trainable_token_indices=[1, 2]), ModelFormatError, "has 4 trained rows"),
        (
            change(trainable_token_indices={"embed_tokens": [1, 2, 3, 9999], "lm_head": ROWS}),
            ModelFormatError,
            "9999",
        ),
        (change(trainable_token_indices="all"), ModelFormatError, "has 4 trained rows"),
        (cut("adapter_config.json", 30), DamagedCheckpointError, "cannot be read"),
        (cut("adapter_model.safetensors", 3000), DamagedCheckpointError, "no whole safetensors"),
        (lambda d: (d / "adapter_model.safetensors").unlink(), DamagedCheckpointError, "missing"),
        (replace(f"{Q}.lora_A.weight", "", lambda t: t), DamagedCheckpointError, "q_proj"),
        (
            replace(f"{Q}.lora_A.weight", f"{Q}.lora_A.weight", lambda t: t[:3]),
            DamagedCheckpointError,
            "q_proj",
        ),
        (
            replace(f"{Q}.lora_A.weight", f"{Q}.lora_A.weight", lambda t: t[:, :60]),
            ModelFormatError,
            r"q_proj is for \(64, 60\), the base has \(64, 64\)",
        ),
        (
            replace(f"{Q}.lora_A.weight", f"{Q}.lora_magnitude_vector", lambda t: t),
            ModelFormatError,
            "lora_magnitude_vector",
        ),
        (replace(ROW, ROW, lambda t: t[:, :50]), ModelFormatError, r"\(4, 50\)"),
        (replace(ROW, f"x.{ROW}", lambda t: t), ModelFormatError, r"x\.embed_tokens"),
    ],
)
@pytest.mark.parametrize("mode", ["fp32", "4bit"])
def test_what_does_not_fit_is_named(
    broken: Path,
    breaking: Callable[[Path], None],
    error: type[YurenError],
    words: str,
    mode: LoadMode,
) -> None:
    breaking(broken)
    with pytest.raises(error, match=words) as caught:
        load(broken, mode)
    assert caught.value.hint


@pytest.mark.parametrize("mode", ["fp32", "8bit", "4bit"])
def test_a_layer_that_the_base_has_not_is_named(broken: Path, mode: LoadMode) -> None:
    for half in ("A", "B"):
        replace(f"{Q}.lora_{half}.weight", f"layers.9.q_proj.lora_{half}.weight", Tensor.clone)(
            broken
        )
    with pytest.raises(ModelFormatError, match=r"no model\.layers\.9\.q_proj"):
        load(broken, mode)


def test_llavas_own_adapter_is_not_taken_for_a_blind_one(text_model: Path, tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path / "adapter", text_model)
    torch.save({}, adapter / "non_lora_trainables.bin")
    with pytest.raises(ModelFormatError, match=r"non_lora_trainables\.bin") as caught:
        load_model(str(adapter), load="fp32", device="cpu")
    assert "merge_lora_weights.py" in caught.value.hint
