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
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path

from torch import Tensor
from tqdm import tqdm

from .console import StoppedError, say
from .features import Features
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
from .pipeline import Encoded, Settings, paint_frame
from .progress import Progress, ignore, in_turn
from .runtime import Tiles
from .transfer.mask import mask_images
from .transfer.mix import mix_styles
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
    """A picture to paint, its styles, and the file that is written; ``done`` where that is there already."""

    content: Path
    styles: WeightedStyles
    target: Path
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
    jobs = _plan(options, settings, outcome)
    todo = [job for job in jobs if not job.done]
    single = len(jobs) == 1 and not outcome.failures
    if single and todo:
        _check_single(options, todo[0])
    progress = _Progress(len(todo))
    try:
        if todo:
            progress.say("loading the model")
            _Painter(options, settings, load_model(), progress, outcome).paint(jobs)
    except KeyboardInterrupt as interrupt:
        raise StoppedError(_stopped(len(outcome.written), len(todo))) from interrupt
    finally:
        progress.close()
    if single and outcome.failures:
        raise PictureError(outcome.failures[0][1])
    _report(options, jobs, outcome)
    return 1 if outcome.failures else 0


def _plan(options: argparse.Namespace, settings: Settings, outcome: Outcome) -> list[Job]:
    """The jobs in their order; refuses what can be refused before anything is painted."""
    content, styles, output = options.content, options.styles, options.output
    contents, style_choices = [content], [tuple(styles)]
    many = content.is_dir() or styles[0][0].is_dir()
    if many and output.exists() and not output.is_dir():
        raise ValueError(f"{output} is a file, and a folder is needed for more than one painting.")
    if content.is_dir():
        contents, skipped = sort_pictures(content, options.recursive, leave_out=output)
        _say_skipped(content, skipped)
    elif options.recursive:
        raise ValueError(f"--recursive is for a folder of contents, but {content} is no folder: leave it out.")
    if styles[0][0].is_dir():
        found, skipped = sort_pictures(styles[0][0], leave_out=output)
        _say_skipped(styles[0][0], skipped)
        style_choices = [((path, 1.0),) for path in found]
    if settings.steady and not content.is_dir() and frame_total(content) == 1:
        raise ValueError(
            f"--steady is for the frames of a video, but {content} is no folder and no animation: leave it out."
        )

    jobs = []
    for choice in style_choices:
        for path in contents:
            target = output
            if many:
                inside = path.relative_to(content) if content.is_dir() else Path(path.name)
                name = f"{path.stem}_{choice[0][0].stem}" if styles[0][0].is_dir() else path.stem
                target = output / inside.parent / (name + _ending(path, options.first_frame))
            jobs.append(Job(path, choice, target, options.skip_existing and target.exists()))
    color = None if options.color in (None, COLOR_OF_CONTENT) else Path(options.color)
    shared = [path for path in (color, options.mask) if path is not None]
    shared += [path for path, _ in styles] if len(style_choices) == 1 else []
    for path in shared:
        frame_total(path)  # raises for what is no picture
    read = {path for job in jobs for path in (job.content, *(style for style, _ in job.styles))}
    _refuse_overwriting(jobs, [*read, *shared, options.model])
    return _without_clashes(jobs, outcome)


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


class MixedStyles(Encoded):
    """Several styles as one, mixed at each size that is asked for.

    Args:
        styles: of one model.
        weights: how much each counts.
    """

    def __init__(self, styles: Sequence[Encoded], weights: Sequence[float]) -> None:
        self._styles = styles
        self._weights = weights
        self._mixed: dict[int, Features] = {}

    @property
    def side(self) -> int:
        return max(style.side for style in self._styles)

    def pixels_to_encode(self, side: int) -> float:
        return sum(self._pixels(side))

    def features(self, side: int, progress: Progress = ignore) -> Features:
        if side not in self._mixed:
            each = zip(self._styles, self._sides(side), in_turn(progress, *self._pixels(side)), strict=True)
            encoded = [style.features(own_side, of_style) for style, own_side, of_style in each]
            self._mixed[side] = mix_styles(encoded, self._weights)
        return self._mixed[side]

    def _sides(self, side: int) -> list[int]:
        return [max(1, round(side * style.side / self.side)) for style in self._styles]

    def _pixels(self, side: int) -> list[float]:
        return [style.pixels_to_encode(own) for style, own in zip(self._styles, self._sides(side), strict=True)]


