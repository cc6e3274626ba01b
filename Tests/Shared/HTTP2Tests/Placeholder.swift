// HTTP2Tests: not begun.
