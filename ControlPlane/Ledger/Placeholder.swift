// Ledger: not begun.
