"""What a network or a compiled step costs, counted without running it."""
