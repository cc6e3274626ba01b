// GuardrailsTests: not begun.
