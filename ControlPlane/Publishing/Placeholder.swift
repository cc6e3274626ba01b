// Publishing: not begun.
