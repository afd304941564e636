"""What happens between encoder and decoder: S2, its parts, and the methods that it is compared with."""
