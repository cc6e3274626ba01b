// Switches: not begun.
