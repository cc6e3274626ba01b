// Postgres: not begun.
