-- Coins: what an account has, what it ever earned, and every entry behind both.
-- type: expanding

--- up
ALTER TABLE users ADD COLUMN coin_balance integer NOT NULL DEFAULT 0 CHECK (coin_balance BETWEEN 0 AND 2147483647);
ALTER TABLE users ADD COLUMN total_earned_coins integer NOT NULL DEFAULT 0 CHECK (total_earned_coins BETWEEN 0 AND 2147483647);

-- Its order is the order in which the entries of an account were decided: each is written while the account's row is held.
CREATE TABLE coin_entries (
    seq {identity},
    id {uuid} NOT NULL CONSTRAINT coin_entries_id_key UNIQUE,
    user_id {uuid} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    amount integer NOT NULL CHECK (amount <> 0),
    balance_after integer NOT NULL CHECK (balance_after BETWEEN 0 AND 2147483647),
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    idempotency_key text NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 200),
    actor text NOT NULL CHECK (actor IN ('user', 'admin', 'system', 'security')),
    actor_user_id {uuid} REFERENCES users (id) ON DELETE SET NULL,
    created_at {instant} NOT NULL,
    CONSTRAINT coin_entries_user_id_idempotency_key_key UNIQUE (user_id, idempotency_key)
) {strict};
CREATE INDEX coin_entries_user_id_seq_idx ON coin_entries (user_id, seq);
-- An administrator who leaves is taken out of what they entered.
CREATE INDEX coin_entries_actor_user_id_idx ON coin_entries (actor_user_id) WHERE actor_user_id IS NOT NULL;

--- down
DROP TABLE coin_entries;
ALTER TABLE users DROP COLUMN total_earned_coins;
ALTER TABLE users DROP COLUMN coin_balance;
