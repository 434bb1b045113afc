"""The command `jaxcnn prepare`, from a checkout; its code is jaxcnn/commands/prepare_data.py."""

import sys

from jaxcnn.commands.prepare_data import main

if __name__ == "__main__":
    sys.exit(main())
