"""The command `jaxcnn export`, from a checkout; its code is jaxcnn/commands/export.py."""

import sys

from jaxcnn.commands.export import main

if __name__ == "__main__":
    sys.exit(main())
