// Models: not begun.
