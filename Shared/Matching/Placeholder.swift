// Matching: not begun.
