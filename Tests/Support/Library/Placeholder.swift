// Support: not begun.
