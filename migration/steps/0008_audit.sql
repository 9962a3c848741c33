-- Looking through the audit log: an index for every way to ask, the views as the API shows them, and what the figures count by.
-- type: expanding

--- up
-- The newest first: each index ends with that order. Those that were there before keep their names.
DROP INDEX user_audit_log_user_id_idx;
DROP INDEX user_audit_log_actor_user_id_idx;
DROP INDEX user_audit_log_created_at_idx;
CREATE INDEX user_audit_log_user_id_idx ON user_audit_log (user_id, created_at, seq) WHERE user_id IS NOT NULL;
CREATE INDEX user_audit_log_actor_user_id_idx ON user_audit_log (actor_user_id, created_at, seq) WHERE actor_user_id IS NOT NULL;
CREATE INDEX user_audit_log_session_id_idx ON user_audit_log (session_id, created_at, seq) WHERE session_id IS NOT NULL;
CREATE INDEX user_audit_log_ip_address_idx ON user_audit_log (ip_address, created_at, seq) WHERE ip_address IS NOT NULL;
CREATE INDEX user_audit_log_created_at_idx ON user_audit_log (created_at, seq);
-- There are few kinds of rows, and many rows of each: a page looks at the newest of every kind that it shows.
CREATE INDEX user_audit_log_kind_idx ON user_audit_log (event_type, event_category, status, severity, created_at, seq);
CREATE INDEX user_audit_log_security_idx ON user_audit_log (created_at, seq)
    WHERE event_category = 'security' OR severity IN ('warning', 'error', 'critical');
CREATE INDEX user_audit_log_login_idx ON user_audit_log (status, created_at, user_id) WHERE event_type = 'login';

DROP VIEW recent_security_events;
CREATE VIEW recent_security_events AS
    SELECT seq, id, epoch, xid, user_id, actor, actor_user_id, session_id, request_id, event_type, event_category, action, resource_type,
           resource_id, status, result_code, message, ip_address, user_agent, country, city, risk_score, request_method, request_path,
           request_params, response_status, metadata, tags, severity, is_sensitive, retention_policy, expires_at, created_at
    FROM user_audit_log
    WHERE created_at > {7_days_ago} AND (event_category = 'security' OR severity IN ('warning', 'error', 'critical'));
DROP VIEW failed_login_attempts;

DROP INDEX password_reset_attempts_contact_idx;
CREATE INDEX password_reset_attempts_contact_idx ON password_reset_attempts (contact, created_at, id);
CREATE INDEX password_reset_attempts_ip_address_idx ON password_reset_attempts (ip_address, created_at, id) WHERE ip_address IS NOT NULL;
CREATE INDEX password_reset_attempts_success_idx ON password_reset_attempts (created_at, id) WHERE success;

-- For the figures: each holds the smaller part.
CREATE INDEX users_unverified_idx ON users (id) WHERE email_verified_at IS NULL AND phone_verified_at IS NULL;
CREATE INDEX users_second_factor_idx ON users (id) WHERE totp_enabled_at IS NOT NULL;
CREATE INDEX user_sessions_suspicious_idx ON user_sessions (expires_at) WHERE is_suspicious AND status IN ('active', 'suspicious');

--- up postgres
CREATE VIEW failed_login_attempts AS
    SELECT user_id, count(*) AS attempt_count, max(created_at) AS last_attempt_at,
           coalesce(jsonb_agg(DISTINCT ip_address) FILTER (WHERE ip_address IS NOT NULL), '[]') AS ip_addresses
    FROM user_audit_log
    WHERE event_type = 'login' AND status = 'failure' AND created_at > {1_day_ago} AND user_id IS NOT NULL
    GROUP BY user_id
    HAVING count(*) >= 3;

-- A row that is about a user as such names that user once more: it goes with the person.
CREATE OR REPLACE FUNCTION keep_audit_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    person constant text[] := ARRAY['user_id', 'actor_user_id', 'resource_id', 'message', 'ip_address', 'user_agent', 'country', 'city', 'request_params', 'metadata'];
    before constant jsonb := to_jsonb(OLD);
    after constant jsonb := to_jsonb(NEW);
BEGIN
    IF before - person <> after - person OR EXISTS (
        SELECT FROM unnest(person) AS field (name)
        WHERE after -> field.name <> before -> field.name AND after -> field.name NOT IN ('null'::jsonb, '""'::jsonb, '{}'::jsonb)
    ) THEN
        RAISE EXCEPTION 'user_audit_log is append-only' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

