# SPDX-License-Identifier: Apache-2.0
"""The language model as llama.cpp's architecture `llama`.

Rotary position embeddings turn pairs of neighbours there and pairs a half apart here: rows of
queries and keys are put in the other order. The chat template is ours; that of a model that sees
knows the marker that llama.cpp puts for a picture.
"""

from __future__ import annotations

from typing import Any

from gguf import MODEL_ARCH, get_tensor_name_map
from torch import Tensor

from yuren_core.chatml import IM_END, IM_START, IMG_END, IMG_START, PLAIN, ChatMLStyle
from yuren_core.errors import ModelFormatError
from yuren_core.i18n import tr
from yuren_train.models.export.gguf_vocabulary import GgufVocabulary
from yuren_train.models.export.gguf_writing import GgufDtype, GgufTensor, file_type, gguf_tensor
from yuren_train.models.export.source import Source, is_seeing


def gguf_chat_template(style: ChatMLStyle = PLAIN) -> str:
    """Our ChatML for a model that sees.

    llama.cpp's server joins the parts of a message to one string, in which `<__media__>`, with
    letters of its own before the second pair of underscores, stands for a picture. The template
    puts it between the brackets that the model knows, and where the model's training had it.
    """
    marker = f"'{IMG_START}<__media' + halves[0] + '__>{IMG_END}'"
    pieces = (
        "{{- pieces[0] -}}"
        "{%- for piece in pieces[1:] -%}"
        "{%- set halves = piece.split('__>') -%}"
        f"{{{{- {marker} -}}}}"
        "{{- halves[1:] | join('__>') -}}"
        "{%- endfor -%}"
    )
    if style.pictures_last:
        pieces = (
            "{%- set ns = namespace(some=pieces[0] != '') -%}"
            "{{- pieces[0] -}}"
            "{%- for piece in pieces[1:] -%}"
            "{%- set text = piece.split('__>')[1:] | join('__>') -%}"
            "{%- if text -%}{%- set ns.some = true -%}{{- text -}}{%- endif -%}"
            "{%- endfor -%}"
            "{%- for piece in pieces[1:] -%}"
            "{%- set halves = piece.split('__>') -%}"
            f"{{{{- ('\n' if ns.some else '') + {marker} -}}}}{{%- set ns.some = true -%}}"
            "{%- endfor -%}"
        )
    end = ""
    if style.after_answer:
        end = (
            "{%- if message['role'] == 'assistant' -%}"
            f"{{{{- '{style.after_answer}' -}}}}"
            "{%- endif -%}"
        )
    return (
        "{%- for message in messages -%}"
        f"{{{{- '{IM_START}' + message['role'] + '\n' -}}}}"
        "{%- if message['content'] is string -%}"
        "{%- set pieces = message['content'].split('<__media') -%}"
        f"{pieces}"
        "{%- else -%}"
        "{%- for part in message['content'] -%}"
        "{%- if part['type'] == 'text' -%}{{- part['text'] -}}{%- endif -%}"
        "{%- endfor -%}"
        "{%- endif -%}"
        f"{{{{- '{IM_END}' -}}}}"
        f"{end}"
        "{{- '\n' -}}"
        "{%- endfor -%}"
        f"{{%- if add_generation_prompt -%}}{{{{- '{IM_START}assistant\n' -}}}}{{%- endif -%}}"
    )


def language_tensors(source: Source, dtype: GgufDtype) -> list[GgufTensor]:
    """The tensors of the language model under llama.cpp's names.

    Raises:
        ModelFormatError: one has no place there, or positions are scaled.
        UsageError: a weight is too large for F16.
    """
    config = source.model.config
    rope = config.rope_parameters or {}
    if rope.get("rope_type", "default") != "default":
        raise _refused(tr("error.export.rope", kind=rope["rope_type"]))
    queries: int = config.num_attention_heads
    heads = {"attn_q": queries, "attn_k": config.num_key_value_heads or queries}
    names = get_tensor_name_map(MODEL_ARCH.LLAMA, config.num_hidden_layers)
    tensors = []
    for name, tensor in source.model.state_dict().items():
        if "mm_projector" in name or (name == "lm_head.weight" and config.tie_word_embeddings):
            continue
        theirs = names.get_name(name, try_suffixes=(".weight",))
        if theirs is None:
            raise _refused(tr("error.export.tensor", name=name))
        kind = theirs.removesuffix(".weight").rpartition(".")[2]
        if kind in heads:
            tensor = _neighbours(tensor, heads[kind])
        tensors.append(gguf_tensor(theirs, tensor, dtype))
    return tensors


def _neighbours(weight: Tensor, heads: int) -> Tensor:
    """Rows of (heads * 2 * half, K) so that the two of a rotated pair follow each other."""
    return weight.view(heads, 2, -1, weight.shape[1]).transpose(1, 2).reshape(weight.shape)


def describe_language(
    writer: Any, source: Source, vocabulary: GgufVocabulary, dtype: GgufDtype
) -> None:
    """Add name, shape, tokenizer, chat template and stop tokens to a writer."""
    config, tokenizer = source.model.config, source.hf_tokenizer
    head: int = (
        getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    )
    writer.add_name(source.path.name)
    writer.add_file_type(file_type(dtype))
    writer.add_vocab_size(len(vocabulary.tokens))
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_rope_dimension_count(head)
    rope: Any = config.rope_parameters or {}
    writer.add_rope_freq_base(float(rope.get("rope_theta", 10000.0)))
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_tokenizer_model(vocabulary.model)
    writer.add_tokenizer_pre(vocabulary.splitting)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)
    if vocabulary.merges:
        writer.add_token_merges(vocabulary.merges)
    if vocabulary.scores:
        writer.add_token_scores(vocabulary.scores)
    writer.add_add_space_prefix(vocabulary.add_space_prefix)
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    end = source.tokenizer.control_id(IM_END)
    own = tokenizer.eos_token_id
    writer.add_eos_token_id(own if isinstance(own, int) else end)
    writer.add_eot_token_id(end)
    for add, i in (
        (writer.add_bos_token_id, tokenizer.bos_token_id),
        (writer.add_pad_token_id, tokenizer.pad_token_id),
    ):
        if isinstance(i, int):
            add(i)
    if is_seeing(source):
        writer.add_chat_template(gguf_chat_template(source.style))
    else:
        writer.add_chat_template(source.chat_template())


def _refused(reason: str) -> ModelFormatError:
    return ModelFormatError(tr("error.export.gguf", reason=reason), tr("error.export.gguf_hint"))
