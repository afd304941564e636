"""``artnet stylize``: one picture or thousands, of which no bad one stops the rest."""

from __future__ import annotations

import argparse
import errno
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path

from torch import Tensor
from tqdm import tqdm

from .console import StoppedError, say, unusable
from .features import nothing_seen
from .files.metadata import Metadata
from .files.saving import check_target
from .images import (
    Picture,
    PictureError,
    file_identity,
    frame_total,
    read_frames,
    read_picture,
    sort_pictures,
    write_frames,
)
from .model import ArtNet
from .options import COLOR_OF_CONTENT, settings_of
from .painting.areas import given
from .painting.level import MOST_STYLES_KEPT
from .painting.mixed import MixedStyles
from .pipeline import Area, Encoded, Pictures, Settings, paint_frame
from .progress import Progress, in_turn
from .runtime import Tiles
from .scene import Masks, Scene
from .transfer.mask import mask_images
from .video.resuming import load_strokes, save_strokes, strokes_file
from .video.steadiness import TemporalState

LARGEST_STYLE = 2048
"""Pixels of a style's longer side beyond which it only takes memory and time."""

WeightedStyles = tuple[tuple[Path, float], ...]

_PAGES = (".tif", ".tiff")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_MOST_NAMES = 3

# Between two looks at how far a picture is: each is a line in a file that the output goes to.
_SECONDS_ON_TERMINAL, _SECONDS_ELSEWHERE = 0.1, 2.0


@dataclass(frozen=True)
class Job:
    """A picture to paint, its styles, and the file that is written.

    Attributes:
        styles: none where regions alone are painted.
        number: of the picture among all contents.
        done: whether the file is there already.
    """

    content: Path
    styles: WeightedStyles
    target: Path
    number: int = 0
    done: bool = False


@dataclass
class Outcome:
    """What became of the jobs: files that are written, and what could not be painted and why."""

    written: list[Path] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)


def stylize(options: argparse.Namespace, load_model: Callable[[], ArtNet]) -> int:
    """Paints all that the options name; returns the exit status, 1 where something could not be painted.

    Args:
        options: of the command line.
        load_model: called once all that can be refused without it has been.

    Raises:
        ValueError: nothing can be painted so; the message says why.
        StoppedError: Ctrl-C; the message says what is done.
    """
    settings = Settings(**settings_of(options))
    outcome = Outcome()
    jobs, scene = _plan(options, settings, outcome)
    todo = [job for job in jobs if not job.done]
    single = len(jobs) == 1 and not outcome.failures
    if single and todo:
        _check_single(options, todo[0])
    progress = _Progress(len(todo))
    try:
        if todo:
            progress.say("loading the model")
            _Painter(options, settings, scene, load_model(), progress, outcome).paint(jobs)
    except KeyboardInterrupt as interrupt:
        raise StoppedError(_stopped(len(outcome.written), len(todo))) from interrupt
    finally:
        progress.close()
    if single and outcome.failures:
        raise PictureError(outcome.failures[0][1])
    _report(options, jobs, outcome)
    return 1 if outcome.failures else 0


def _plan(options: argparse.Namespace, settings: Settings, outcome: Outcome) -> tuple[list[Job], Scene]:
    """The jobs in their order, and what varies over them; refuses what can be refused before anything is painted."""
    content, styles, output = options.content, options.styles, options.output
    contents, style_choices = [content], [tuple(styles)]
    folder = styles[0][0] if styles and styles[0][0].is_dir() else None
    many = content.is_dir() or folder is not None
    if many and output.exists() and not output.is_dir():
        raise ValueError(f"{output} is a file, and a folder is needed for more than one painting.")
    if content.is_dir():
        contents, skipped = sort_pictures(content, options.recursive, leave_out=output)
        _say_skipped(content, skipped)
    elif options.recursive:
        raise ValueError(f"--recursive is for a folder of contents, but {content} is no folder: leave it out.")
    if folder is not None:
        found, skipped = sort_pictures(folder, leave_out=output)
        _say_skipped(folder, skipped)
        style_choices = [((path, 1.0),) for path in found]
    if settings.steady and not content.is_dir() and frame_total(content) == 1:
        raise ValueError(
            f"--steady is for the frames of a video, but {content} is no folder and no animation: leave it out."
        )

    jobs = []
    for choice in style_choices:
        for number, path in enumerate(contents):
            target = output
            if many:
                inside = path.relative_to(content) if content.is_dir() else Path(path.name)
                name = path.stem if folder is None else f"{path.stem}_{choice[0][0].stem}"
                target = output / inside.parent / (name + _ending(path, options.first_frame))
            jobs.append(Job(path, choice, target, number, options.skip_existing and target.exists()))
    color = None if options.color in (None, COLOR_OF_CONTENT) else Path(options.color)
    shared = [] if color is None else [color]
    shared += [path for path, _ in styles] if folder is None else []
    for path in shared:
        frame_total(path)  # raises for what is no picture
    scene = Scene(options)
    if scene.varies:
        of_files = content.is_dir() or options.first_frame
        scene.check(len(contents) if of_files else frame_total(content))
    shared += scene.files
    read = {path for job in jobs for path in (job.content, *(style for style, _ in job.styles))}
    _refuse_overwriting(jobs, [*read, *shared, options.model])
    return _without_clashes(jobs, outcome), scene


