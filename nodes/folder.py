"""The folder ``models/artnet`` and the files in it."""

from __future__ import annotations

from pathlib import Path

import folder_paths

from ..artnet_core.checkpoint import shipped_models

_FOLDER = "artnet"
_SUFFIX = ".safetensors"


def own_folder() -> Path:
    """The folder that models are saved to."""
    return Path(folder_paths.models_dir) / _FOLDER


def register_model_folder() -> None:
    """Makes ``models/artnet`` known to the host, beside the folders that extra_model_paths.yaml may have named.

    It comes first, so that what is saved is what is loaded.
    """
    folder_paths.add_model_folder_path(_FOLDER, str(own_folder()), is_default=True)
    # A folder that is new to the host has no endings, which would offer every file.
    paths, suffixes = folder_paths.folder_names_and_paths[_FOLDER]
    folder_paths.folder_names_and_paths[_FOLDER] = (paths, {*suffixes, _SUFFIX})


def model_names() -> list[str]:
    """The models there are to choose from, the shipped ones first."""
    shipped = list(shipped_models())
    return shipped + [name for name in folder_paths.get_filename_list(_FOLDER) if name not in shipped]


def model_path(name: str) -> Path:
    """The file of one of :func:`model_names`.

    Raises:
        FileNotFoundError: there is no such file.
    """
    shipped = shipped_models()
    return shipped[name] if name in shipped else Path(folder_paths.get_full_path_or_raise(_FOLDER, name))


def target_path(name: str) -> Path:
    """Where a model of this name is saved: always a file directly in :func:`own_folder`.

    Raises:
        ValueError: the name is empty, leads out of the folder, or belongs to a shipped model.
    """
    file_name = name.strip().removesuffix(_SUFFIX)
    if not file_name or file_name.startswith(".") or any(c in '/\\:*?"<>|' or ord(c) < 32 for c in file_name):
        raise ValueError(
            f"{name!r} cannot be the name of a model file: give a plain name such as artnet_pruned, without folders."
        )
    if file_name + _SUFFIX in shipped_models():
        raise ValueError(f"{file_name} is the name of a model that comes with ArtNet: choose another one.")
    return own_folder() / (file_name + _SUFFIX)
