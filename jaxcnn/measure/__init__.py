"""What a network, a loop or a pipeline costs by the clock."""
