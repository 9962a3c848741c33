-- What an account goes through: contacts that wait for their proof, a picture, leaving, and attempts to get back in.
-- type: expanding

--- up
ALTER TABLE users ADD COLUMN pending_email text CHECK (length(pending_email) BETWEEN 3 AND 254);
ALTER TABLE users ADD COLUMN pending_email_expires_at {instant};
ALTER TABLE users ADD COLUMN pending_email_challenge_id {uuid};
ALTER TABLE users ADD COLUMN pending_phone text CHECK (length(pending_phone) BETWEEN 3 AND 16 AND pending_phone LIKE '+%');
ALTER TABLE users ADD COLUMN pending_phone_expires_at {instant};
ALTER TABLE users ADD COLUMN pending_phone_challenge_id {uuid};
ALTER TABLE users ADD COLUMN avatar_key text;
ALTER TABLE users ADD COLUMN avatar_size integer CHECK (avatar_size > 0);
ALTER TABLE users ADD COLUMN avatar_mime_type text;
ALTER TABLE users ADD COLUMN deletion_scheduled_at {instant};
-- What was sent to its contacts before this proves nothing any more.
ALTER TABLE users ADD COLUMN proofs_void_before {instant};
-- For the sweep of pictures that no account names.
CREATE INDEX users_avatar_key_idx ON users (avatar_key) WHERE avatar_key IS NOT NULL;
-- For the job that carries deletions out.
CREATE INDEX users_deletion_scheduled_at_idx ON users (deletion_scheduled_at) WHERE deletion_scheduled_at IS NOT NULL;
-- For the job that ends changes of a contact that nobody finished.
CREATE INDEX users_pending_email_expires_at_idx ON users (pending_email_expires_at) WHERE pending_email_expires_at IS NOT NULL;
CREATE INDEX users_pending_phone_expires_at_idx ON users (pending_phone_expires_at) WHERE pending_phone_expires_at IS NOT NULL;
-- For whoever asks whether there is another administrator.
CREATE INDEX users_admins_idx ON users (id) WHERE role = 'admin';

CREATE TABLE password_reset_attempts (
    id {uuid} NOT NULL PRIMARY KEY,
    user_id {uuid} REFERENCES users (id) ON DELETE CASCADE,
    contact text NOT NULL CHECK (length(contact) BETWEEN 3 AND 254),
    ip_address text,
    user_agent text,
    token_generated {bool} NOT NULL,
    success {bool} NOT NULL,
    created_at {instant} NOT NULL,
    updated_at {instant} NOT NULL
) {strict};
CREATE INDEX password_reset_attempts_user_id_idx ON password_reset_attempts (user_id, created_at) WHERE user_id IS NOT NULL;
CREATE INDEX password_reset_attempts_contact_idx ON password_reset_attempts (contact, created_at);
CREATE INDEX password_reset_attempts_created_at_idx ON password_reset_attempts (created_at, id);

-- The code that the same message carries, the attempt at a reset, and the browser that asked.
ALTER TABLE link_tokens ADD COLUMN challenge_id {uuid};
ALTER TABLE link_tokens ADD COLUMN reset_attempt_id {uuid};
ALTER TABLE link_tokens ADD COLUMN device_hash {bytes};

-- When the failures were that may still count, so that no window begins or ends anywhere in between.
ALTER TABLE attempt_counters ADD COLUMN recent text NOT NULL DEFAULT '';

-- Pictures that belong to nobody any more; the row goes once the file has gone.
CREATE TABLE avatar_removals (
    key text NOT NULL CONSTRAINT avatar_removals_key_key PRIMARY KEY,
    created_at {instant} NOT NULL
) {strict};

-- For the clean-up.
CREATE INDEX user_sessions_revoked_at_idx ON user_sessions (revoked_at) WHERE status = 'revoked';
CREATE INDEX user_sessions_expired_at_idx ON user_sessions (expires_at) WHERE status = 'expired';
CREATE INDEX known_devices_last_seen_at_idx ON known_devices (last_seen_at);
CREATE INDEX account_events_deleted_idx ON account_events (at) WHERE kind = 'deleted';
CREATE INDEX messages_account_deleted_idx ON messages (state) WHERE template = 'account_deleted';
-- What lies by a contact alone goes with whoever proved that contact.
CREATE INDEX messages_recipient_idx ON messages (recipient) WHERE user_id IS NULL;
CREATE INDEX link_tokens_contact_idx ON link_tokens (contact) WHERE user_id IS NULL;

--- up postgres
CREATE TRIGGER password_reset_attempts_updated_at BEFORE UPDATE ON password_reset_attempts
    FOR EACH ROW WHEN (NEW.updated_at = OLD.updated_at) EXECUTE FUNCTION touch_updated_at();

--- up sqlite
CREATE TRIGGER password_reset_attempts_updated_at AFTER UPDATE ON password_reset_attempts
    FOR EACH ROW WHEN NEW.updated_at = OLD.updated_at
    BEGIN UPDATE password_reset_attempts SET updated_at = {now} WHERE id = NEW.id; END;

--- down
DROP INDEX link_tokens_contact_idx;
DROP INDEX messages_recipient_idx;
DROP INDEX messages_account_deleted_idx;
DROP INDEX account_events_deleted_idx;
DROP INDEX known_devices_last_seen_at_idx;
DROP INDEX user_sessions_expired_at_idx;
DROP INDEX user_sessions_revoked_at_idx;
DROP TABLE avatar_removals;
ALTER TABLE attempt_counters DROP COLUMN recent;
ALTER TABLE link_tokens DROP COLUMN device_hash;
ALTER TABLE link_tokens DROP COLUMN reset_attempt_id;
ALTER TABLE link_tokens DROP COLUMN challenge_id;
DROP TABLE password_reset_attempts;
DROP INDEX users_admins_idx;
DROP INDEX users_pending_phone_expires_at_idx;
DROP INDEX users_pending_email_expires_at_idx;
DROP INDEX users_deletion_scheduled_at_idx;
DROP INDEX users_avatar_key_idx;
ALTER TABLE users DROP COLUMN proofs_void_before;
ALTER TABLE users DROP COLUMN deletion_scheduled_at;
ALTER TABLE users DROP COLUMN avatar_mime_type;
ALTER TABLE users DROP COLUMN avatar_size;
ALTER TABLE users DROP COLUMN avatar_key;
ALTER TABLE users DROP COLUMN pending_phone_challenge_id;
ALTER TABLE users DROP COLUMN pending_phone_expires_at;
ALTER TABLE users DROP COLUMN pending_phone;
ALTER TABLE users DROP COLUMN pending_email_challenge_id;
ALTER TABLE users DROP COLUMN pending_email_expires_at;
ALTER TABLE users DROP COLUMN pending_email;
