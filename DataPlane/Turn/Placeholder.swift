// Turn: not begun.
