"""A mix of pictures as one style: at every size, under the finish, and of what is hidden in part."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import artnet_core as artnet
from artnet_core.painting.mixed import MixedStyles
from artnet_core.pipeline import Encoded, Mix, Pictures, Settings, paint
from artnet_core.transfer.gaussian import fit_gaussian
from artnet_core.transfer.histograms import Tones, histograms, match_histograms, mix_histograms
from artnet_core.transfer.mix import mix_styles


@pytest.fixture(scope="module")
def styles(photo: Tensor, painting: Tensor) -> tuple[Tensor, Tensor]:
    return photo[..., :96, :120], painting[..., :64, :80]


def painted(model: artnet.ArtNet, content: Tensor, style: Mix | Pictures, **settings: float) -> Tensor:
    with torch.inference_mode():
        return next(paint(model, Pictures.of(content, "content"), style, settings=Settings(**settings)))


def test_it_paints_as_its_features_do(model: artnet.ArtNet, styles: tuple[Tensor, Tensor], photo: Tensor) -> None:
    content = photo[..., 32:96, 64:144]
    mix = Mix("styles", [Pictures.of(style, "style") for style in styles], [2.0, 1.0])
    with torch.inference_mode():
        features = mix_styles([model.encode(style) for style in styles], [2.0, 1.0])
        expected = model.decode(artnet.sandwich_swap(model.encode(content), features))
        tones = mix_histograms([histograms(style) for style in styles], [2.0, 1.0])
        expected = match_histograms(expected, [Tones(tones)])
    assert torch.equal(painted(model, content, mix, detail=0.3), expected)
    encoded = Mix("styles", [model.encode(style) for style in styles], [2.0, 1.0])
    # Of features alone the tones are those of what the decoder makes of them.
    assert (painted(model, content, encoded, detail=0.3) - expected).abs().mean() < 0.05


def test_others_are_resized_with_the_largest(model: artnet.ArtNet, styles: tuple[Tensor, Tensor]) -> None:
    mixed = MixedStyles([Encoded(model, style) for style in styles], [1.0, 1.0])
    assert mixed.side == 120
    smaller = mix_styles(
        [Encoded(model, style).features(side) for style, side in zip(styles, (60, 40), strict=True)], [1.0, 1.0]
    )
    assert torch.equal(mixed.features(60).data, smaller.data)


def test_one_that_is_left_alone_is_itself(model: artnet.ArtNet, styles: tuple[Tensor, Tensor], photo: Tensor) -> None:
    first, second = (Pictures.of(style, "style") for style in styles)
    content, settings = photo[..., :64, :64], {"stroke_size": 1.0, "finish": 2}
    alone = painted(model, content, Mix("styles", [first, second], [0.0, 3.0]), **settings)
    assert torch.equal(alone, painted(model, content, second, **settings))


def test_the_finish_sees_all_styles_in_one_palette(model: artnet.ArtNet, styles: tuple[Tensor, Tensor]) -> None:
    mixed = MixedStyles([Encoded(model, style) for style in styles], [3.0, 1.0])
    shown = mixed.at(120)
    assert shown.shape == (1, 3, 64, 120 + 40)
    first, second = (style[0].flatten(1).mean(1) for style in styles)
    found = fit_gaussian(shown[0, :, :, :120].flatten(1)).mean[:, 0]
    assert (found - (0.75 * first + 0.25 * second)).abs().max() < 0.06
    assert (first - second).abs().max() > 0.1


def test_of_what_is_hidden_nothing_is_seen(model: artnet.ArtNet, styles: tuple[Tensor, Tensor], photo: Tensor) -> None:
    weight = torch.ones(96, 120)
    weight[:, 60:] = 0
    loud = styles[0].clone()
    loud[..., 60:] = torch.rand_like(loud[..., 60:])
    content = photo[..., :64, :64]

    def of(picture: Tensor) -> Tensor:
        mix = Mix("styles", [Pictures.of(picture, "a", weight), Pictures.of(styles[1], "b")], [1.0, 1.0])
        return painted(model, content, mix, finish=2)

    assert torch.equal(of(loud), of(styles[0]))
    nothing = Mix("styles", [Pictures.of(style, "style", torch.zeros(8, 8)) for style in styles], [1.0, 1.0])
    with pytest.raises(ValueError, match="Nothing of the texture style is seen"):
        painted(model, content, nothing)
