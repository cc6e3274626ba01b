// HTTP2: not begun.
