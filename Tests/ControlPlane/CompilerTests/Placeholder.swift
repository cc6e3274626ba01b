// CompilerTests: not begun.
