// JSONSchemaTests: not begun.
