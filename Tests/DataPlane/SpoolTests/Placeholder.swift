// SpoolTests: not begun.
