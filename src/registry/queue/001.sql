-- The writes that wait for the root. The numbers give the order; none is given twice.
CREATE TABLE queued (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    received INTEGER NOT NULL,
    node BLOB NOT NULL CHECK (length(node) = 8),
    created INTEGER NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    content_digest TEXT NOT NULL,
    signature_input TEXT NOT NULL,
    signature TEXT NOT NULL UNIQUE,
    authorization TEXT,
    body BLOB NOT NULL
) STRICT;

CREATE INDEX queued_node ON queued (node, created);
