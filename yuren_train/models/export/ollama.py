# SPDX-License-Identifier: Apache-2.0
"""The Modelfile with which Ollama takes GGUF files over: `ollama create NAME -f Modelfile`."""

from __future__ import annotations

from collections.abc import Sequence

from yuren_core.chatml import IM_END, IM_START
from yuren_core.sampling_params import GREEDY, SamplingAdvice

_TEMPLATE = (
    "{{- range .Messages }}"
    f"{IM_START}{{{{ .Role }}}}\n{{{{ .Content }}}}{IM_END}\n"
    f"{{{{ end }}}}{IM_START}assistant\n"
)
_NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "repetition_penalty": "repeat_penalty",
}


def modelfile(files: Sequence[str], *, context: int, sampling: SamplingAdvice) -> str:
    """The Modelfile.

    Args:
        files: names of the GGUF files beside it, the language model first.
        context: tokens that prompt and answer may fill.
        sampling: what the model is best sampled with.
    """
    advice: dict[str, object] = {"temperature": 0} if sampling == GREEDY else dict(sampling.values)
    lines = [f"FROM ./{name}" for name in files]
    lines.append(f'TEMPLATE """{_TEMPLATE}"""')
    lines.append(f'PARAMETER stop "{IM_END}"')
    lines.append(f"PARAMETER num_ctx {context}")
    lines += [
        f"PARAMETER {_NAMES[name]} {value}" for name, value in advice.items() if name in _NAMES
    ]
    return "\n".join(lines) + "\n"
