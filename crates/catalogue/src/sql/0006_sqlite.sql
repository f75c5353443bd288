-- What callers of the programs that this one replaces know schedules by: a number, and for copies into a folder the folder.
CREATE TABLE predecessors (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  name TEXT NOT NULL UNIQUE,
  source TEXT NOT NULL,
  folder TEXT NOT NULL,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL
);
