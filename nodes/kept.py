"""Features of single pictures, kept for as long as the host keeps the picture: a moved slider encodes nothing anew.

The host gives nodes no place of their own to keep something in: a node of the schema of today is a class that is cloned
for each run. But between two runs its cache holds the very IMAGEs that have not changed. So features are kept beside
them, and go when the host lets go of a picture: in another workflow, when memory is freed, or where it caches nothing.
They lie where the host has pictures wait, which is RAM but for ``--gpu-only``.
"""

from __future__ import annotations

import weakref

import comfy.model_management as mm
from torch import Tensor

from ..artnet_core import Features
from ..artnet_core.features import ModelId

# In bytes: two pictures of 1920 x 1080 in float32, with room to spare. What was asked for longest ago goes first.
_MOST = 512 * 2**20

# By the identity of the picture, the model and the longer side, in the order in which they were asked for.
_features: dict[tuple[int, tuple[ModelId, int]], Features] = {}
_watched: set[int] = set()


class FeaturesOf:
    """The features of an IMAGE of one picture, by model and longer side. It does not keep the picture itself."""

    def __init__(self, image: Tensor) -> None:
        self._picture = id(image)
        if self._picture not in _watched:
            _watched.add(self._picture)
            weakref.finalize(image, _forget, self._picture).atexit = False

    def get(self, key: tuple[ModelId, int]) -> Features | None:
        found = _features.pop((self._picture, key), None)
        if found is not None:
            _features[self._picture, key] = found
        return found

    def __setitem__(self, key: tuple[ModelId, int], features: Features) -> None:
        _features[self._picture, key] = features.with_data(features.data.to(mm.intermediate_device()))
        while sum(kept.data.nbytes for kept in list(_features.values())) > _MOST:
            del _features[next(iter(_features))]


def _forget(picture: int) -> None:
    _watched.discard(picture)
    # Of a copy, since another picture may go meanwhile.
    for key in list(_features):
        if key[0] == picture:
            _features.pop(key, None)
