-- A database as version 1 of the schema left it, with an event in each state.
PRAGMA application_id = 0x52454149;
PRAGMA user_version = 1;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL,
    at INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    agent INTEGER NOT NULL,
    account TEXT NOT NULL,
    campaign TEXT NOT NULL,
    number INTEGER NOT NULL,
    reaid TEXT,
    page TEXT,
    state INTEGER NOT NULL,
    due INTEGER NOT NULL,
    since INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    done INTEGER,
    reason TEXT,
    answer TEXT
);
CREATE INDEX event_due ON event (account, due) WHERE state = 0;
CREATE INDEX event_age ON event (account, at) WHERE state = 0;
CREATE INDEX event_done ON event (state, done) WHERE state <> 0;
CREATE TABLE tally (
    account TEXT NOT NULL,
    state INTEGER NOT NULL,
    events INTEGER NOT NULL,
    PRIMARY KEY (account, state)
) WITHOUT ROWID;
CREATE TABLE sync_rows (
    integration   TEXT    NOT NULL,
    profile_id    INTEGER NOT NULL,
    confirmed_at  INTEGER,
    key_id        INTEGER,
    failed_at     INTEGER,
    reason        TEXT,
    failures      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (integration, profile_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sync_rows_failed ON sync_rows (integration, profile_id) WHERE failed_at IS NOT NULL;
CREATE TABLE sync_runs (
    integration   TEXT    NOT NULL PRIMARY KEY,
    started_at    INTEGER NOT NULL,
    ended_at      INTEGER NOT NULL,
    error         TEXT,
    summary       TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE sync_leases (
    integration   TEXT    NOT NULL PRIMARY KEY,
    token         TEXT    NOT NULL,
    host          TEXT    NOT NULL,
    pid           INTEGER NOT NULL,
    started_at    INTEGER NOT NULL,
    beat_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta (key, value) VALUES ('scope.1234', 'shop');
-- A click of somebody known and delivered, one of nobody known that waits, a bot's that is kept, a dead open.
INSERT INTO event (id, at, kind, agent, account, campaign, number, reaid, page, state, due, since, attempts, done, answer) VALUES
    (zeroblob(16), 1796000001000, 0, 0, '1234', 'demo', 7, 'AVCX2Xn3aHNLYEVZLOeLQLnM', 'https://shop.example/p?x=1', 1, 1796000001000, 1796000001000, 1, 1796000002000, '204'),
    (zeroblob(16), 1796000002000, 0, 0, '1234', 'demo', 7, NULL, 'https://shop.example/p?x=1', 0, 1796000002000, 1796000002000, 0, NULL, NULL),
    (zeroblob(16), 1796000003000, 0, 1, '1234', 'demo', 8, NULL, 'https://shop.example/q', 3, 1796000003000, 1796000003000, 0, 1796000003000, NULL);
INSERT INTO event (id, at, kind, agent, account, campaign, number, reaid, page, state, due, since, attempts, done, reason, answer) VALUES
    (zeroblob(16), 1796000004000, 1, 3, '1234', 'demo', 0, 'AVCX2Xn3aHNLYEVZLOeLQLnM', NULL, 2, 1796000004000, 1796000004000, 3, 1796000005000, 'rejected', '403');
INSERT INTO tally (account, state, events) VALUES ('1234', 0, 1), ('1234', 1, 1), ('1234', 2, 1), ('1234', 3, 1);
