-- Accounts, sign-ups before them, sessions, devices, links and the counters that guard them.
-- type: expanding

--- up
CREATE TABLE users (
    id {uuid} NOT NULL PRIMARY KEY,
    email text CHECK (length(email) BETWEEN 3 AND 254),
    email_verified_at {instant},
    phone text CHECK (length(phone) BETWEEN 3 AND 16 AND phone LIKE '+%'),
    phone_verified_at {instant},
    username text CONSTRAINT users_username_key UNIQUE CHECK (length(username) BETWEEN 3 AND 32 AND username = lower(username)),
    display_name text,
    full_name text,
    first_name text,
    last_name text,
    bio text,
    locale text,
    date_of_birth {date},
    country text,
    state text,
    postal_code text,
    password_hash text,
    last_password_change_at {instant},
    role text NOT NULL CHECK (role IN ('user', 'admin')),
    status text NOT NULL CHECK (status IN ('active', 'inactive', 'suspended', 'banned')),
    metadata {json} NOT NULL DEFAULT '{}',
    last_login_at {instant},
    version {bigint} NOT NULL DEFAULT 1 CHECK (version > 0),
    created_at {instant} NOT NULL,
    updated_at {instant} NOT NULL,
    CONSTRAINT users_verified_email_check CHECK (email_verified_at IS NULL OR email IS NOT NULL),
    CONSTRAINT users_verified_phone_check CHECK (phone_verified_at IS NULL OR phone IS NOT NULL)
) {strict};
-- Only a proved contact belongs to one account alone; the plain indexes find the others too.
CREATE UNIQUE INDEX users_email_key ON users (email) WHERE email_verified_at IS NOT NULL;
CREATE UNIQUE INDEX users_phone_key ON users (phone) WHERE phone_verified_at IS NOT NULL;
CREATE INDEX users_email_idx ON users (email);
CREATE INDEX users_phone_idx ON users (phone);

CREATE TABLE pending_sign_ups (
    id {uuid} NOT NULL PRIMARY KEY,
    channel text NOT NULL CHECK (channel IN ('email', 'sms')),
    contact text NOT NULL CHECK (length(contact) BETWEEN 3 AND 254),
    password_hash text,
    username text,
    profile {json} NOT NULL DEFAULT '{}',
    device_hash {bytes},
    challenge_id {uuid} NOT NULL CONSTRAINT pending_sign_ups_challenge_id_key UNIQUE,
    decoy {bool} NOT NULL,
    expires_at {instant} NOT NULL,
    created_at {instant} NOT NULL
) {strict};
CREATE INDEX pending_sign_ups_contact_idx ON pending_sign_ups (channel, contact, created_at);
CREATE INDEX pending_sign_ups_expires_at_idx ON pending_sign_ups (expires_at);

CREATE TABLE known_devices (
    id {uuid} NOT NULL PRIMARY KEY,
    user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    token_hash {bytes} NOT NULL CHECK (length(token_hash) = 32),
    name text NOT NULL,
    trusted_until {instant},
    last_seen_at {instant} NOT NULL,
    created_at {instant} NOT NULL,
    CONSTRAINT known_devices_user_id_token_hash_key UNIQUE (user_id, token_hash)
) {strict};

CREATE TABLE user_sessions (
    id {uuid} NOT NULL PRIMARY KEY,
    user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    refresh_generation integer NOT NULL CHECK (refresh_generation > 0),
    confirmed_generation integer NOT NULL CHECK (confirmed_generation >= 0),
    confirmed_at {instant},
    refresh_key_id text NOT NULL,
    refresh_token_hash {bytes} NOT NULL CHECK (length(refresh_token_hash) = 32),
    refreshed_at {instant} NOT NULL,
    branch_generation integer CHECK (branch_generation > 0),
    branch_token_hash {bytes} CHECK (length(branch_token_hash) = 32),
    token_delivery text NOT NULL CHECK (token_delivery IN ('cookie', 'body')),
    amr {json} NOT NULL DEFAULT '[]',
    status text NOT NULL CHECK (status IN ('active', 'suspicious', 'expired', 'revoked')),
    known_device_id {uuid} REFERENCES known_devices (id) ON DELETE SET NULL,
    device_type text NOT NULL CHECK (device_type IN ('desktop', 'mobile', 'tablet', 'api')),
    device_name text NOT NULL,
    browser text,
    os text,
    user_agent text,
    ip_address text,
    login_method text NOT NULL
        CHECK (login_method IN ('password', 'email_code', 'phone_code', 'magic_link', 'passkey', 'oauth', 'sign_up')),
    authenticated_at {instant} NOT NULL,
    risk_score integer NOT NULL DEFAULT 0 CHECK (risk_score BETWEEN 0 AND 100),
    risk_signals {json} NOT NULL DEFAULT '[]',
    is_suspicious {bool} NOT NULL DEFAULT false,
    expires_at {instant} NOT NULL,
    absolute_expires_at {instant} NOT NULL,
    last_activity_at {instant} NOT NULL,
    revoked_at {instant},
    revoked_by text CHECK (revoked_by IN ('user', 'admin', 'system', 'security')),
    revoked_reason text,
    version {bigint} NOT NULL DEFAULT 1 CHECK (version > 0),
    created_at {instant} NOT NULL,
    updated_at {instant} NOT NULL
) {strict};
CREATE INDEX user_sessions_user_id_idx ON user_sessions (user_id, status, created_at);
CREATE INDEX user_sessions_known_device_id_idx ON user_sessions (known_device_id) WHERE known_device_id IS NOT NULL;
-- For the job that ends what has run out.
CREATE INDEX user_sessions_expires_at_idx ON user_sessions (expires_at) WHERE status IN ('active', 'suspicious');
CREATE INDEX user_sessions_absolute_expires_at_idx ON user_sessions (absolute_expires_at) WHERE status IN ('active', 'suspicious');

