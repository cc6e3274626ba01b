// CodecsTests: not begun.
