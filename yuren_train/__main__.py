# SPDX-License-Identifier: Apache-2.0
"""`python -m yuren_train`: what torchrun starts."""

from yuren_train.cli import main

main()
