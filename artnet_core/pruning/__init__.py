"""Zero channels: how they are found, counted and cut out."""