--- up sqlite
CREATE VIEW failed_login_attempts AS
    SELECT user_id, count(*) AS attempt_count, max(created_at) AS last_attempt_at,
           json_group_array(DISTINCT ip_address) FILTER (WHERE ip_address IS NOT NULL) AS ip_addresses
    FROM user_audit_log
    WHERE event_type = 'login' AND status = 'failure' AND created_at > {1_day_ago} AND user_id IS NOT NULL
    GROUP BY user_id
    HAVING count(*) >= 3;

-- A row that is about a user as such names that user once more: it goes with the person.
DROP TRIGGER user_audit_log_no_update;
CREATE TRIGGER user_audit_log_no_update BEFORE UPDATE ON user_audit_log
    FOR EACH ROW WHEN
        NEW.seq IS NOT OLD.seq OR NEW.id IS NOT OLD.id OR NEW.epoch IS NOT OLD.epoch OR NEW.xid IS NOT OLD.xid
        OR NEW.actor IS NOT OLD.actor OR NEW.session_id IS NOT OLD.session_id OR NEW.request_id IS NOT OLD.request_id
        OR NEW.event_type IS NOT OLD.event_type OR NEW.event_category IS NOT OLD.event_category OR NEW.action IS NOT OLD.action
        OR NEW.resource_type IS NOT OLD.resource_type OR NEW.status IS NOT OLD.status
        OR NEW.result_code IS NOT OLD.result_code OR NEW.risk_score IS NOT OLD.risk_score
        OR NEW.request_method IS NOT OLD.request_method OR NEW.request_path IS NOT OLD.request_path
        OR NEW.response_status IS NOT OLD.response_status OR NEW.tags IS NOT OLD.tags OR NEW.severity IS NOT OLD.severity
        OR NEW.is_sensitive IS NOT OLD.is_sensitive OR NEW.retention_policy IS NOT OLD.retention_policy
        OR NEW.expires_at IS NOT OLD.expires_at OR NEW.created_at IS NOT OLD.created_at
        OR (NEW.user_id IS NOT OLD.user_id AND NEW.user_id IS NOT NULL)
        OR (NEW.actor_user_id IS NOT OLD.actor_user_id AND NEW.actor_user_id IS NOT NULL)
        OR (NEW.resource_id IS NOT OLD.resource_id AND coalesce(NEW.resource_id, '') <> '')
        OR (NEW.message IS NOT OLD.message AND coalesce(NEW.message, '') <> '')
        OR (NEW.ip_address IS NOT OLD.ip_address AND coalesce(NEW.ip_address, '') <> '')
        OR (NEW.user_agent IS NOT OLD.user_agent AND coalesce(NEW.user_agent, '') <> '')
        OR (NEW.country IS NOT OLD.country AND coalesce(NEW.country, '') <> '')
        OR (NEW.city IS NOT OLD.city AND coalesce(NEW.city, '') <> '')
        OR (NEW.request_params IS NOT OLD.request_params AND coalesce(NEW.request_params, 'null') NOT IN ('null', '{}'))
        OR (NEW.metadata IS NOT OLD.metadata AND NEW.metadata NOT IN ('null', '{}'))
    BEGIN SELECT RAISE(ABORT, 'user_audit_log is append-only'); END;

--- down
DROP INDEX user_sessions_suspicious_idx;
DROP INDEX users_second_factor_idx;
DROP INDEX users_unverified_idx;

DROP INDEX password_reset_attempts_success_idx;
DROP INDEX password_reset_attempts_ip_address_idx;
DROP INDEX password_reset_attempts_contact_idx;
CREATE INDEX password_reset_attempts_contact_idx ON password_reset_attempts (contact, created_at);

DROP VIEW failed_login_attempts;
DROP VIEW recent_security_events;
CREATE VIEW recent_security_events AS
    SELECT id, user_id, actor, actor_user_id, session_id, event_type, event_category, action, status, result_code, message,
           ip_address, user_agent, country, city, risk_score, severity, created_at
    FROM user_audit_log
    WHERE created_at > {30_days_ago} AND (event_category = 'security' OR severity IN ('warning', 'error', 'critical'));
