"""The command `jaxcnn benchmark`, from a checkout; its code is jaxcnn/commands/benchmark.py."""

import sys

from jaxcnn.commands.benchmark import main

if __name__ == "__main__":
    sys.exit(main())
