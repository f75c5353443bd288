-- Times are milliseconds since 1970, flags 0 or 1, ids UUID texts.
CREATE TABLE texts (
  id INTEGER PRIMARY KEY,
  body TEXT NOT NULL UNIQUE
);

CREATE TABLE runs (
  id TEXT PRIMARY KEY NOT NULL,
  operation TEXT NOT NULL,
  cause TEXT NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL DEFAULT '',
  content TEXT NOT NULL,
  form TEXT NOT NULL,
  status TEXT NOT NULL,
  planned BIGINT,
  created BIGINT NOT NULL,
  started BIGINT,
  ended BIGINT,
  ms BIGINT NOT NULL DEFAULT 0,
  files BIGINT NOT NULL DEFAULT 0,
  folders BIGINT NOT NULL DEFAULT 0,
  others BIGINT NOT NULL DEFAULT 0,
  bytes BIGINT NOT NULL DEFAULT 0,
  stored BIGINT NOT NULL DEFAULT 0,
  warnings BIGINT NOT NULL DEFAULT 0,
  error TEXT,
  archive TEXT,
  archive_path TEXT,
  host TEXT NOT NULL,
  request TEXT NOT NULL,
  cancel BIGINT NOT NULL DEFAULT 0,
  lease_host TEXT NOT NULL DEFAULT '',
  lease_boot TEXT NOT NULL DEFAULT '',
  lease_pid BIGINT NOT NULL DEFAULT 0,
  lease_until BIGINT NOT NULL DEFAULT 0,
  -- What a search looks through (name, host, error); few distinct ones, so they lie apart.
  text_id BIGINT NOT NULL REFERENCES texts(id)
) WITHOUT ROWID;

-- One run for each planned time.
CREATE UNIQUE INDEX runs_planned ON runs(name, planned) WHERE planned IS NOT NULL;
CREATE INDEX runs_open ON runs(status) WHERE status IN ('pending', 'running');
CREATE INDEX runs_created ON runs(created);
CREATE INDEX runs_name ON runs(name, created);
CREATE INDEX runs_status ON runs(status, created);
CREATE INDEX runs_operation ON runs(operation, status, created);
CREATE INDEX runs_name_status ON runs(name, status, created);
CREATE INDEX runs_text ON runs(text_id, created, status, operation, kind, content, name);
CREATE INDEX runs_stored ON runs(stored);
CREATE INDEX runs_ms ON runs(ms);

-- Sums by day, so that counts and statistics over a million runs cost milliseconds. With name '' the
-- row stands for all names.
CREATE TABLE days (
  name TEXT NOT NULL,
  day BIGINT NOT NULL,
  operation TEXT NOT NULL,
  status TEXT NOT NULL,
  kind TEXT NOT NULL,
  content TEXT NOT NULL,
  n BIGINT NOT NULL,
  ms BIGINT NOT NULL,
  stored BIGINT NOT NULL,
  PRIMARY KEY (name, day, operation, status, kind, content)
) WITHOUT ROWID;

CREATE TRIGGER runs_insert AFTER INSERT ON runs BEGIN
  INSERT INTO days VALUES (new.name, new.created / 86400000, new.operation, new.status, new.kind, new.content, 1, new.ms, new.stored)
    ON CONFLICT DO UPDATE SET n = n + 1, ms = ms + new.ms, stored = stored + new.stored;
  INSERT INTO days VALUES ('', new.created / 86400000, new.operation, new.status, new.kind, new.content, 1, new.ms, new.stored)
    ON CONFLICT DO UPDATE SET n = n + 1, ms = ms + new.ms, stored = stored + new.stored;
END;

CREATE TRIGGER runs_update AFTER UPDATE OF status, ms, stored, kind, content, name, operation ON runs BEGIN
  UPDATE days SET n = n - 1, ms = ms - old.ms, stored = stored - old.stored
    WHERE name IN (old.name, '') AND day = old.created / 86400000 AND operation = old.operation AND status = old.status AND kind = old.kind AND content = old.content;
  INSERT INTO days VALUES (new.name, new.created / 86400000, new.operation, new.status, new.kind, new.content, 1, new.ms, new.stored)
    ON CONFLICT DO UPDATE SET n = n + 1, ms = ms + new.ms, stored = stored + new.stored;
  INSERT INTO days VALUES ('', new.created / 86400000, new.operation, new.status, new.kind, new.content, 1, new.ms, new.stored)
    ON CONFLICT DO UPDATE SET n = n + 1, ms = ms + new.ms, stored = stored + new.stored;
END;

CREATE TRIGGER runs_delete AFTER DELETE ON runs BEGIN
  UPDATE days SET n = n - 1, ms = ms - old.ms, stored = stored - old.stored
    WHERE name IN (old.name, '') AND day = old.created / 86400000 AND operation = old.operation AND status = old.status AND kind = old.kind AND content = old.content;
END;

CREATE TABLE notes (
  run TEXT NOT NULL,
  seq BIGINT NOT NULL,
  level TEXT NOT NULL,
  path TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (run, seq)
) WITHOUT ROWID;

CREATE TABLE archives (
  id TEXT PRIMARY KEY NOT NULL,
  schedule TEXT NOT NULL,
  path TEXT NOT NULL UNIQUE,
  started BIGINT NOT NULL,
  size BIGINT NOT NULL,
  pinned BIGINT NOT NULL DEFAULT 0,
  deleting BIGINT NOT NULL DEFAULT 0,
  verified BIGINT,
  verified_deep BIGINT NOT NULL DEFAULT 0,
  verified_ok BIGINT NOT NULL DEFAULT 0,
  manifest TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX archives_schedule ON archives(schedule, started);

CREATE TABLE schedules (
  name TEXT PRIMARY KEY NOT NULL,
  -- The trigger as text: when it changes, the past is not made up for.
  trigger_text TEXT NOT NULL DEFAULT '',
  -- Planned times up to here are dealt with.
  dealt_until BIGINT NOT NULL DEFAULT 0,
  -- Why retention is frozen, or ''.
  frozen TEXT NOT NULL DEFAULT '',
  last_run TEXT,
  last_status TEXT,
  last_ended BIGINT,
  last_error TEXT,
  last_good BIGINT
) WITHOUT ROWID;
