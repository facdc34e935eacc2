-- What load tests measured, so that the next one of the same load can be compared with them.

CREATE TABLE load_runs (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    environment TEXT NOT NULL,
    profile TEXT NOT NULL,
    load TEXT NOT NULL,
    lambda_version TEXT,
    flow_run_id UUID,
    partial BOOLEAN NOT NULL DEFAULT false,
    passed BOOLEAN NOT NULL,
    requests BIGINT NOT NULL CHECK (requests >= 0),
    errors BIGINT NOT NULL CHECK (errors BETWEEN 0 AND requests),
    per_second DOUBLE PRECISION NOT NULL,
    p50_ms DOUBLE PRECISION,
    p95_ms DOUBLE PRECISION,
    p99_ms DOUBLE PRECISION,
    figures JSONB NOT NULL DEFAULT '{}',
    started_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX idx_load_runs_recent ON load_runs (environment, profile, load, started_at DESC);
