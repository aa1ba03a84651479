# SPDX-License-Identifier: Apache-2.0
"""Screens: each puts widgets together, drives the session, and has a stylesheet of its own."""
