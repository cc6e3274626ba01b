// Compiler: not begun.
