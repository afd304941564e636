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

Region = io.Custom("ARTNET_REGION")
"""Carries a :class:`~.region.StyledRegion`."""

Style = io.Custom("ARTNET_STYLE")
"""Carries a :class:`artnet_core.pipeline.Mix`: pictures of styles and their weights."""


def supported(**fields: Any) -> dict[str, Any]:
    """Those of the fields that this host's ``io.Schema`` knows."""
    known = {field.name for field in dataclasses.fields(io.Schema)}
    return {name: value for name, value in fields.items() if name in known}


def advanced(widget: io.Input) -> io.Input:
    """The same input, folded away until the artist asks for more; older hosts show it among the others."""
    widget.extra_dict["advanced"] = True
    return widget


def style_input(name: str, tooltip: str, *, optional: bool = False) -> io.Input:
    """A style: pictures, or several of them mixed."""
    return io.MultiType.Input(name, [io.Image, Style], optional=optional, tooltip=tooltip)


def model_input(without: str = "Without it the model that comes with ArtNet is used.") -> io.Input:
    """A model that need not be wired; ``without`` says what is used then."""
    return Model.Input("model", optional=True, tooltip=f"From ArtNet Loader. {without}")
