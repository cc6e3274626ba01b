// ModelsTests: not begun.
