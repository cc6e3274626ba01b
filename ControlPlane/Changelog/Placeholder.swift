// Changelog: not begun.
