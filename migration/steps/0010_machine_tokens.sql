-- Machine tokens: by what listeners and back ends use the administrators' fields.
-- type: expanding

--- up
CREATE TABLE machine_tokens (
    id {uuid} NOT NULL PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    token_hash {bytes} NOT NULL CONSTRAINT machine_tokens_token_hash_key UNIQUE CHECK (length(token_hash) = 32),
    scopes text NOT NULL CHECK (length(scopes) > 0),
    created_by text NOT NULL CHECK (length(created_by) > 0),
    last_used_at {instant},
    expires_at {instant},
    revoked_at {instant},
    created_at {instant} NOT NULL,
    updated_at {instant} NOT NULL
) {strict};
CREATE INDEX machine_tokens_live_idx ON machine_tokens (created_at) WHERE revoked_at IS NULL;

-- Raised in the transaction that makes or revokes a token: every instance reads it with the event log, several times a second.
ALTER TABLE deployment ADD COLUMN machine_tokens_version {bigint} NOT NULL DEFAULT 0;

--- up postgres
CREATE TRIGGER machine_tokens_updated_at BEFORE UPDATE ON machine_tokens
    FOR EACH ROW WHEN (NEW.updated_at = OLD.updated_at) EXECUTE FUNCTION touch_updated_at();

--- up sqlite
CREATE TRIGGER machine_tokens_updated_at AFTER UPDATE ON machine_tokens
    FOR EACH ROW WHEN NEW.updated_at = OLD.updated_at
    BEGIN UPDATE machine_tokens SET updated_at = {now} WHERE id = NEW.id; END;

--- down
ALTER TABLE deployment DROP COLUMN machine_tokens_version;
DROP TABLE machine_tokens;
