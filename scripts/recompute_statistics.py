"""The command `jaxcnn recompute-statistics`, from a checkout; its code lies in jaxcnn/commands."""

import sys

from jaxcnn.commands.recompute_statistics import main

if __name__ == "__main__":
    sys.exit(main())