def _ending(content: Path, first_frame: bool) -> str:
    """Of a painting in a folder: several pages stay a .tif, all else, animations too, is a .png."""
    if content.suffix.lower() in _PAGES and not first_frame:
        try:
            return ".tif" if frame_total(content) > 1 else ".png"
        except (PictureError, OSError):
            return ".png"  # and why it cannot be read is said when it is its turn
    return ".png"


def _refuse_overwriting(jobs: Sequence[Job], inputs: Sequence[Path | None]) -> None:
    read = {file_identity(path) for path in inputs if path is not None}
    for job in jobs:
        check_target(job.target)
        if file_identity(job.target) in read:
            raise ValueError(f"{job.target} is one of the pictures that are read: write to another file or folder.")


def _without_clashes(jobs: Sequence[Job], outcome: Outcome) -> list[Job]:
    """The jobs but for those that would write over each other, which are failures."""
    by_target: dict[object, list[Job]] = {}
    for job in jobs:
        by_target.setdefault(file_identity(job.target), []).append(job)
    clashing = [group for group in by_target.values() if len(group) > 1]
    for group in clashing:
        names = " and ".join(str(job.content) for job in group)
        outcome.failures.append((names, f"all would become {group[0].target}: rename one of them."))
    return [job for job in jobs if all(job not in group for group in clashing)] if clashing else list(jobs)


def _check_single(options: argparse.Namespace, job: Job) -> None:
    """Refuses what only the picture itself tells, before the model is loaded."""
    frames = 1 if options.first_frame else frame_total(job.content)
    check_target(job.target, frames=frames, depth=options.depth)
    try:
        check_target(job.target, alpha=True, frames=frames, depth=options.depth)
    except PictureError:
        if read_picture(job.content, options.size).alpha is not None:
            raise


