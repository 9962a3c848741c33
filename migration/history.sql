-- The history of the steps: made before the first of them, therefore not a step itself.
CREATE TABLE IF NOT EXISTS migration_history (
    name text NOT NULL CONSTRAINT migration_history_name_key PRIMARY KEY,
    type text NOT NULL CHECK (type IN ('expanding', 'contracting')),
    batch integer NOT NULL,
    description text NOT NULL,
    file text NOT NULL,
    checksum text NOT NULL,
    status text NOT NULL CHECK (status IN ('running', 'completed', 'failed', 'rolled_back')),
    started_at {instant} NOT NULL,
    completed_at {instant},
    execution_time_ms {bigint},
    error_message text,
    can_rollback {bool} NOT NULL,
    rolled_back_at {instant},
    rolled_back_by text
) {strict};
