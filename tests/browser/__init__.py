"""Tests of the nodes in the real ComfyUI page."""
