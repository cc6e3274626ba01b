// SubscriptionTests: not begun.
