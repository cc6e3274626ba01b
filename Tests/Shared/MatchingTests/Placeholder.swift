// MatchingTests: not begun.
