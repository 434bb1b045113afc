"""One image: its header, its pixels, the view of it that a network sees."""
