-- When the archive was taken in, by this machine's clock: a date in a sidecar may be anybody's.
ALTER TABLE archives ADD COLUMN taken_in BIGINT NOT NULL DEFAULT 0;
UPDATE archives SET taken_in = started;

-- When a version was last restored for a trial and proven, of which archive; and the last trial, whatever
-- it came to.
ALTER TABLE schedules ADD COLUMN proven BIGINT;
ALTER TABLE schedules ADD COLUMN proven_archive TEXT;
ALTER TABLE schedules ADD COLUMN last_drill BIGINT;
ALTER TABLE schedules ADD COLUMN drill_text TEXT;
ALTER TABLE schedules ADD COLUMN last_scrub BIGINT;

-- What somebody should hear of.
CREATE TABLE alerts (
  id TEXT PRIMARY KEY NOT NULL,
  at BIGINT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  run TEXT,
  text TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX alerts_at ON alerts(at);
