-- What the administrator signed last of a node, whether the node is there or not.
CREATE TABLE administered (
    id INTEGER PRIMARY KEY,
    signed_at INTEGER NOT NULL,
    signed_seen BLOB NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;
