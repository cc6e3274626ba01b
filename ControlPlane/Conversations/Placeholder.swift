// Conversations: not begun.
