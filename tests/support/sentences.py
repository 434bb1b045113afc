"""What a command says when it fails."""


def one_sentence(text, *words):
    """Whether `text`, said on stderr, is one line with `words` that no terminal would obey."""
    line = text.removesuffix("\n")
    return line.startswith("error: ") and line.isprintable() and all(word in line for word in words)
