"""The command `jaxcnn report`, from a checkout; its code is jaxcnn/commands/report.py."""

import sys

from jaxcnn.commands.report import main

if __name__ == "__main__":
    sys.exit(main())
