"""LinearWCT (Li et al. 2019): two small networks look at content and style and predict the transformation.

WCT works out a linear map from covariances by decomposing them. Here a network for each side turns the covariance of
what it sees into a matrix, and the product of both moves the content's features, compressed to fewer channels. So a
transfer is a handful of matrix products, and training with a content loss decides how far it goes.

Two things differ from the paper. Matrices are symmetric and two linear layers make them of the covariance, since the
paper's one, between all entries of two matrices of 64 x 64, would have 17 million weights. And the networks see
covariances by their signed roots, in the units of deviations, which is what the matrices are made of.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor, nn

from ..features import Features
from .adain import channel_statistics
from .baselines import transfer_pairs

CHANNELS = 64
"""That features are compressed to, and rows of the matrices."""

SHIPPED = Path(__file__).parents[1] / "weights" / "linear_wct.safetensors"
"""The trained networks that come with the package."""

FORMAT = "artnet-linear"

_REDUCED, _SEEN, _HIDDEN = 64, 32, 128

# Second moments below this are as good as none.
_FAINT = 1e-2


class MatrixNetwork(nn.Module):
    """Looks at a picture's features and makes a symmetric matrix of them.

    Args:
        channels: of the features.
    """

    places: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, _REDUCED, 1)
        self.look = nn.Conv2d(_REDUCED, _SEEN, 3, padding=1)
        self.hidden = nn.Linear(_SEEN * (_SEEN + 1) // 2, _HIDDEN)
        self.matrix = nn.Linear(_HIDDEN, CHANNELS * (CHANNELS + 1) // 2)
        # Where each entry of the matrix is found among those of its lower triangle.
        rows, columns = torch.meshgrid(torch.arange(CHANNELS), torch.arange(CHANNELS), indexing="ij")
        high, low = torch.maximum(rows, columns), torch.minimum(rows, columns)
        self.register_buffer("places", high * (high + 1) // 2 + low, persistent=False)

    def forward(self, features: Tensor, weight: Tensor | None) -> Tensor:
        """A matrix for one picture.

        Args:
            features: ``[1, C, h, w]``, less their means, in units of the channels' usual deviations.
            weight: ``[1, 1, h, w]``, how much each position counts; all alike where it is None.

        Returns:
            ``[64, 64]``.
        """
        reduced = F.relu(self.reduce(features))
        if weight is None:
            seen = self.look(reduced)[0].flatten(1)  # [32, h * w]
            moments = seen @ seen.T / seen.shape[1]
        else:
            # What does not count is like what lies beyond the picture's border.
            weight = weight / weight.amax()
            seen = self.look(reduced * weight)[0].flatten(1)
            counts = weight.flatten()
            moments = (seen * counts) @ seen.T / counts.sum()
        entries = torch.tril_indices(_SEEN, _SEEN, device=moments.device)
        moments = moments[entries[0], entries[1]]
        roots = moments * (moments.abs() + _FAINT).rsqrt()
        triangle: Tensor = self.matrix(F.relu(self.hidden(roots)))
        return triangle[self.places]


class LinearTransform(nn.Module):
    """The networks of content and style, and the way to fewer channels and back.

    Args:
        layers: channels of each aggregated layer, as :attr:`artnet_core.features.Features.layers` has them.
    """

    deviations: Tensor

    def __init__(self, layers: Mapping[str, int]) -> None:
        super().__init__()
        self.layers = dict(layers)
        channels = sum(self.layers.values())
        self.of_content = MatrixNetwork(channels)
        self.of_style = MatrixNetwork(channels)
        self.compress = nn.Linear(channels, CHANNELS, bias=False)
        self.expand = nn.Linear(CHANNELS, channels, bias=False)
        self.register_buffer("deviations", torch.ones(channels))

    def forward(
        self, content: Tensor, style: Tensor, content_weight: Tensor | None = None, style_weight: Tensor | None = None
    ) -> Tensor:
        """Moves the features of one content picture into those of one style.

        Args:
            content: ``[C, h, w]``, float32.
            style: ``[C, hs, ws]``, float32.
            content_weight: ``[1, 1, h, w]``, 0..1, how much each position counts, some of it above 0; all by default.
            style_weight: ``[1, 1, hs, ws]``, likewise.

        Returns:
            ``[C, h, w]``. The mean of every channel, where the content counts, is the style's.
        """
        (of_content, _), (of_style, style_mean) = (
            self.centred(content, content_weight),
            self.centred(style, style_weight),
        )
        matrix = self.of_style(of_style, style_weight) @ self.of_content(of_content, content_weight)
        linear = self.expand.weight @ matrix @ self.compress.weight  # [C, C]
        moved = (linear @ of_content[0].flatten(1)).view_as(content)
        result: Tensor = moved * self.deviations.view(-1, 1, 1) + style_mean
        return result

    def centred(self, features: Tensor, weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What the networks see of features ``[C, h, w]``, and the mean that is taken off them.

        Returns:
            ``[1, C, h, w]``, in units of the channels' usual deviations, and ``[C, 1, 1]``.
        """
        mean = channel_statistics(features[None], weight)[0]
        return (features - mean) / self.deviations.view(1, -1, 1, 1), mean[0]


def linear_transfer(transform: LinearTransform, content: Features, style: Features, strength: float = 1.0) -> Features:
    """Transfers with these networks; see :func:`linear_wct`."""
    if dict(content.layers) != transform.layers:
        raise ValueError(
            f"LinearWCT was trained for the model artnet alone, not for {content.model.name or 'this model'}: load "
            "artnet and encode both pictures with it, or choose another method."
        )
    return transfer_pairs(content, style, strength, transform)


def linear_wct(content: Features, style: Features, strength: float = 1.0) -> Features:
    """Moves the content's features by the matrix that two trained networks predict of content and style.

    Args, returns and errors are those of :func:`~artnet_core.transfer.baselines.transfer_pairs`.

    Raises:
        ValueError: also for features of another model than ``artnet``, which the networks were trained for.
    """
    return linear_transfer(load_linear(SHIPPED, content.data.device), content, style, strength)


@lru_cache(maxsize=4)
def load_linear(path: Path, device: torch.device) -> LinearTransform:
    """Reads trained networks; kept, since every frame needs them.

    Args:
        path: what ``python -m training linear`` wrote.
        device: where they go.
    """
    # Whoever asks first, others may take gradients.
    with torch.inference_mode(False), safe_open(path, "pt") as file:
        transform = LinearTransform(json.loads(file.metadata()["layers"]))
        transform.load_state_dict({name: file.get_tensor(name).float() for name in file.keys()})  # noqa: SIM118
        return transform.to(device).eval().requires_grad_(False)
