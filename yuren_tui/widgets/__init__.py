# SPDX-License-Identifier: Apache-2.0
"""Widgets: values go down, messages go up. They know neither the app nor the session."""
