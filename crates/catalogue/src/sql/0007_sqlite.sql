-- The second factor: the secret in base32 (RFC 4648), and the last step that was used, so that no code serves twice.
ALTER TABLE users ADD COLUMN totp TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN totp_step BIGINT NOT NULL DEFAULT 0;
