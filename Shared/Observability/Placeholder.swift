// Observability: not begun.
