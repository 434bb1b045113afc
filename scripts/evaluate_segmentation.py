"""The command `jaxcnn evaluate-segmentation`, from a checkout; its code lies in jaxcnn/commands."""

import sys

from jaxcnn.commands.evaluate_segmentation import main

if __name__ == "__main__":
    sys.exit(main())
