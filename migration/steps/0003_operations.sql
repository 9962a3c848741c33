-- What the deployment works with: messages to deliver, signing keys, leases of jobs, and the deployment itself.
-- type: expanding

--- up
CREATE TABLE messages (
    id {uuid} NOT NULL PRIMARY KEY,
    user_id {uuid} REFERENCES users (id) ON DELETE SET NULL,
    channel text NOT NULL CHECK (channel IN ('email', 'sms')),
    recipient text NOT NULL CHECK (length(recipient) BETWEEN 3 AND 254),
    template text NOT NULL,
    parameters {json} NOT NULL DEFAULT '{}',
    secret_sealed {bytes},
    locale text NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'sent', 'dead', 'expired', 'discarded')),
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_attempt_at {instant} NOT NULL,
    expires_at {instant} NOT NULL,
    sent_at {instant},
    last_error text,
    created_at {instant} NOT NULL,
    updated_at {instant} NOT NULL,
    CONSTRAINT messages_secret_sealed_check CHECK (secret_sealed IS NULL OR state IN ('pending', 'discarded'))
) {strict};
CREATE INDEX messages_due_idx ON messages (next_attempt_at) WHERE state = 'pending';
CREATE INDEX messages_user_id_idx ON messages (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX messages_created_at_idx ON messages (created_at);

CREATE TABLE dev_inbox (
    id {uuid} NOT NULL PRIMARY KEY,
    recipient text NOT NULL,
    content_sealed {bytes} NOT NULL,
    channel text NOT NULL CHECK (channel IN ('email', 'sms')),
    sent_at {instant} NOT NULL
) {strict};
CREATE INDEX dev_inbox_sent_at_idx ON dev_inbox (sent_at, id);
CREATE INDEX dev_inbox_recipient_idx ON dev_inbox (recipient, sent_at, id);

CREATE TABLE signing_keys (
    id {uuid} NOT NULL PRIMARY KEY,
    kid text NOT NULL CONSTRAINT signing_keys_kid_key UNIQUE,
    generation integer NOT NULL CONSTRAINT signing_keys_generation_key UNIQUE CHECK (generation >= 0),
    algorithm text NOT NULL CHECK (algorithm IN ('ES256', 'EdDSA')),
    private_key_sealed {bytes} NOT NULL,
    public_jwk {json} NOT NULL,
    publish_at {instant} NOT NULL,
    activate_at {instant} NOT NULL,
    retire_at {instant},
    created_at {instant} NOT NULL
) {strict};

CREATE TABLE leases (
    job text NOT NULL CONSTRAINT leases_job_key PRIMARY KEY,
    holder text NOT NULL,
    until {instant} NOT NULL,
    position text,
    updated_at {instant} NOT NULL
) {strict};

CREATE TABLE deployment (
    id integer NOT NULL CONSTRAINT deployment_id_key PRIMARY KEY CHECK (id = 1),
    epoch integer NOT NULL CHECK (epoch > 0),
    created_at {instant} NOT NULL
) {strict};
INSERT INTO deployment (id, epoch, created_at) VALUES (1, 1, {now});

--- up postgres
CREATE TRIGGER messages_updated_at BEFORE UPDATE ON messages
    FOR EACH ROW WHEN (NEW.updated_at = OLD.updated_at) EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER leases_updated_at BEFORE UPDATE ON leases
    FOR EACH ROW WHEN (NEW.updated_at = OLD.updated_at) EXECUTE FUNCTION touch_updated_at();

--- up sqlite
CREATE TRIGGER messages_updated_at AFTER UPDATE ON messages
    FOR EACH ROW WHEN NEW.updated_at = OLD.updated_at
    BEGIN UPDATE messages SET updated_at = {now} WHERE id = NEW.id; END;
CREATE TRIGGER leases_updated_at AFTER UPDATE ON leases
    FOR EACH ROW WHEN NEW.updated_at = OLD.updated_at
    BEGIN UPDATE leases SET updated_at = {now} WHERE job = NEW.job; END;

--- down
DROP TABLE deployment;
DROP TABLE leases;
DROP TABLE signing_keys;
DROP TABLE dev_inbox;
DROP TABLE messages;
