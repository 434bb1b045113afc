"""The command `jaxcnn visualize`, from a checkout; its code is jaxcnn/commands/visualize.py."""

import sys

from jaxcnn.commands.visualize import main

if __name__ == "__main__":
    sys.exit(main())
