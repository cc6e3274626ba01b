// Subscription: not begun.
