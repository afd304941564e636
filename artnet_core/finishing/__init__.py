"""What the finish looks at and what it changes: statistics of features, tiles of a picture, its luma and chroma."""
