-- The root whose snapshot a secondary's directory began with, and whose changes it has taken in since.
CREATE TABLE followed (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    root INTEGER NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;
