"""Cases made at random from a seed: whatever comes in, a result, a sentence or the usage comes out.

``python -m tests.fuzz --cases 20000 --seed 1`` makes many; the suite makes some.
"""
