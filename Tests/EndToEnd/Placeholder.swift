// EndToEnd: not begun.