CREATE TABLE link_tokens (
    id {uuid} NOT NULL PRIMARY KEY,
    user_id {uuid} REFERENCES users (id) ON DELETE CASCADE,
    pending_sign_up_id {uuid} REFERENCES pending_sign_ups (id) ON DELETE CASCADE,
    purpose text NOT NULL CHECK (purpose IN (
        'email_verification', 'password_reset', 'magic_link', 'email_change_undo', 'unlock', 'disown_session', 'invitation'
    )),
    contact text NOT NULL CHECK (length(contact) BETWEEN 3 AND 254),
    session_id {uuid} REFERENCES user_sessions (id) ON DELETE CASCADE,
    token_hash {bytes} NOT NULL CONSTRAINT link_tokens_token_hash_key UNIQUE CHECK (length(token_hash) = 32),
    expires_at {instant} NOT NULL,
    used_at {instant},
    created_at {instant} NOT NULL
) {strict};
CREATE INDEX link_tokens_user_id_idx ON link_tokens (user_id, purpose, created_at) WHERE user_id IS NOT NULL;
CREATE INDEX link_tokens_pending_sign_up_id_idx ON link_tokens (pending_sign_up_id) WHERE pending_sign_up_id IS NOT NULL;
CREATE INDEX link_tokens_session_id_idx ON link_tokens (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX link_tokens_created_at_idx ON link_tokens (created_at);

CREATE TABLE attempt_counters (
    id {uuid} NOT NULL PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('password', 'code', 'second_factor')),
    key {bytes} NOT NULL,
    user_id {uuid} REFERENCES users (id) ON DELETE CASCADE,
    failures integer NOT NULL CHECK (failures >= 0),
    total integer NOT NULL CHECK (total >= 0),
    locks integer NOT NULL CHECK (locks >= 0),
    locked_until {instant},
    last_failure_at {instant},
    created_at {instant} NOT NULL,
    updated_at {instant} NOT NULL,
    CONSTRAINT attempt_counters_kind_key_key UNIQUE (kind, key)
) {strict};
CREATE INDEX attempt_counters_user_id_idx ON attempt_counters (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX attempt_counters_updated_at_idx ON attempt_counters (updated_at);

CREATE TABLE spent_tokens (
    kind text NOT NULL,
    id text NOT NULL,
    expires_at {instant} NOT NULL,
    CONSTRAINT spent_tokens_kind_id_key PRIMARY KEY (kind, id)
) {strict};
CREATE INDEX spent_tokens_expires_at_idx ON spent_tokens (expires_at);

-- Whoever changes a row by hand forgets updated_at; the program sets it from its own clock, and then these keep still.
--- up postgres
CREATE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := {now};
    RETURN NEW;
END
$$;
CREATE TRIGGER users_updated_at BEFORE UPDATE ON users
    FOR EACH ROW WHEN (NEW.updated_at = OLD.updated_at) EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER user_sessions_updated_at BEFORE UPDATE ON user_sessions
    FOR EACH ROW WHEN (NEW.updated_at = OLD.updated_at) EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER attempt_counters_updated_at BEFORE UPDATE ON attempt_counters
    FOR EACH ROW WHEN (NEW.updated_at = OLD.updated_at) EXECUTE FUNCTION touch_updated_at();

--- up sqlite
CREATE TRIGGER users_updated_at AFTER UPDATE ON users
    FOR EACH ROW WHEN NEW.updated_at = OLD.updated_at
    BEGIN UPDATE users SET updated_at = {now} WHERE id = NEW.id; END;
CREATE TRIGGER user_sessions_updated_at AFTER UPDATE ON user_sessions
    FOR EACH ROW WHEN NEW.updated_at = OLD.updated_at
    BEGIN UPDATE user_sessions SET updated_at = {now} WHERE id = NEW.id; END;
CREATE TRIGGER attempt_counters_updated_at AFTER UPDATE ON attempt_counters
    FOR EACH ROW WHEN NEW.updated_at = OLD.updated_at
    BEGIN UPDATE attempt_counters SET updated_at = {now} WHERE id = NEW.id; END;

--- down
DROP TABLE spent_tokens;
DROP TABLE attempt_counters;
DROP TABLE link_tokens;
DROP TABLE user_sessions;
DROP TABLE known_devices;
DROP TABLE pending_sign_ups;
DROP TABLE users;

--- down postgres
DROP FUNCTION touch_updated_at();