class _Painter:
    """Paints job after job, with what is the same for all of them encoded once."""

    def __init__(
        self,
        options: argparse.Namespace,
        settings: Settings,
        scene: Scene,
        model: ArtNet,
        progress: _Progress,
        outcome: Outcome,
    ) -> None:
        self._options = options
        self._settings = settings
        self._scene = scene
        self._model = model
        self._progress = progress
        self._outcome = outcome
        self._tiles = Tiles()
        self._color: Encoded | None = None
        self._styles: dict[tuple[Path, Masks | None], Encoded] = {}  # of regions
        self._noted: set[tuple[Path, str]] = set()
        self._temporal: list[TemporalState] | None = None

    def paint(self, jobs: Sequence[Job]) -> None:
        """Paints what is not done yet."""
        options = self._options
        if options.color not in (None, COLOR_OF_CONTENT):
            self._color = self._read_style(Path(options.color), None, self._scene.color_mask)
            if not self._color.is_seen:
                raise nothing_seen("color style")
        self._look_at_styles()
        for styles, group in groupby(jobs, key=attrgetter("styles")):
            self._paint_group(styles, list(group))

    def _look_at_styles(self) -> None:
        """Reads the styles of all regions once, so that what is wrong with one is said before anything is painted."""
        regions = self._scene.regions
        styles = {(region.style, region.style_mask) for region in regions}
        keeps = len(styles) + len({region.color for region in regions} - {None}) <= MOST_STYLES_KEPT
        for region in regions:
            for name, path, mask in (
                ("texture style", region.style, region.style_mask),
                ("color style", region.color, None),
            ):
                if path is not None and (path, mask) not in self._styles:
                    style = self._of_region(path, mask)
                    if not style.is_seen:
                        raise nothing_seen(f"{name} of {region.name}")
                    if keeps:
                        self._styles[path, mask] = style

    def _of_region(self, path: Path, mask: Masks | None) -> Encoded:
        kept = self._styles.get((path, mask))
        return self._read_style(path, None, mask) if kept is None else kept

    def _areas(self, content: Encoded, index: int) -> list[Area]:
        """The regions of a picture."""
        areas = []
        for region in self._scene.regions:
            color: Callable[[], Encoded] | None = None
            if region.color is not None:
                color = partial(self._of_region, region.color, None)
            elif self._options.color is not None:
                color = given(content if self._color is None else self._color)
            texture = partial(self._of_region, region.style, region.style_mask)
            areas.append(Area(region.mask.at(index), texture, color, name=region.name))
        return areas

    def _paint_group(self, styles: WeightedStyles, jobs: Sequence[Job]) -> None:
        todo = [job for job in jobs if not job.done]
        if not todo:
            return
        try:
            texture = self._base(styles)
        except (ValueError, OSError, MemoryError) as error:
            self._fail(", ".join(str(path) for path, _ in styles), error, len(todo))
            return
        self._temporal = [] if self._settings.steady else None
        before: Job | None = None
        for job in jobs:
            if not job.done:
                try:
                    if before is not None and before.done and self._temporal is not None:
                        self._go_on_after(before, texture)
                    self._paint_job(job, texture)
                    if self._temporal is not None and len(jobs) > 1:
                        save_strokes(job.target, self._temporal)
                        if before is not None:
                            strokes_file(before.target).unlink(missing_ok=True)
                except (ValueError, OSError, MemoryError) as error:
                    self._fail(str(job.content), error)
                    if self._temporal is not None:
                        self._temporal = []
            before = job
        strokes_file(jobs[-1].target).unlink(missing_ok=True)

    def _base(self, styles: WeightedStyles) -> Encoded | None:
        """What paints where no region is; None leaves that as it is."""
        size, mask = self._settings.style_size or None, self._scene.style_mask
        read = [self._read_style(path, size, mask) for path, _ in styles]
        for style in read:
            if not style.is_seen:
                raise nothing_seen("texture style")
        if len(read) > 1:
            return MixedStyles(read, [weight for _, weight in styles])
        return read[0] if read else None

    def _paint_job(self, job: Job, texture: Encoded | None) -> None:
        options = self._options
        self._progress.say(job.content.name)
        frames = 1 if options.first_frame else frame_total(job.content)
        check_target(job.target, frames=frames, depth=options.depth)

        of_frames = in_turn(self._progress.of_picture, *[1] * frames)

        def painted() -> Iterator[Picture]:
            for index, picture in enumerate(islice(read_frames(job.content, options.size), frames)):
                check_target(job.target, picture.alpha is not None, frames, options.depth)
                if index == 0:
                    self._say_notes(job.content, picture)
                rgb = self._paint_picture(picture, texture, of_frames[index], job, index)
                metadata = picture.metadata
                if options.strip_metadata:
                    metadata = Metadata(duration=metadata.duration, plays=metadata.plays)
                yield replace(picture, rgb=rgb.cpu(), metadata=metadata)

        write_frames(job.target, painted(), options.depth, options.quality)
        self._outcome.written.append(job.target)
        self._progress.next()

    def _paint_picture(
        self, picture: Picture, texture: Encoded | None, progress: Progress, job: Job, frame: int
    ) -> Tensor:
        content = Encoded(self._model, picture.rgb, self._tiles, picture.alpha)
        color = content if self._options.color == COLOR_OF_CONTENT else self._color
        scene, index = self._scene, job.number if self._options.content.is_dir() else frame
        maps = (
            None if masks is None else masks.at(index) for masks in (scene.detail, scene.strength, scene.stroke_size)
        )
        painted = paint_frame(
            self._model,
            content,
            texture,
            color,
            self._settings,
            self._temporal,
            self._tiles,
            progress,
            self._areas(content, index),
            *maps,
        )
        return painted if scene.mask is None else mask_images(picture.rgb, painted, scene.mask.at(index))

    def _go_on_after(self, job: Job, texture: Encoded | None) -> None:
        """Brings back the strokes of a job that is done, for the next one to go on from.

        Where they were not kept, its last picture is painted once more.
        """
        self._temporal = load_strokes(job.target)
        if self._temporal:
            return
        last = frame_total(job.content) - 1
        for picture in islice(read_frames(job.content, self._options.size), last, None):
            self._paint_picture(picture, texture, self._progress.of_nothing, job, last)

    def _read_style(self, path: Path, size: int | None, mask: Masks | None = None) -> Encoded:
        self._progress.say(f"style {path.name}")
        picture = read_picture(path, size, LARGEST_STYLE)
        self._say_notes(path, picture)
        pictures = Pictures(path.name, 1, lambda _: picture.rgb, lambda _: picture.alpha)
        if mask is not None:
            pictures = pictures.weighted(mask.at(0))
        return pictures.encoded(self._model, 0, self._tiles)

    def _say_notes(self, path: Path, picture: Picture) -> None:
        for note in picture.notes:
            if (path, note) not in self._noted:
                self._progress.write(f"{path}: {note}.")
                self._noted.add((path, note))

    def _fail(self, name: str, error: Exception, jobs: int = 1) -> None:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            raise error  # the next ones would have no more room
        text = unusable(error) if isinstance(error, OSError) else str(error)
        reason = " ".join(text.split()) or "there is not enough memory: make it smaller with --size."
        self._outcome.failures.append((name, reason))
        for _ in range(jobs):
            self._progress.next()


