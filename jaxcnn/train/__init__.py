"""The only training loop, and what it works with."""
