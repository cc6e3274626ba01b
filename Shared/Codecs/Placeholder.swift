// Codecs: not begun.