CREATE VIEW failed_login_attempts AS
    SELECT id, user_id, session_id, result_code, message, ip_address, user_agent, country, city, risk_score, created_at
    FROM user_audit_log
    WHERE created_at > {1_day_ago} AND event_type = 'login' AND status = 'failure';

DROP INDEX user_audit_log_login_idx;
DROP INDEX user_audit_log_security_idx;
DROP INDEX user_audit_log_kind_idx;
DROP INDEX user_audit_log_created_at_idx;
DROP INDEX user_audit_log_ip_address_idx;
DROP INDEX user_audit_log_session_id_idx;
DROP INDEX user_audit_log_actor_user_id_idx;
DROP INDEX user_audit_log_user_id_idx;
CREATE INDEX user_audit_log_user_id_idx ON user_audit_log (user_id, seq);
CREATE INDEX user_audit_log_actor_user_id_idx ON user_audit_log (actor_user_id) WHERE actor_user_id IS NOT NULL;
CREATE INDEX user_audit_log_created_at_idx ON user_audit_log (created_at);

--- down postgres
CREATE OR REPLACE FUNCTION keep_audit_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    person constant text[] := ARRAY['user_id', 'actor_user_id', 'message', 'ip_address', 'user_agent', 'country', 'city', 'request_params', 'metadata'];
    before constant jsonb := to_jsonb(OLD);
    after constant jsonb := to_jsonb(NEW);
BEGIN
    IF before - person <> after - person OR EXISTS (
        SELECT FROM unnest(person) AS field (name)
        WHERE after -> field.name <> before -> field.name AND after -> field.name NOT IN ('null'::jsonb, '""'::jsonb, '{}'::jsonb)
    ) THEN
        RAISE EXCEPTION 'user_audit_log is append-only' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

--- down sqlite
DROP TRIGGER user_audit_log_no_update;
CREATE TRIGGER user_audit_log_no_update BEFORE UPDATE ON user_audit_log
    FOR EACH ROW WHEN
        NEW.seq IS NOT OLD.seq OR NEW.id IS NOT OLD.id OR NEW.epoch IS NOT OLD.epoch OR NEW.xid IS NOT OLD.xid
        OR NEW.actor IS NOT OLD.actor OR NEW.session_id IS NOT OLD.session_id OR NEW.request_id IS NOT OLD.request_id
        OR NEW.event_type IS NOT OLD.event_type OR NEW.event_category IS NOT OLD.event_category OR NEW.action IS NOT OLD.action
        OR NEW.resource_type IS NOT OLD.resource_type OR NEW.resource_id IS NOT OLD.resource_id OR NEW.status IS NOT OLD.status
        OR NEW.result_code IS NOT OLD.result_code OR NEW.risk_score IS NOT OLD.risk_score
        OR NEW.request_method IS NOT OLD.request_method OR NEW.request_path IS NOT OLD.request_path
        OR NEW.response_status IS NOT OLD.response_status OR NEW.tags IS NOT OLD.tags OR NEW.severity IS NOT OLD.severity
        OR NEW.is_sensitive IS NOT OLD.is_sensitive OR NEW.retention_policy IS NOT OLD.retention_policy
        OR NEW.expires_at IS NOT OLD.expires_at OR NEW.created_at IS NOT OLD.created_at
        OR (NEW.user_id IS NOT OLD.user_id AND NEW.user_id IS NOT NULL)
        OR (NEW.actor_user_id IS NOT OLD.actor_user_id AND NEW.actor_user_id IS NOT NULL)
        OR (NEW.message IS NOT OLD.message AND coalesce(NEW.message, '') <> '')
        OR (NEW.ip_address IS NOT OLD.ip_address AND coalesce(NEW.ip_address, '') <> '')
        OR (NEW.user_agent IS NOT OLD.user_agent AND coalesce(NEW.user_agent, '') <> '')
        OR (NEW.country IS NOT OLD.country AND coalesce(NEW.country, '') <> '')
        OR (NEW.city IS NOT OLD.city AND coalesce(NEW.city, '') <> '')
        OR (NEW.request_params IS NOT OLD.request_params AND coalesce(NEW.request_params, 'null') NOT IN ('null', '{}'))
        OR (NEW.metadata IS NOT OLD.metadata AND NEW.metadata NOT IN ('null', '{}'))
    BEGIN SELECT RAISE(ABORT, 'user_audit_log is append-only'); END;
