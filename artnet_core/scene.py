"""Masks, maps and regions from files, for ``artnet stylize``.

A folder of regions holds for each of them, here ``sky``::

    sky.png             where it is, white; for frames a folder sky, or an animation, with a mask for each
    sky.style.jpg       the picture whose strokes it takes, if --region sky=FILE does not say so
    sky.style.mask.png  which part of that picture counts; all by default
    sky.color.jpg       the picture whose colours it takes; those of --color, or of its style, by default
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from torch import Tensor

from .files.opening import readable_suffixes
from .images import Picture, PictureError, frame_total, pictures_in, read_frames, read_picture

_STYLE, _STYLE_MASK, _COLOR = "style", "style.mask", "color"


class Masks:
    """Masks of a file or a folder: one for all pictures, or one for each.

    Args:
        path: a picture, an animation, a file of several pages, or a folder of pictures in the order of their numbers.

    Raises:
        FileNotFoundError: there is no such file.
        PictureError: it cannot be read as a picture.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = pictures_in(path) if path.is_dir() else [path]
        frames = [frame_total(file) for file in self.files]  # raises for what is no picture
        self.count = len(frames) if path.is_dir() else frames[0]
        self._rest: Iterator[Picture] = iter(())
        self._next = 0
        self._last: tuple[int, Tensor] | None = None

    def check(self, pictures: int) -> None:
        """Raises ValueError unless there is one mask, or one for each of so many pictures."""
        if self.count not in (1, pictures):
            wanted = "1 picture: give 1" if pictures == 1 else f"{pictures} pictures: give 1 or {pictures}"
            raise ValueError(f"{self.path} holds {self.count} masks for {wanted}.")

    def at(self, index: int) -> Tensor:
        """The mask of a picture, or the only one: ``[1, h, w]``, 0..1; the darker and the more transparent the less."""
        index = min(index, self.count - 1)
        if self._last is None or self._last[0] != index:
            self._last = index, _shade(self._read(index))
        return self._last[1]

    def _read(self, index: int) -> Picture:
        if len(self.files) > 1:
            return read_picture(self.files[index])
        if index != self._next or index == 0:
            self._rest = islice(read_frames(self.path if self.path.is_file() else self.files[0]), index, None)
        self._next = index + 1
        return next(self._rest)


@dataclass(frozen=True)
class RegionFiles:
    """The files of a region.

    Attributes:
        name: of the region.
        mask: where it is.
        style: the picture whose strokes are copied.
        style_mask: which part of it counts; all by default.
        color: the picture whose colours are taken.
    """

    name: str
    mask: Masks
    style: Path
    style_mask: Masks | None = None
    color: Path | None = None


class Scene:
    """All that varies over the pictures of a run: which part of them is painted, and how.

    Args:
        options: of the command line.

    Attributes:
        mask, detail, strength, stroke_size: for each picture; None where there is none.
        style_mask, color_mask: which part of a style counts.
        regions: parts with styles of their own.

    Raises:
        FileNotFoundError, PictureError: a file is not there, or is no picture.
        ValueError: a region lacks its mask or its style, or a style has several masks.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        given = (options.mask, options.detail_map, options.strength_map, options.stroke_map)
        self.mask, self.detail, self.strength, self.stroke_size = map(_masks, given)
        self.style_mask, self.color_mask = map(_masks, (options.style_mask, options.color_mask))
        self.regions = read_regions(options.regions, options.region or []) if options.regions else []
        self._varying = [self.mask, self.detail, self.strength, self.stroke_size]
        self._varying += [region.mask for region in self.regions]
        self._fixed = [self.style_mask, self.color_mask, *(region.style_mask for region in self.regions)]
        for masks in self._fixed:
            if masks is not None:
                masks.check(1)
                if not (masks.at(0) > 0).any():
                    raise ValueError(f"{masks.path} is black everywhere: nothing of the style would be left.")

    @property
    def varies(self) -> bool:
        """Whether pictures have masks of their own."""
        return any(masks is not None and masks.count > 1 for masks in self._varying)

    def check(self, pictures: int) -> None:
        """Raises ValueError unless all masks are for one picture or for so many."""
        for masks in self._varying:
            if masks is not None:
                masks.check(pictures)

    @property
    def files(self) -> list[Path]:
        """All that is read."""
        masks = (file for masks in (*self._varying, *self._fixed) if masks is not None for file in masks.files)
        styles = (path for region in self.regions for path in (region.style, region.color) if path is not None)
        return [*masks, *styles]


def _masks(path: Path | None) -> Masks | None:
    return None if path is None else Masks(path)


def read_regions(folder: Path, styles: Sequence[tuple[str, Path]]) -> list[RegionFiles]:
    """The regions of a folder, by name.

    Args:
        folder: see the module.
        styles: names of regions and the styles that take the place of those in the folder.

    Raises:
        FileNotFoundError, PictureError: a file is not there, or is no picture.
        ValueError: a region lacks its mask or its style, or has one twice, or a name cannot be read.
    """
    if not folder.is_dir():
        raise PictureError(f"There is no folder {folder}: --regions takes a folder of masks.")
    masks: dict[str, Path] = {}
    parts: dict[tuple[str, str], Path] = {}
    for path in sorted(_pictures_and_folders(folder)):
        name, _, role = (path.name if path.is_dir() else path.stem).partition(".")
        if role not in ("", _STYLE, _STYLE_MASK, _COLOR):
            raise ValueError(
                f"{path}: after the name of the region, {name}, expected nothing for its mask, or .{_STYLE}, "
                f".{_STYLE_MASK} or .{_COLOR}, got .{role}."
            )
        before = parts.get((name, role)) if role else masks.get(name)
        if before is not None:
            raise ValueError(f"{before} and {path} are the same of region {name}: remove one of them.")
        if role:
            parts[name, role] = path
        else:
            masks[name] = path
    for name, path in styles:
        if name not in masks:
            raise ValueError(
                f"--region {name}={path}: there is no mask {name}.png in {folder}, which holds {_listed(masks)}."
            )
        parts[name, _STYLE] = path
    if not masks:
        raise PictureError(f"{folder} holds no masks: put one picture for each region there, such as sky.png.")
    for (name, _), path in parts.items():
        if name not in masks:
            raise ValueError(f"{path} has no mask beside it: put {name}.png there, white where the region is.")
        if path.is_dir():
            raise ValueError(f"{path} is a folder: only the mask of a region can be one, with a mask for each frame.")
        frame_total(path)  # raises for what is no picture
    for name, path in masks.items():
        if (name, _STYLE) not in parts:
            raise ValueError(
                f"{path} has no style: put {name}.{_STYLE}.jpg beside it, or say --region {name}=FILE, its style."
            )
    return [
        RegionFiles(
            name,
            Masks(path),
            parts[name, _STYLE],
            _masks(parts.get((name, _STYLE_MASK))),
            parts.get((name, _COLOR)),
        )
        for name, path in masks.items()
    ]


def _pictures_and_folders(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if not path.name.startswith(".") and (path.is_dir() or path.suffix.lower() in readable_suffixes()):
            yield path


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "no masks at all"


def _shade(picture: Picture) -> Tensor:
    shade = picture.rgb.mean(1)
    return shade if picture.alpha is None else shade * picture.alpha[:, 0]
