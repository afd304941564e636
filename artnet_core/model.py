"""The model: encoder, S2 at the bottleneck, decoder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .features import Features, ModelId
from .images import check_images, fill_hidden
from .network.aggregation import MARGIN, aggregate, pad_images
from .network.cosines import CHANNELS as DCT_CHANNELS
from .network.cosines import dct, dct_filters
from .network.decoder import Decoder
from .network.encoder import BLOCK_STRIDES, RECEPTIVE_RADIUS, Encoder, block_widths
from .pipeline import DEFAULTS, Pictures, Region, Settings, frame_count, paint
from .progress import Progress, ignore, in_turn
from .runtime import tile_bounds
from .transfer.mask import check_mask, mask_count, resize_mask


class ArtNet(nn.Module):
    """Universal style transfer with an encoder, a decoder that inverts it, and S2 between them.

    Args:
        encoder: the trunk, batch norms folded.
        decoder: made for the encoder's aggregated features.
        stride: pixels per position of the aggregated features, 8 or 16.
        provenance: what is known of the weights' origin; travels with the file.
        name: for error messages; that of the model file where there is one.
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        stride: int = 8,
        provenance: Mapping[str, str] | None = None,
        name: str = "",
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.stride = stride
        self.provenance = dict(provenance or {})
        self.name = name
        self.layers = layer_widths(encoder.widths)
        self._fingerprint: str | None = None
        self._device: torch.device | None = None
        self._dtype: torch.dtype | None = None
        self._filters: dict[tuple[torch.device, torch.dtype], Tensor] = {}

    @property
    def fingerprint(self) -> str:
        """Identifies all that decides features: weights, mean, std, stride and layers. Features know their model by it.

        Taken anew at each call until :meth:`freeze`, since weights may change.
        """
        if self._fingerprint is not None:
            return self._fingerprint
        digest = hashlib.sha256()
        for name, parameter in self.state_dict().items():
            digest.update(name.encode())
            digest.update(parameter.detach().cpu().half().contiguous().numpy().tobytes())
        rest = [self.encoder.mean, self.encoder.std, self.stride, list(self.layers.items())]
        digest.update(json.dumps(rest).encode())
        return digest.hexdigest()[:12]

    @property
    def id(self) -> ModelId:
        """What features carry of their model."""
        return ModelId(self.fingerprint, self.name)

    @property
    def device(self) -> torch.device:
        """Where pictures are worked on: where the weights are.

        A host whose layers fetch their weights when they run may set another.
        """
        return next(self.parameters()).device if self._device is None else self._device

    @device.setter
    def device(self, device: torch.device) -> None:
        self._device = device

    @property
    def dtype(self) -> torch.dtype:
        """What convolutions work in: the dtype of the decoder's weights.

        A host whose layers cast their weights to what they read may set another.
        """
        return next(self.decoder.parameters()).dtype if self._dtype is None else self._dtype

    @dtype.setter
    def dtype(self, dtype: torch.dtype) -> None:
        self._dtype = dtype

    @property
    def image_dtype(self) -> torch.dtype:
        """What pictures are read in, by conv1 and as cosines: :attr:`dtype`, but float32 where that is bfloat16.

        Patches are compared by conv1's features: with 8 bits for pixels and sums many would find another match.
        """
        return torch.float32 if self.dtype == torch.bfloat16 else self.dtype

    @property
    def feature_dtype(self) -> torch.dtype:
        """What aggregated features are in: :attr:`dtype`, but float16, of as many bytes, where that is bfloat16.

        Its 11 bits keep the matches of nearly all patches, and features lie in its range.
        """
        return torch.float16 if self.dtype == torch.bfloat16 else self.dtype

    def to(self, *args: Any, **kwargs: Any) -> ArtNet:
        """As :meth:`torch.nn.Module.to`. In bfloat16 the weights of conv1 stay in :attr:`image_dtype`."""
        device, dtype, non_blocking, _ = torch._C._nn._parse_to(*args, **kwargs)
        if dtype != torch.bfloat16:
            return super().to(*args, **kwargs)
        for part in (self.decoder, *(unit for name, unit in self.encoder.named_children() if name != "conv1")):
            part.to(device, dtype, non_blocking)
        self.encoder.conv1.to(device, torch.float32, non_blocking)
        return self

    def bfloat16(self) -> ArtNet:
        """``to(torch.bfloat16)``."""
        return self.to(torch.bfloat16)

    def freeze(self) -> ArtNet:
        """For inference: evaluation mode, no gradients, and a fingerprint that is taken once."""
        self._fingerprint = None
        self._fingerprint = self.fingerprint
        return self.eval().requires_grad_(False)

    def encode(
        self,
        images: Tensor,
        tile: int | None = None,
        weight: Tensor | None = None,
        progress: Progress = ignore,
    ) -> Features:
        """Encodes pictures of any size from 1x1.

        Args:
            images: ``[B, 3, H, W]``, floating, RGB, 0..1; what lies outside is clamped.
            tile: rows of the picture that are worked on at once, a multiple of 16; all by default. Tiles overlap by
                the encoder's receptive field, so less memory costs time, never the result.
            weight: ``[h, w]`` or ``[1 or B, h, w]`` of any size, 0..1: alpha, or a mask. What is 0 is neither content
                nor style: whatever lies hidden there, the features are the same. All counts by default.
            progress: is told which share is done.

        Returns:
            Features whose data is ``[B, C, ceil(H / 16) * 16 / stride, ceil(W / 16) * 16 / stride]``, on the
            model's device, in :attr:`feature_dtype`.

        Raises:
            TypeError: the pictures are no tensor.
            ValueError: they have another shape or dtype, no pixels, values that are not finite or reach far beyond 1,
                or ``tile`` is not a positive multiple of 16; or the weight does not fit them.

        Example:
            >>> artnet.load().encode(torch.rand(2, 3, 50, 70)).data.shape  # both sides rounded up to multiples of 16
            torch.Size([2, 746, 8, 10])
        """
        check_images(images)
        if weight is not None:
            weight = resize_mask(check_mask(weight, len(images)), (images.shape[-2], images.shape[-1]))
            images = fill_hidden(images, weight.to(images.device).expand(len(images), -1, -1, -1))
        # Brighter than white, as HDR pictures are, some features would exceed the range of float16.
        padded = pad_images(images.to(self.device, self.image_dtype).clamp(0, 1))
        height = padded.shape[-2]
        tiles, rows = [], list(tile_bounds(MARGIN, height - MARGIN, tile))
        of_tiles = in_turn(progress, *(bottom - top for top, bottom in rows))
        for (top, bottom), of_tile in zip(rows, of_tiles, strict=True):
            above, below = max(top - RECEPTIVE_RADIUS, 0), min(bottom + RECEPTIVE_RADIUS, height)
            tiles.append(self.aggregate(padded[..., above:below, :], top - above, below - bottom, of_tile))
        data = torch.cat(tiles, -2) if len(tiles) > 1 else tiles[0]
        size = images.shape[-2], images.shape[-1]
        return Features(data, self.layers, self.stride, size, self.id).weighted(weight)

    def aggregate(
        self, padded: Tensor, cut_top: int = MARGIN, cut_bottom: int = MARGIN, progress: Progress = ignore
    ) -> Tensor:
        """The features ``[B, C, h, w]`` of pictures that :func:`pad_images` padded, aggregated and cut as there."""

        def layers() -> Iterator[tuple[int, Tensor]]:
            for number, (name, block) in enumerate(self.encoder.blocks(padded, self.dtype, self.stride), 1):
                yield self.stride if name == "conv1" else BLOCK_STRIDES[name], block
                del block  # while the next one is made
                progress(number / len(self.layers))
            yield self.stride, dct(padded, self._dct_filters(padded))
            progress(1.0)

        channels = sum(self.layers.values())
        return aggregate(layers(), channels, self.stride, self.feature_dtype, cut_top, cut_bottom)

    def _dct_filters(self, images: Tensor) -> Tensor:
        """The cosines as filters, kept: to bring them to a GPU for every frame would be to wait for it each time."""
        key = images.device, images.dtype
        if key not in self._filters:
            with torch.inference_mode(False):  # whoever asks first, others may take gradients
                self._filters = {key: dct_filters(self.stride).to(images.dtype).to(images.device)}
        return self._filters[key]

    def decode(self, features: Features, tile: int | None = None, progress: Progress = ignore) -> Tensor:
        """Features to pictures of the size they were taken at.

        Args:
            features: of this model.
            tile: as in :meth:`encode`.
            progress: likewise.

        Returns:
            ``[B, 3, H, W]``, float32, clamped to 0..1, on the model's device.

        Raises:
            ValueError: the features belong to another model, ``tile`` is not a positive multiple of 16, or the weights
                paint values that are not finite.

        Example:
            >>> model = artnet.load()
            >>> model.decode(model.encode(torch.rand(1, 3, 50, 70))).shape
            torch.Size([1, 3, 50, 70])
        """
        own = self.id
        if features.model != own:
            raise ValueError(
                f"These features were encoded with {features.model.told_from(own)}, but are to be decoded with "
                f"{own.told_from(features.model)}: encode and decode with the same model."
            )
        height, width = features.size
        data = features.data.to(self.device, self.dtype)
        images = torch.empty(len(data), 3, height, width, dtype=torch.float32, device=self.device)
        rows = list(tile_bounds(0, height, tile))
        of_tiles = in_turn(progress, *(bottom - top for top, bottom in rows))
        for (top, bottom), of_tile in zip(rows, of_tiles, strict=True):
            first, last = top // self.stride, -(-bottom // self.stride)
            above = max(first - self.decoder.receptive_radius, 0)
            decoded = self.decoder(data[..., above : last + self.decoder.receptive_radius, :], progress=of_tile)
            offset = (first - above) * self.stride
            images[..., top:bottom, :] = decoded[..., offset : offset + bottom - top, :width].clamp_(0, 1)
        capturing = images.is_cuda and torch.cuda.is_current_stream_capturing()
        # Weights that are each plausible may still paint what is no number, which a file would show as black.
        if not capturing and not torch.isfinite(images.sum()):
            raise ValueError(
                f"The model {self.name or self.fingerprint} paints values that are no numbers in {self.dtype}: load it "
                "in float32, or take another model."
            )
        return images

    def stylize(
        self,
        content: Tensor,
        style: Tensor | None = None,
        color: Tensor | None = None,
        strength: float = 1.0,
        detail: float = DEFAULTS.detail,
        patch_size: int = 3,
        steady: bool = False,
        stroke_size: float = DEFAULTS.stroke_size,
        finish: int = 0,
        *,
        mask: Tensor | None = None,
        style_mask: Tensor | None = None,
        color_mask: Tensor | None = None,
        regions: Sequence[Region] = (),
        detail_map: Tensor | None = None,
        strength_map: Tensor | None = None,
        stroke_map: Tensor | None = None,
    ) -> Tensor:
        """Paints the content with the style's strokes and the colour style's palette.

        Frames are painted one after the other, and what is painted goes to where the content lies: beside the result,
        memory does not grow with the batch, and none of it on another device.

        Args:
            content: ``[1 or B, 3, H, W]``, RGB, 0..1.
            style: ``[1 or B, 3, H', W']``, the picture whose texture is copied. Beside ``regions`` it paints what none
                of them covers, and may be None: that stays as it is then.
            color: ``[1 or B, 3, H'', W'']``, the picture whose colours are taken; the style by default.
            strength: 0 returns the content itself, 1 the whole transfer.
            detail: 0 painterly, 1 faithful to the content; see :func:`artnet_core.sandwich_swap`.
            patch_size: side of the swapped patches in positions, odd.
            steady: whether the content is a video. Strokes then keep their places in the scene from one frame to the
                next where they still fit, also where the camera pans.
            stroke_size: 0 paints fine strokes in one pass, more, up to 1, begins with broader ones on a smaller
                picture; see :func:`~artnet_core.pipeline.level_sides`.
            finish: steps of optimisation that improve each painting; see :mod:`~artnet_core.finish`.
            mask: where to paint, 1, and where the content stays, 0. This and all other masks and maps are ``[h, w]`` or
                ``[1 or B, h, w]`` of any size, 0..1.
            style_mask: which part of the style is copied; what is 0 counts as if it were cut away.
            color_mask: likewise, of the colour style.
            regions: parts of the picture with styles of their own.
            detail_map: detail of each pixel, in place of the number.
            strength_map: likewise, strength; where it is 0 the content stays, to the bit.
            stroke_map: likewise, stroke size.

        Returns:
            ``[B, 3, H, W]``, float32, 0..1, on the content's device; at strength 0 the content's own values.

        Raises:
            TypeError: a picture is no tensor.
            ValueError: a tensor has the wrong shape or values, a number is out of range, nothing of a style is left, or
                there is neither a style nor a region.

        Example:
            >>> model = artnet.load()
            >>> content, style = torch.rand(2, 3, 64, 80), torch.rand(1, 3, 96, 96)
            >>> model.stylize(content, style, detail=0.2).shape
            torch.Size([2, 3, 64, 80])

            The upper half in another style, where the picture itself stays faithful, and broad strokes below:

            >>> sky = torch.zeros(64, 80)
            >>> sky[:32] = 1
            >>> waves = artnet.Pictures.of(torch.rand(1, 3, 96, 96), "waves")
            >>> painted = model.stylize(
            ...     content, style, regions=[artnet.Region(sky, waves)], detail_map=sky, stroke_map=1 - sky
            ... )
            >>> painted.shape
            torch.Size([2, 3, 64, 80])
        """
        settings = Settings(strength, detail, patch_size, steady, stroke_size, finish=finish)
        pictures = Pictures.of(content, "content")
        texture = None if style is None else Pictures.of(style, "style", style_mask)
        of_color = None if color is None else Pictures.of(color, "color style", color_mask)
        if color is content:
            of_color = pictures if color_mask is None else pictures.weighted(color_mask)
        maps = detail_map, strength_map, stroke_map
        count = frame_count(pictures, texture, of_color, None if mask is None else mask_count(mask), regions, *maps)
        result = torch.empty(count, *content.shape[1:], dtype=torch.float32, device=content.device)
        frames = paint(
            self,
            pictures,
            texture,
            of_color,
            settings,
            mask,
            regions=regions,
            detail_map=detail_map,
            strength_map=strength_map,
            stroke_map=stroke_map,
        )
        for index, frame in enumerate(frames):
            result[index : index + 1] = frame
        return result

    def forward(self, content: Tensor, style: Tensor, color: Tensor | None = None) -> Tensor:
        """:meth:`stylize` with its default settings."""
        return self.stylize(content, style, color)


def layer_widths(widths: Mapping[str, int]) -> dict[str, int]:
    """Channels of every aggregated layer, from the widths of the encoder's units."""
    return {**block_widths(widths), "dct": DCT_CHANNELS}
