"""The model: encoder, S2 at the bottleneck, decoder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from .aggregation import MARGIN, MULTIPLE, aggregate, pad_images
from .dct import CHANNELS as DCT_CHANNELS
from .dct import dct
from .decoder import Decoder
from .encoder import BLOCK_STRIDES, RECEPTIVE_RADIUS, Encoder, block_widths
from .features import Features, one_for_all, picture_count
from .sandwich import DEFAULT_DETAIL, sandwich_swap
from .steadiness import FrameBefore, extend


class ArtNet(nn.Module):
    """Universal style transfer with an encoder, a decoder that inverts it, and S2 between them.

    Args:
        encoder: the trunk, batch norms folded.
        decoder: made for the encoder's aggregated features.
        stride: pixels per cell of the aggregated features, 8 or 16.
        provenance: what is known of the weights' origin; travels with the file.
    """

    def __init__(
        self, encoder: Encoder, decoder: Decoder, stride: int = 8, provenance: Mapping[str, str] | None = None
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.stride = stride
        self.provenance = dict(provenance or {})
        self.layers = layer_widths(encoder.widths)
        self.fingerprint = ""
        self._device: torch.device | None = None
        self._dtype: torch.dtype | None = None

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

    def place(self, device: torch.device | str, dtype: torch.dtype) -> ArtNet:
        """Moves the weights to a device, in a dtype, those of conv1 in :attr:`image_dtype`."""
        self.decoder.to(device, dtype)
        for name, unit in self.encoder.named_children():
            unit.to(device, self.image_dtype if name == "conv1" else dtype)
        return self.to(memory_format=torch.channels_last)

    def seal(self) -> ArtNet:
        """Takes the fingerprint of the weights, by which features know their model, and freezes them for inference."""
        digest = hashlib.sha256()
        for name, parameter in self.state_dict().items():
            digest.update(name.encode())
            digest.update(parameter.detach().cpu().half().contiguous().numpy().tobytes())
        self.fingerprint = digest.hexdigest()[:12]
        return self.eval().requires_grad_(False)

    def encode(self, images: Tensor, strip: int | None = None) -> Features:
        """Encodes pictures of any size from 1x1.

        Args:
            images: ``[B, 3, H, W]``, RGB, 0..1; what lies outside is clamped.
            strip: rows of the picture that are worked on at once, a multiple of 16; all by default. Strips overlap by
                the encoder's receptive field, so less memory costs time, never the result.

        Returns:
            Features whose data is ``[B, C, ceil(H / 16) * 16 / stride, ceil(W / 16) * 16 / stride]``, on the
            model's device, in :attr:`feature_dtype`.

        Raises:
            ValueError: the shape is not ``[B, 3, H, W]``, the batch or a side is empty, a value is not finite, or
                ``strip`` is not a positive multiple of 16.
        """
        check_images(images)
        # Brighter than white, as HDR pictures are, some features would exceed the range of float16.
        padded = pad_images(images.to(self.device, self.image_dtype).clamp(0, 1))
        height = padded.shape[-2]
        strips = []
        for top, bottom in strip_bounds(MARGIN, height - MARGIN, strip):
            above, below = max(top - RECEPTIVE_RADIUS, 0), min(bottom + RECEPTIVE_RADIUS, height)
            strips.append(self.aggregate(padded[..., above:below, :], top - above, below - bottom))
        data = torch.cat(strips, -2) if len(strips) > 1 else strips[0]
        return Features(data, self.layers, self.stride, (images.shape[-2], images.shape[-1]), self.fingerprint)

    def aggregate(self, padded: Tensor, cut_top: int = MARGIN, cut_bottom: int = MARGIN) -> Tensor:
        """The features ``[B, C, h, w]`` of pictures that :func:`pad_images` padded, aggregated and cut as there."""

        def layers() -> Iterator[tuple[int, Tensor]]:
            for name, block in self.encoder.blocks(padded, self.dtype, self.stride):
                yield self.stride if name == "conv1" else BLOCK_STRIDES[name], block
                del block  # while the next one is made
            yield self.stride, dct(padded, self.stride)

        channels = sum(self.layers.values())
        return aggregate(layers(), channels, self.stride, self.feature_dtype, cut_top, cut_bottom)

    def decode(self, features: Features, strip: int | None = None) -> Tensor:
        """Features to pictures ``[B, 3, H, W]``, float32, clamped to 0..1, of the size the features were taken at.

        Args:
            features: of this model.
            strip: as in :meth:`encode`.

        Raises:
            ValueError: the features belong to another model, or ``strip`` is not a positive multiple of 16.
        """
        if features.model != self.fingerprint:
            raise ValueError(
                f"These features come from another model ({features.model}) than this decoder ({self.fingerprint}): "
                "encode and decode with the same model."
            )
        height, width = features.size
        data = features.data.to(self.device, self.dtype)
        images = torch.empty(len(data), 3, height, width, device=self.device)
        for top, bottom in strip_bounds(0, height, strip):
            first, last = top // self.stride, -(-bottom // self.stride)
            above = max(first - self.decoder.receptive_radius, 0)
            decoded = self.decoder(data[..., above : last + self.decoder.receptive_radius, :])
            offset = (first - above) * self.stride
            images[..., top:bottom, :] = decoded[..., offset : offset + bottom - top, :width].clamp_(0, 1)
        return images

    def stylize(
        self,
        content: Tensor,
        style: Tensor,
        color: Tensor | None = None,
        strength: float = 1.0,
        detail: float = DEFAULT_DETAIL,
        patch_size: int = 3,
        steady: bool = False,
    ) -> Tensor:
        """Paints the content with the style's strokes and the colour style's palette.

        Frames are treated one after the other, so memory does not grow with the batch.

        Args:
            content: ``[1 or B, 3, H, W]``, RGB, 0..1.
            style: ``[1 or B, 3, H', W']``, the picture whose texture is copied.
            color: ``[1 or B, 3, H'', W'']``, the picture whose colours are taken; the style by default.
            strength: 0 returns the content itself, 1 the whole transfer.
            detail: 0 painterly, 1 faithful to the content; see :func:`sandwich_swap`.
            patch_size: side of the swapped patches in cells, odd.
            steady: whether the content is a video. Strokes then keep their places in the scene from one frame to the
                next where they still fit, also where the camera pans.

        Returns:
            ``[B, 3, H, W]``, float32, on the model's device, 0..1; at strength 0 the content's own values.

        Raises:
            ValueError: a tensor has the wrong shape or values, or a number is out of range.
        """
        batches = {"content": content, "style": style} | ({} if color is None else {"color style": color})
        for images in batches.values():
            check_images(images)
        count = picture_count({name: len(images) for name, images in batches.items()})

        def encode_each(images: Tensor) -> Callable[[int], Features]:
            return one_for_all(len(images), lambda index: self.encode(images[index : index + 1]))

        content_at, texture_at = encode_each(content), encode_each(style)
        color_at = None if color is None else encode_each(color)
        before = FrameBefore() if steady else None
        result = torch.empty(count, *content.shape[1:], dtype=torch.float32, device=self.device)
        for index, frame in enumerate(torch.split(content.expand(count, -1, -1, -1), 1)):
            features = None if steady else content_at(index)
            if color is content and features is not None:
                of_color: Features | None = features
            else:
                of_color = None if color_at is None else color_at(index)
            result[index : index + 1] = self.stylize_frame(
                frame,
                texture_at(index),
                of_color,
                strength,
                detail,
                patch_size,
                before=before,
                features=features,
            )
        return result

    def stylize_frame(
        self,
        content: Tensor,
        texture: Features,
        color: Features | None = None,
        strength: float = 1.0,
        detail: float = DEFAULT_DETAIL,
        patch_size: int = 3,
        strip: int | None = None,
        before: FrameBefore | None = None,
        features: Features | None = None,
    ) -> Tensor:
        """:meth:`stylize` with styles that are encoded already, as for the frames of a video.

        Below strength 1 the part of the picture that the decoder cannot reproduce is added back in proportion, so that
        strength 0 is the content itself and nothing jumps on the way there, if its values lie in 0..1.

        With ``before`` the content is the next frame of a video, and strokes keep their places in the scene. Without,
        nothing in a frame that lies on a CUDA GPU waits for it but the look for values that are not finite, which is
        left out while a CUDA graph is captured; the first frame of its size, besides, makes some constants.

        ``features`` are the content's, where it is encoded already, as for one picture in several styles.

        Raises:
            ValueError: ``features`` are given together with ``before``, which encodes the content on a grid of its own.
        """
        if features is not None and before is not None:
            raise ValueError("A video's frame is encoded where the frame before says: leave its features out.")
        above = left = 0
        if before is not None:
            check_images(content)
            content = content.to(self.device)
            above, left = before.follow(content, self.stride)
        extended = extend(content, above, left)
        features = self.encode(extended, strip) if features is None else features
        transferred = sandwich_swap(features, texture, color, strength, detail, patch_size, before)
        if strength == 0:
            return content.to(self.device, torch.float32, copy=True)
        images = self.decode(transferred, strip)
        if strength < 1:
            lost = extended.to(images) - self.decode(features, strip)
            images = images.add_(lost, alpha=1 - strength).clamp_(0, 1)
        return images[..., above:, left:]


def layer_widths(widths: Mapping[str, int]) -> dict[str, int]:
    """Channels of every aggregated layer, from the widths of the encoder's units."""
    return {**block_widths(widths), "dct": DCT_CHANNELS}


def strip_bounds(start: int, stop: int, strip: int | None) -> Iterator[tuple[int, int]]:
    """Cuts the rows ``start..stop`` into strips: yields first row and the row after the last."""
    if strip is not None and (strip < MULTIPLE or strip % MULTIPLE):
        raise ValueError(f"strip must be a positive multiple of {MULTIPLE} rows, got {strip}.")
    for top in range(start, stop, strip or stop):
        yield top, min(top + (strip or stop), stop)


def check_images(images: Tensor) -> None:
    """Raises ValueError unless ``images`` is a non-empty ``[B, 3, H, W]`` of finite values."""
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"Images must be a tensor [B, 3, H, W] of RGB pictures, got {list(images.shape)}.")
    if images.numel() == 0:
        raise ValueError(f"The picture is empty: its shape is {list(images.shape)}.")
    if images.is_cuda and torch.cuda.is_current_stream_capturing():
        return  # only what waits for no value can be captured
    # The sum, which one such value spoils, takes a twentieth of the time of a look at every value.
    if not torch.isfinite(images.sum(dtype=torch.float32)) and not torch.isfinite(images).all():
        raise ValueError("The picture has values that are not finite (NaN or infinity).")
