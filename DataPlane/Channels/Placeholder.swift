// Channels: not begun.
