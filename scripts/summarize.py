"""The command `jaxcnn summarize`, from a checkout; its code is jaxcnn/commands/summarize.py."""

import sys

from jaxcnn.commands.summarize import main

if __name__ == "__main__":
    sys.exit(main())
