-- The processes that run agents, each as it last said: agent workers, dispatchers, and Prefect's workers, which a
-- dispatcher asks Prefect about (the backend does not know Prefect).

SET LOCAL lock_timeout = '10s';

CREATE TABLE agent_processes (
    id TEXT PRIMARY KEY,                        -- of an agent worker: the owner of its leases
    kind TEXT NOT NULL CHECK (kind IN ('worker', 'dispatcher', 'prefect')),
    name TEXT NOT NULL,
    environment TEXT NOT NULL,
    host TEXT,
    pool TEXT,                                  -- of Prefect's workers
    capacity INTEGER,                           -- executions at once; null: no limit
    cpu_usage REAL,                             -- percent, as the next two
    memory_usage REAL,
    disk_usage REAL,
    latency_ms REAL,                            -- of a question to the database
    completed BIGINT NOT NULL DEFAULT 0,        -- executions since its start
    failed BIGINT NOT NULL DEFAULT 0,
    patience_s INTEGER NOT NULL,                -- silent for longer, it counts as gone
    started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    heartbeat_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    stopped_at TIMESTAMPTZ
);

CREATE INDEX idx_agent_processes_kind ON agent_processes (kind, heartbeat_at DESC);
