"""The core's pictures and models serve the tests of benchmarks and experiments too."""

from core.conftest import EXAMPLES, _no_grad, model, painting, palette, photo, unpruned

__all__ = ["EXAMPLES", "_no_grad", "model", "painting", "palette", "photo", "unpruned"]
