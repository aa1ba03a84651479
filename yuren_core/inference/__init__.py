# SPDX-License-Identifier: Apache-2.0
"""Answering: sampling, the prefix cache, the engine, and the process that serves it."""
