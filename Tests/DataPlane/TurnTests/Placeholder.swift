// TurnTests: not begun.
