// ChangelogTests: not begun.
