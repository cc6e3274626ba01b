// Guardrails: not begun.
