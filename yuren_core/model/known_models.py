# SPDX-License-Identifier: Apache-2.0
"""How a model wants to be told a conversation: what its directory says, and what is known.

YuRen's directories are of 2023: they hold no chat template. Its training put `</s>` behind each
`<|im_end|>` of the assistant's, and its pictures stood behind the words.
"""

from __future__ import annotations

from collections.abc import Mapping

from tokenizers import AddedToken
from transformers import LlamaConfig, PreTrainedTokenizerBase

from yuren_core.chatml import PLAIN, ChatMLStyle, chat_template
from yuren_core.errors import ModelFormatError
from yuren_core.i18n import tr
from yuren_core.model.architectures import TRAINED
from yuren_core.model.multimodal_llama import MultimodalLlamaConfig
from yuren_core.model.prompt_format import ChatML, PromptFormat
from yuren_core.model.template_format import TemplateFormat

STYLES_WITHOUT_TEMPLATE: Mapping[str, ChatMLStyle] = {
    "multimodal_llama": ChatMLStyle(after_answer="</s>", pictures_last=True),  # pleisto/yuren-*
}
"""By `model_type`, the ChatML of models whose tokenizer comes without a chat template."""

VICUNA = (
    "{% set told = messages %}"
    "{% if messages and messages[0]['role'] == 'system' %}"
    "{% set told = messages[1:] %}{{ messages[0]['content'][0]['text'] + ' ' }}"
    "{% else %}{{ 'A chat between a curious human and an artificial intelligence assistant. The "
    "assistant gives helpful, detailed, and polite answers to the human\\'s questions. ' }}"
    "{% endif %}"
    "{% for message in told %}"
    "{% if message['role'] == 'user' %}{{ 'USER: ' }}"
    "{% elif message['role'] == 'assistant' %}{{ 'ASSISTANT: ' }}"
    "{% else %}{{ raise_exception('only the first message may be the system\\'s') }}{% endif %}"
    "{% for part in message['content'] %}"
    "{{ '<image>\\n' if part['type'] == 'image' else part['text'] }}"
    "{% endfor %}"
    "{{ '</s>' if message['role'] == 'assistant' else ' ' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
"""The prompt of LLaVA-1.5, whose original directories hold no template."""


def chatml_style(config: LlamaConfig, tokenizer: PreTrainedTokenizerBase) -> ChatMLStyle:
    """The ChatML that a model was trained on: as its config says, or as is known of its kind."""
    if tokenizer.chat_template is None:
        return STYLES_WITHOUT_TEMPLATE.get(config.model_type, PLAIN)
    if isinstance(config, MultimodalLlamaConfig):
        return ChatMLStyle(config.mm_after_answer, config.mm_pictures_last)
    return PLAIN


def llava_format(
    tokenizer: PreTrainedTokenizerBase, image_token: str, template: str | None
) -> TemplateFormat:
    """The tokenizer's own template, or the one given, or Vicuna's; it is given what it lacks."""
    if tokenizer.chat_template is None:
        tokenizer.chat_template = template or VICUNA
    if image_token not in tokenizer.get_vocab():
        tokenizer.add_tokens([AddedToken(image_token, special=True, normalized=False)])
    return TemplateFormat(tokenizer, image_token=image_token)


def prompt_format_of(config: LlamaConfig, tokenizer: PreTrainedTokenizerBase) -> PromptFormat:
    """ChatML for ours and for models without a template; else the model's own template.

    Raises:
        ModelFormatError: it has no template, knows no ChatML, and cannot be taught it here.
    """
    if isinstance(config, MultimodalLlamaConfig) or tokenizer.chat_template in (
        None,
        chat_template(),
    ):
        known = ChatML(chatml_style(config, tokenizer))
        lacks = not set(known.needed(sees=False)) <= tokenizer.get_vocab().keys()
        if lacks and config.model_type not in TRAINED:
            raise ModelFormatError(
                tr("error.template.absent", kind=config.model_type),
                tr("error.template.absent_hint"),
            )
        return known
    return TemplateFormat(tokenizer)
