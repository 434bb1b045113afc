"""The command `jaxcnn evaluate`, from a checkout; its code is jaxcnn/commands/evaluate.py."""

import sys

from jaxcnn.commands.evaluate import main

if __name__ == "__main__":
    sys.exit(main())
