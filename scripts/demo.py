"""The command `jaxcnn demo`, from a checkout; its code is jaxcnn/commands/demo.py."""

import sys

from jaxcnn.commands.demo import main

if __name__ == "__main__":
    sys.exit(main())
