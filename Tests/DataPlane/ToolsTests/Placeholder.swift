// ToolsTests: not begun.
