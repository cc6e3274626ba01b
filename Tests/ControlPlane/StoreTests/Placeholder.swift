// StoreTests: not begun.
