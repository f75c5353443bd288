-- The machine whose archives a token sends to the receiver or reads there.
ALTER TABLE credentials ADD COLUMN machine TEXT NOT NULL DEFAULT '';

-- Whether the files of an archive are no longer in the home: then copies elsewhere are all there is.
ALTER TABLE archives ADD COLUMN away BIGINT NOT NULL DEFAULT 0;

-- Copies of archives in destinations: those that are there, and those that are still to be made or removed.
CREATE TABLE copies (
  archive TEXT COLLATE "C" NOT NULL,
  destination TEXT COLLATE "C" NOT NULL,
  state TEXT COLLATE "C" NOT NULL,
  due BIGINT NOT NULL,
  attempts BIGINT NOT NULL DEFAULT 0,
  error TEXT,
  stored BIGINT,
  PRIMARY KEY (archive, destination)
);
CREATE INDEX copies_open ON copies(destination, due) WHERE state <> 'stored';
