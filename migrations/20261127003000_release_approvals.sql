-- Who let which plan be carried out, or refused it, and why. One that nobody decided in time has neither.

CREATE TABLE release_approvals (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    environment TEXT NOT NULL,
    flow TEXT NOT NULL,
    flow_run_id UUID NOT NULL,
    plan_digest TEXT NOT NULL,
    plan TEXT NOT NULL,
    decision TEXT CHECK (decision IN ('approved', 'refused')),
    approver TEXT,
    reason TEXT,
    asked_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    expires_at TIMESTAMPTZ NOT NULL,
    decided_at TIMESTAMPTZ,
    release_id UUID REFERENCES releases (id) ON DELETE SET NULL,
    CONSTRAINT one_approval_of_a_plan UNIQUE (flow_run_id, plan_digest),
    CONSTRAINT decided_at_some_time CHECK ((decision IS NULL) = (decided_at IS NULL))
);

CREATE INDEX idx_release_approvals_recent ON release_approvals (environment, asked_at DESC);
CREATE INDEX idx_release_approvals_release ON release_approvals (release_id);
