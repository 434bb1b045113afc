"""The commands: each module has `main(argv) -> exit code`; console.py finds them by name."""
