"""What surrounds a run: its command line, directory, logs, signals and stalls."""
