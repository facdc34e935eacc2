-- What was released where, by whom, and how it went; and the undo log of the release that is under way.

CREATE TABLE releases (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    environment TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'succeeded', 'failed', 'rolled_back')),
    requested_by TEXT,
    git_sha TEXT,
    source TEXT,
    code_sha256 TEXT,
    schema_version BIGINT,
    lambda_version_before TEXT,
    lambda_version_after TEXT,
    api_url TEXT,
    verdicts JSONB NOT NULL DEFAULT '{}',
    flow_run_id UUID,
    error TEXT,
    started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    finished_at TIMESTAMPTZ
);

CREATE INDEX idx_releases_recent ON releases (environment, started_at DESC);
CREATE INDEX idx_releases_flow_run_id ON releases (flow_run_id);

-- Written before a reversible change and marked done after it; a rollback replays what is not undone, backwards.
CREATE TABLE release_steps (
    release_id UUID NOT NULL REFERENCES releases (id) ON DELETE CASCADE,
    number INTEGER NOT NULL CHECK (number >= 1),
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    resource TEXT NOT NULL,
    before JSONB,
    status TEXT NOT NULL DEFAULT 'started' CHECK (status IN ('started', 'done', 'undone', 'failed')),
    started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    done_at TIMESTAMPTZ,
    undone_at TIMESTAMPTZ,
    PRIMARY KEY (release_id, number)
);
