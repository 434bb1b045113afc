"""The command `jaxcnn import`, from a checkout; its code is jaxcnn/commands/import_weights.py."""

import sys

from jaxcnn.commands.import_weights import main

if __name__ == "__main__":
    sys.exit(main())
