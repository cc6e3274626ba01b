// Tools: not begun.
