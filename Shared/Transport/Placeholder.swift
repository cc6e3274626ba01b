// Transport: not begun.
