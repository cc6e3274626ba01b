// ChannelsTests: not begun.
