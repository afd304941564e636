"""What frames of a video need beyond those of a picture: how the camera moves, and strokes that stay in place."""
