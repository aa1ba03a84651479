# SPDX-License-Identifier: Apache-2.0
"""The chat: talk to a multimodal LLaMA in the terminal.

Imports only the root files of `yuren_core`: the model lives in another process.
"""
