"""ArtNet for ComfyUI: paint pictures and video with the strokes of one picture and the colours of another."""

try:
    import comfy_api.v0_0_2  # noqa: F401 (its absence is what is asked for)
except ModuleNotFoundError as error:
    if error.name not in ("comfy_api", "comfy_api.v0_0_2"):
        raise  # something that the host itself lacks
    raise ImportError("ArtNet needs ComfyUI 0.3.48 or newer") from error

from .nodes import comfy_entrypoint

WEB_DIRECTORY = "./web"

__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]
