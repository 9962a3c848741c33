-- What administrators look for: users and sessions, searched, filtered and ordered by indexes.
-- type: expanding

--- up
-- The counter of the account itself, not that of one of its devices: what makes an account locked.
ALTER TABLE attempt_counters ADD COLUMN is_account {bool} NOT NULL DEFAULT false;
CREATE INDEX attempt_counters_locked_idx ON attempt_counters (locked_until, user_id)
    WHERE kind = 'password' AND is_account AND locked_until IS NOT NULL;

CREATE INDEX users_created_at_idx ON users (created_at, id);
-- Of what is rare, so that the few are not looked for among all.
CREATE INDEX users_not_active_idx ON users (created_at, id) WHERE status <> 'active';
CREATE INDEX users_email_unverified_idx ON users (created_at, id) WHERE email_verified_at IS NULL;
CREATE INDEX users_phone_verified_idx ON users (created_at, id) WHERE phone_verified_at IS NOT NULL;

CREATE INDEX user_sessions_created_at_idx ON user_sessions (created_at, id);
CREATE INDEX user_sessions_status_suspicious_idx ON user_sessions (created_at, id) WHERE status = 'suspicious';
CREATE INDEX user_sessions_is_suspicious_idx ON user_sessions (created_at, id) WHERE is_suspicious;
CREATE INDEX user_sessions_risk_score_idx ON user_sessions (risk_score, created_at, id) WHERE risk_score > 0;
CREATE INDEX user_sessions_ip_address_idx ON user_sessions (ip_address, created_at, id) WHERE ip_address IS NOT NULL;

-- Who has no address, or never signed in, comes before everybody else. Starts of words are compared byte by byte.
--- up postgres
CREATE INDEX users_last_sign_in_idx ON users ((coalesce(last_login_at, timestamptz '1970-01-01 00:00:00+00')), id);
CREATE INDEX users_email_order_idx ON users ((coalesce(email, '')) COLLATE "C", id);
CREATE INDEX users_phone_start_idx ON users (phone COLLATE "C") WHERE phone IS NOT NULL;
CREATE INDEX users_username_start_idx ON users (username COLLATE "C") WHERE username IS NOT NULL;
CREATE INDEX users_display_name_start_idx ON users ((lower(display_name)) COLLATE "C") WHERE display_name IS NOT NULL;
CREATE INDEX users_full_name_start_idx ON users ((lower(full_name)) COLLATE "C") WHERE full_name IS NOT NULL;
CREATE INDEX users_first_name_start_idx ON users ((lower(first_name)) COLLATE "C") WHERE first_name IS NOT NULL;
CREATE INDEX users_last_name_start_idx ON users ((lower(last_name)) COLLATE "C") WHERE last_name IS NOT NULL;

--- up sqlite
CREATE INDEX users_last_sign_in_idx ON users (coalesce(last_login_at, ''), id);
CREATE INDEX users_email_order_idx ON users (coalesce(email, ''), id);
CREATE INDEX users_phone_start_idx ON users (phone) WHERE phone IS NOT NULL;
CREATE INDEX users_username_start_idx ON users (username) WHERE username IS NOT NULL;
CREATE INDEX users_display_name_start_idx ON users (lower(display_name)) WHERE display_name IS NOT NULL;
CREATE INDEX users_full_name_start_idx ON users (lower(full_name)) WHERE full_name IS NOT NULL;
CREATE INDEX users_first_name_start_idx ON users (lower(first_name)) WHERE first_name IS NOT NULL;
CREATE INDEX users_last_name_start_idx ON users (lower(last_name)) WHERE last_name IS NOT NULL;

--- down
DROP INDEX users_last_name_start_idx;
DROP INDEX users_first_name_start_idx;
DROP INDEX users_full_name_start_idx;
DROP INDEX users_display_name_start_idx;
DROP INDEX users_username_start_idx;
DROP INDEX users_phone_start_idx;
DROP INDEX users_email_order_idx;
DROP INDEX users_last_sign_in_idx;
DROP INDEX user_sessions_ip_address_idx;
DROP INDEX user_sessions_risk_score_idx;
DROP INDEX user_sessions_is_suspicious_idx;
DROP INDEX user_sessions_status_suspicious_idx;
DROP INDEX user_sessions_created_at_idx;
DROP INDEX users_phone_verified_idx;
DROP INDEX users_email_unverified_idx;
DROP INDEX users_not_active_idx;
DROP INDEX users_created_at_idx;
DROP INDEX attempt_counters_locked_idx;
ALTER TABLE attempt_counters DROP COLUMN is_account;
