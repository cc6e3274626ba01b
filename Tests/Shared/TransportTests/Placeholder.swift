// TransportTests: not begun.
