-- One text for SQLite and PostgreSQL. Times are milliseconds since the Unix epoch. Zero stands for
-- "not yet" where a time may be missing.

CREATE TABLE users (
    id            TEXT   NOT NULL PRIMARY KEY,
    username      TEXT   NOT NULL UNIQUE,
    password_hash TEXT   NOT NULL,
    display_name  TEXT   NOT NULL,
    title         TEXT   NOT NULL,
    staff_no      TEXT   NOT NULL,
    role          TEXT   NOT NULL,
    created       BIGINT NOT NULL
);

CREATE TABLE sessions (
    token_sha256 TEXT   NOT NULL PRIMARY KEY,
    user_id      TEXT   NOT NULL REFERENCES users (id),
    created      BIGINT NOT NULL,
    last_seen    BIGINT NOT NULL
);

CREATE TABLE visits (
    id           TEXT   NOT NULL PRIMARY KEY,
    ordinal      BIGINT NOT NULL UNIQUE,
    number       TEXT   NOT NULL,
    token_sha256 TEXT   NOT NULL UNIQUE,
    journey      TEXT   NOT NULL,
    created      BIGINT NOT NULL,
    expires      BIGINT NOT NULL,
    closed       BIGINT NOT NULL
);

CREATE INDEX visits_by_closed ON visits (closed);

CREATE TABLE visit_events (
    visit TEXT   NOT NULL REFERENCES visits (id),
    seq   BIGINT NOT NULL,
    at    BIGINT NOT NULL,
    json  TEXT   NOT NULL,
    PRIMARY KEY (visit, seq)
);

CREATE TABLE audit_log (
    id        TEXT   NOT NULL PRIMARY KEY,
    at        BIGINT NOT NULL,
    actor     TEXT   NOT NULL,
    action    TEXT   NOT NULL,
    recording TEXT   NOT NULL,
    reason    TEXT   NOT NULL
);

CREATE INDEX audit_log_by_at ON audit_log (at);
