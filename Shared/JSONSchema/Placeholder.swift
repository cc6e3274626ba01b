// JSONSchema: not begun.