class _Painter:
    """Paints job after job, with what is the same for all of them encoded once."""

    def __init__(
        self, options: argparse.Namespace, settings: Settings, model: ArtNet, progress: _Progress, outcome: Outcome
    ) -> None:
        self._options = options
        self._settings = settings
        self._model = model
        self._progress = progress
        self._outcome = outcome
        self._tiles = Tiles()
        self._color: Encoded | None = None
        self._mask: Tensor | None = None
        self._temporal: list[TemporalState] | None = None

    def paint(self, jobs: Sequence[Job]) -> None:
        """Paints what is not done yet."""
        options = self._options
        if options.mask is not None:
            mask = read_picture(options.mask)
            shade = mask.rgb.mean(1)
            self._mask = shade if mask.alpha is None else shade * mask.alpha[:, 0]
        if options.color not in (None, COLOR_OF_CONTENT):
            self._color = self._read_style(Path(options.color), None)
        for styles, group in groupby(jobs, key=attrgetter("styles")):
            self._paint_group(styles, list(group))

    def _paint_group(self, styles: WeightedStyles, jobs: Sequence[Job]) -> None:
        todo = [job for job in jobs if not job.done]
        if not todo:
            return
        try:
            read = [self._read_style(path, self._settings.style_size or None) for path, _ in styles]
            texture = read[0] if len(read) == 1 else MixedStyles(read, [weight for _, weight in styles])
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
                except (ValueError, OSError, MemoryError) as error:
                    self._fail(str(job.content), error)
                    if self._temporal is not None:
                        self._temporal = []
            before = job

    def _paint_job(self, job: Job, texture: Encoded) -> None:
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
                rgb = self._paint_picture(picture.rgb, picture.alpha, texture, of_frames[index])
                metadata = picture.metadata
                if options.strip_metadata:
                    metadata = Metadata(duration=metadata.duration, plays=metadata.plays)
                yield replace(picture, rgb=rgb.cpu(), metadata=metadata)

        write_frames(job.target, painted(), options.depth, options.quality)
        self._outcome.written.append(job.target)
        self._progress.next()

    def _paint_picture(self, rgb: Tensor, alpha: Tensor | None, texture: Encoded, progress: Progress) -> Tensor:
        content = Encoded(self._model, rgb, self._tiles, alpha)
        color = content if self._options.color == COLOR_OF_CONTENT else self._color
        painted = paint_frame(
            self._model, content, texture, color, self._settings, self._temporal, self._tiles, progress
        )
        return painted if self._mask is None else mask_images(rgb, painted, self._mask)

    def _go_on_after(self, job: Job, texture: Encoded) -> None:
        """Paints the last picture of a job that is done once more, for its strokes to be known to the next one."""
        self._temporal = []
        for picture in islice(read_frames(job.content, self._options.size), frame_total(job.content) - 1, None):
            self._paint_picture(picture.rgb, picture.alpha, texture, self._progress.of_nothing)

    def _read_style(self, path: Path, size: int | None) -> Encoded:
        self._progress.say(f"style {path.name}")
        picture = read_picture(path, size, LARGEST_STYLE)
        self._say_notes(path, picture)
        return Encoded(self._model, picture.rgb, self._tiles, picture.alpha)

    def _say_notes(self, path: Path, picture: Picture) -> None:
        for note in picture.notes:
            self._progress.write(f"{path}: {note}.")

    def _fail(self, name: str, error: Exception, jobs: int = 1) -> None:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            raise error  # the next ones would have no more room
        reason = " ".join(str(error).split()) or "there is not enough memory: make it smaller with --size."
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
