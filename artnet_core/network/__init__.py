"""The networks: encoder, aggregation of its blocks with the picture's cosines, decoder."""
