"""Training of the encoder and of the decoder, and their evaluation; nothing else in the package imports it."""
