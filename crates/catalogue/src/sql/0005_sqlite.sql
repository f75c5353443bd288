-- What is still to be told, to whom; kept for a while after it was.
CREATE TABLE outbox (
  notifier TEXT NOT NULL,
  alert TEXT NOT NULL,
  created BIGINT NOT NULL,
  due BIGINT NOT NULL,
  attempts BIGINT NOT NULL DEFAULT 0,
  error TEXT,
  sent BIGINT,
  PRIMARY KEY (notifier, alert)
) WITHOUT ROWID;
CREATE INDEX outbox_waiting ON outbox(due) WHERE sent IS NULL;
CREATE INDEX outbox_sent ON outbox(notifier, sent);
CREATE INDEX alerts_run ON alerts(run);

-- Since when the present trigger is in force, and when somebody was told that there is no good backup.
ALTER TABLE schedules ADD COLUMN since BIGINT;
ALTER TABLE schedules ADD COLUMN stale_told BIGINT;
