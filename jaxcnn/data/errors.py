"""What goes wrong with data is said in one sentence."""


class DataError(ValueError):
    """Data that is missing, damaged or of another kind than was asked for; the message names the file or record and the next step."""
