-- How much of what it may ask each user and address has asked: a leaking bucket for each. Unlogged: what a crash of the
-- server forgets does no harm, and writing it costs the least. `key` is a hash of who and by which rule.

CREATE UNLOGGED TABLE rate_limits (
    key BYTEA PRIMARY KEY,
    quota INTEGER NOT NULL,
    window_s INTEGER NOT NULL,
    level DOUBLE PRECISION NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    allowed BOOLEAN NOT NULL
) WITH (fillfactor = 50);

-- For the accounts of load tests and the like; no role has it.
INSERT INTO permissions (code, name, description, category)
VALUES ('api.unlimited', 'Unlimited Requests', 'Ask the API without a rate limit', 'api')
ON CONFLICT (code) DO NOTHING;