class _Progress:
    """How far the work is, on stderr; on a terminal the clock moves too."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._every = _SECONDS_ON_TERMINAL if sys.stderr.isatty() else _SECONDS_ELSEWHERE
        self._shown = -math.inf
        form = "{desc}: {percentage:3.0f}%|{bar}| {postfix} [{elapsed}<{remaining}]"
        self._bar = tqdm(total=max(total, 1), bar_format=form, disable=total == 0, mininterval=0)
        self._ended = threading.Event()
        if sys.stderr.isatty() and total:
            threading.Thread(target=self._tick, daemon=True).start()

    def say(self, what: str) -> None:
        self._bar.set_description_str(what[:40], refresh=False)
        self._show(0)

    def of_picture(self, share: float) -> None:
        """How much of the current picture is painted, 0..1."""
        if time.monotonic() - self._shown >= self._every:
            self._show(share)

    def of_nothing(self, _share: float) -> None:
        """Work that is no part of a picture to be written; keeps the clock moving."""
        self.of_picture(0)

    def next(self) -> None:
        self._done += 1
        self._show(0)

    def write(self, line: str) -> None:
        self._bar.clear()
        say(line, sys.stderr)

    def close(self) -> None:
        self._ended.set()
        self._bar.close()

    def _show(self, share: float) -> None:
        self._bar.n = min(self._done + share, self._total)
        self._bar.set_postfix_str(f"{self._done}/{self._total}", refresh=True)
        self._shown = time.monotonic()

    def _tick(self) -> None:
        while not self._ended.wait(1):
            self._bar.refresh()


def _say_skipped(folder: Path, skipped: Sequence[Path]) -> None:
    if skipped:
        names = ", ".join(path.name for path in skipped[:_MOST_NAMES]) + (", ..." if len(skipped) > _MOST_NAMES else "")
        files = "1 entry that is no picture" if len(skipped) == 1 else f"{len(skipped)} entries that are no pictures"
        say(f"Skipped in {folder}: {files} ({names}).", sys.stderr)


def _stopped(written: int, todo: int) -> str:
    if todo <= 1:
        return "stopped; nothing was written."
    return f"stopped after {written} of {todo} pictures; to go on, run the same command with --skip-existing."


def _report(options: argparse.Namespace, jobs: Sequence[Job], outcome: Outcome) -> None:
    written, there = len(outcome.written), sum(job.done for job in jobs)
    if len(jobs) == 1 and written:
        say(f"Wrote {outcome.written[0]}")
    elif written or there:
        say(f"Wrote {written} pictures to {options.output}" + (f"; {there} were there already" if there else ""))
    if outcome.failures:
        say(f"artnet: error: these could not be painted ({len(outcome.failures)}):", sys.stderr)
        for name, reason in outcome.failures:
            say(f"  {reason}" if name in reason else f"  {name}: {reason}", sys.stderr)
