// Spool: not begun.
