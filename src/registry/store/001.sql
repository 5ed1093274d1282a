-- Ids are the eight bytes of a node_id as a signed integer; times are milliseconds since 1970; every row carries the
-- FNV-1a sum of its other columns, since SQLite itself would not see a flipped bit in a value.
CREATE TABLE directory (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL,
    log_from INTEGER NOT NULL,
    role TEXT NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;

CREATE TABLE nodes (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL,
    name TEXT NOT NULL,
    address BLOB NOT NULL,
    port INTEGER NOT NULL,
    domain TEXT NOT NULL,
    registry TEXT NOT NULL,
    state TEXT NOT NULL,
    reputation INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    active_for INTEGER NOT NULL,
    active_since INTEGER NOT NULL,
    signed_at INTEGER NOT NULL,
    signed_seen BLOB NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;

-- What every heartbeat writes stands apart, in rows so short that a second's beats touch few pages.
CREATE TABLE beats (
    id INTEGER PRIMARY KEY REFERENCES nodes (id) ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    heard INTEGER NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;

CREATE TABLE changes (
    version INTEGER PRIMARY KEY,
    change TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    heard INTEGER NOT NULL,
    id INTEGER NOT NULL,
    key BLOB NOT NULL,
    name TEXT NOT NULL,
    address BLOB NOT NULL,
    port INTEGER NOT NULL,
    domain TEXT NOT NULL,
    registry TEXT NOT NULL,
    state TEXT NOT NULL,
    reputation INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    active_for INTEGER NOT NULL,
    active_since INTEGER NOT NULL,
    signed_at INTEGER NOT NULL,
    signed_seen BLOB NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;

-- Nodes that left: when, in seconds since 1970, and what they had signed last.
CREATE TABLE departed (
    id INTEGER PRIMARY KEY,
    left_at INTEGER NOT NULL,
    signed_at INTEGER NOT NULL,
    signed_seen BLOB NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;

-- What the administrator signed last of a node, whether the node is there or not.
CREATE TABLE administered (
    id INTEGER PRIMARY KEY,
    signed_at INTEGER NOT NULL,
    signed_seen BLOB NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;

-- Since when a root has a directory that was another registry's before, in seconds since 1970.
CREATE TABLE root_since (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    at INTEGER NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;

-- The root whose snapshot a secondary's directory began with, and whose changes it has taken in since.
CREATE TABLE followed (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    root INTEGER NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;
