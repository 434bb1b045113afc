"""What surrounds a run: its directory, its logs, signals, stalls."""
