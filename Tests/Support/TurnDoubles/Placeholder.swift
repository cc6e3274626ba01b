// TurnDoubles: not begun.
