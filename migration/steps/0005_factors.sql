-- More ways to prove who is there: authenticator apps, recovery codes, passkeys, accounts at providers.
-- type: expanding

--- up
ALTER TABLE users ADD COLUMN totp_secret_sealed {bytes};
ALTER TABLE users ADD COLUMN totp_enabled_at {instant};
ALTER TABLE users ADD COLUMN totp_last_step {bigint};
-- For whoever seals the seeds anew after a rotation of secrets.
CREATE INDEX users_totp_idx ON users (id) WHERE totp_secret_sealed IS NOT NULL;

-- The second factor that the session was begun with, and when its person last gave a second factor or a passkey.
ALTER TABLE user_sessions ADD COLUMN second_factor text
    CHECK (second_factor IN ('totp', 'recovery_code', 'passkey', 'email_code', 'sms_code'));
ALTER TABLE user_sessions ADD COLUMN strong_proof_at {instant};

CREATE TABLE recovery_codes (
    id {uuid} NOT NULL PRIMARY KEY,
    user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    code_hash {bytes} NOT NULL CHECK (length(code_hash) = 32),
    used_at {instant},
    created_at {instant} NOT NULL,
    CONSTRAINT recovery_codes_user_id_code_hash_key UNIQUE (user_id, code_hash)
) {strict};

CREATE TABLE passkey_credentials (
    id {uuid} NOT NULL PRIMARY KEY,
    user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    credential_id {bytes} NOT NULL CONSTRAINT passkey_credentials_credential_id_key UNIQUE
        CHECK (length(credential_id) BETWEEN 1 AND 1023),
    public_key {json} NOT NULL,
    counter {bigint} NOT NULL CHECK (counter >= 0),
    device_type text NOT NULL CHECK (device_type IN ('single_device', 'multi_device')),
    backed_up {bool} NOT NULL,
    transports {json} NOT NULL DEFAULT '[]',
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    last_used_at {instant},
    created_at {instant} NOT NULL,
    updated_at {instant} NOT NULL
) {strict};
CREATE INDEX passkey_credentials_user_id_idx ON passkey_credentials (user_id, created_at);

CREATE TABLE auth_providers (
    id {uuid} NOT NULL PRIMARY KEY,
    user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    provider text NOT NULL CHECK (length(provider) BETWEEN 1 AND 64),
    issuer text NOT NULL CHECK (length(issuer) BETWEEN 1 AND 512),
    provider_user_id text NOT NULL CHECK (length(provider_user_id) BETWEEN 1 AND 255),
    email text CHECK (length(email) BETWEEN 3 AND 254),
    metadata {json} NOT NULL DEFAULT '{}',
    linked_at {instant} NOT NULL,
    last_used_at {instant},
    CONSTRAINT auth_providers_issuer_provider_user_id_key UNIQUE (issuer, provider_user_id)
) {strict};
CREATE INDEX auth_providers_user_id_idx ON auth_providers (user_id, linked_at);

--- up postgres
CREATE TRIGGER passkey_credentials_updated_at BEFORE UPDATE ON passkey_credentials
    FOR EACH ROW WHEN (NEW.updated_at = OLD.updated_at) EXECUTE FUNCTION touch_updated_at();

--- up sqlite
CREATE TRIGGER passkey_credentials_updated_at AFTER UPDATE ON passkey_credentials
    FOR EACH ROW WHEN NEW.updated_at = OLD.updated_at
    BEGIN UPDATE passkey_credentials SET updated_at = {now} WHERE id = NEW.id; END;

--- down
DROP TABLE auth_providers;
DROP TABLE passkey_credentials;
DROP TABLE recovery_codes;
ALTER TABLE user_sessions DROP COLUMN strong_proof_at;
ALTER TABLE user_sessions DROP COLUMN second_factor;
DROP INDEX users_totp_idx;
ALTER TABLE users DROP COLUMN totp_last_step;
ALTER TABLE users DROP COLUMN totp_enabled_at;
ALTER TABLE users DROP COLUMN totp_secret_sealed;
