// Secrets: not begun.
