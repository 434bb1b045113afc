"""The command `jaxcnn predict`, from a checkout; its code is jaxcnn/commands/predict.py."""

import sys

from jaxcnn.commands.predict import main

if __name__ == "__main__":
    sys.exit(main())
