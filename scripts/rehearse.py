"""The command `jaxcnn rehearse`, from a checkout; its code is jaxcnn/commands/rehearse.py."""

import sys

from jaxcnn.commands.rehearse import main

if __name__ == "__main__":
    sys.exit(main())
