// DomainTests: not begun.
