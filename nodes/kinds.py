"""The kinds of wires that ArtNet adds, and what not every host's schema has."""

from __future__ import annotations

import dataclasses
from typing import Any

from comfy_api.v0_0_2 import io

CATEGORY = "ArtNet"

Model = io.Custom("ARTNET_MODEL")
"""Carries a :class:`~.managed.ManagedModel`."""

FeatureMaps = io.Custom("ARTNET_FEATURES")
"""Carries :class:`artnet_core.Features` on the host's intermediate device."""


def supported(**fields: Any) -> dict[str, Any]:
    """Those of the fields that this host's ``io.Schema`` knows."""
    known = {field.name for field in dataclasses.fields(io.Schema)}
    return {name: value for name, value in fields.items() if name in known}
