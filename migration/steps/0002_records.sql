-- What happened: the outbox of events, and the audit log that the database itself keeps from being rewritten.
-- type: expanding

--- up
CREATE TABLE account_events (
    seq {identity},
    id {uuid} NOT NULL CONSTRAINT account_events_id_key UNIQUE,
    epoch integer NOT NULL,
    xid {bigint} NOT NULL DEFAULT {xid},
    kind text NOT NULL CHECK (kind IN (
        'session_created', 'session_refreshed', 'session_marked_suspicious', 'session_trusted', 'session_expired', 'session_revoked',
        'created', 'updated', 'email_verified', 'email_changed', 'phone_verified', 'phone_changed', 'password_changed',
        'second_factor_changed', 'passkey_changed', 'identity_changed', 'status_changed', 'role_changed', 'coins_changed',
        'locked', 'unlocked', 'deletion_scheduled', 'deletion_cancelled', 'deleted'
    )),
    user_id {uuid} NOT NULL,
    session_id {uuid},
    at {instant} NOT NULL
) {strict};
CREATE INDEX account_events_position_idx ON account_events (epoch, xid, seq);
CREATE INDEX account_events_user_id_idx ON account_events (user_id, epoch, xid, seq);
CREATE INDEX account_events_at_idx ON account_events (at);

CREATE TABLE user_audit_log (
    seq {identity},
    id {uuid} NOT NULL CONSTRAINT user_audit_log_id_key UNIQUE,
    epoch integer NOT NULL,
    xid {bigint} NOT NULL DEFAULT {xid},
    user_id {uuid},
    actor text NOT NULL CHECK (actor IN ('user', 'admin', 'system', 'security')),
    actor_user_id {uuid},
    session_id {uuid},
    request_id text,
    event_type text NOT NULL,
    event_category text NOT NULL CHECK (event_category IN ('authentication', 'security', 'account', 'admin', 'system')),
    action text NOT NULL,
    resource_type text,
    resource_id text,
    status text NOT NULL CHECK (status IN ('success', 'failure', 'partial', 'pending')),
    result_code text,
    message text,
    ip_address text,
    user_agent text,
    country text,
    city text,
    risk_score integer CHECK (risk_score BETWEEN 0 AND 100),
    request_method text,
    request_path text,
    request_params {json},
    response_status integer,
    metadata {json} NOT NULL DEFAULT '{}',
    tags {json} NOT NULL DEFAULT '[]',
    severity text NOT NULL CHECK (severity IN ('debug', 'info', 'warning', 'error', 'critical')),
    is_sensitive {bool} NOT NULL DEFAULT false,
    retention_policy text NOT NULL CHECK (retention_policy IN ('standard', 'extended', 'permanent')),
    expires_at {instant},
    created_at {instant} NOT NULL,
    CONSTRAINT user_audit_log_expires_at_check CHECK ((retention_policy = 'permanent') = (expires_at IS NULL))
) {strict};
CREATE INDEX user_audit_log_position_idx ON user_audit_log (epoch, xid, seq);
CREATE INDEX user_audit_log_user_id_idx ON user_audit_log (user_id, seq);
CREATE INDEX user_audit_log_actor_user_id_idx ON user_audit_log (actor_user_id) WHERE actor_user_id IS NOT NULL;
CREATE INDEX user_audit_log_created_at_idx ON user_audit_log (created_at);
CREATE INDEX user_audit_log_expires_at_idx ON user_audit_log (expires_at) WHERE expires_at IS NOT NULL;

CREATE VIEW recent_security_events AS
    SELECT id, user_id, actor, actor_user_id, session_id, event_type, event_category, action, status, result_code, message,
           ip_address, user_agent, country, city, risk_score, severity, created_at
    FROM user_audit_log
    WHERE created_at > {30_days_ago} AND (event_category = 'security' OR severity IN ('warning', 'error', 'critical'));

CREATE VIEW failed_login_attempts AS
    SELECT id, user_id, session_id, result_code, message, ip_address, user_agent, country, city, risk_score, created_at
    FROM user_audit_log
    WHERE created_at > {1_day_ago} AND event_type = 'login' AND status = 'failure';

-- A row stays as it was written. Only the person may be taken out of it, and the row only once its time is over.
--- up postgres
CREATE INDEX user_audit_log_metadata_idx ON user_audit_log USING gin (metadata);
CREATE INDEX user_audit_log_tags_idx ON user_audit_log USING gin (tags);

CREATE FUNCTION keep_audit_row() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER user_audit_log_no_update BEFORE UPDATE ON user_audit_log FOR EACH ROW EXECUTE FUNCTION keep_audit_row();

CREATE FUNCTION keep_audit_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'user_audit_log is kept until it expires' USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER user_audit_log_no_delete BEFORE DELETE ON user_audit_log
    FOR EACH ROW WHEN (OLD.expires_at IS NULL OR OLD.expires_at > clock_timestamp()) EXECUTE FUNCTION keep_audit_log();
CREATE TRIGGER user_audit_log_no_truncate BEFORE TRUNCATE ON user_audit_log FOR EACH STATEMENT EXECUTE FUNCTION keep_audit_log();

--- up sqlite
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
CREATE TRIGGER user_audit_log_no_delete BEFORE DELETE ON user_audit_log
    FOR EACH ROW WHEN OLD.expires_at IS NULL OR OLD.expires_at > {now}
    BEGIN SELECT RAISE(ABORT, 'user_audit_log is kept until it expires'); END;
-- INSERT OR REPLACE deletes without asking the trigger above.
CREATE TRIGGER user_audit_log_no_replace BEFORE INSERT ON user_audit_log
    FOR EACH ROW WHEN EXISTS (SELECT 1 FROM user_audit_log WHERE seq = NEW.seq OR id = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'user_audit_log is append-only'); END;

--- down
DROP VIEW failed_login_attempts;
DROP VIEW recent_security_events;

DROP TABLE user_audit_log;
DROP TABLE account_events;

--- down postgres
DROP FUNCTION keep_audit_log();
DROP FUNCTION keep_audit_row();
