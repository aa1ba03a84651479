# SPDX-License-Identifier: Apache-2.0
"""The starter model's eyes, from nothing: art, scenes, tower, projector, stages, scores.

`python -m yuren_train.recipes.starter` makes what lies in `assets/starter`.
"""
