-- Who may use the API. Passwords as PHC strings.
CREATE TABLE users (
  name TEXT PRIMARY KEY NOT NULL,
  role TEXT NOT NULL,
  password TEXT NOT NULL,
  created BIGINT NOT NULL,
  last_seen BIGINT
) WITHOUT ROWID;

-- Secrets that open the API: sessions of users, tokens of programs, the token of the set-up. Only hashes are kept.
CREATE TABLE credentials (
  id TEXT PRIMARY KEY NOT NULL,
  kind TEXT NOT NULL,
  hash TEXT NOT NULL,
  -- The user of a session, the name of a token.
  owner TEXT NOT NULL,
  scope TEXT NOT NULL,
  created BIGINT NOT NULL,
  last_used BIGINT NOT NULL,
  expires BIGINT
) WITHOUT ROWID;
CREATE UNIQUE INDEX credentials_token ON credentials(owner) WHERE kind = 'token';

-- Who changed or restored what; each row's hash covers the one before it.
CREATE TABLE audit (
  seq BIGINT PRIMARY KEY NOT NULL,
  at BIGINT NOT NULL,
  actor TEXT NOT NULL,
  origin TEXT NOT NULL,
  action TEXT NOT NULL,
  target TEXT NOT NULL,
  outcome TEXT NOT NULL,
  detail TEXT NOT NULL,
  hash TEXT NOT NULL
) WITHOUT ROWID;
CREATE TRIGGER audit_stays_as_it_is BEFORE UPDATE ON audit BEGIN
  SELECT RAISE(ABORT, 'the audit log is never changed');
END;
CREATE TRIGGER audit_stays BEFORE DELETE ON audit BEGIN
  SELECT RAISE(ABORT, 'the audit log is never shortened');
END;
