"""What the pipeline paints with: settings, pictures, areas, and one level of a painting."""
