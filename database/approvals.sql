-- ask --
-- A run that is resumed asks again: the same plan of the same run is one question.
INSERT INTO release_approvals (environment, flow, flow_run_id, plan_digest, plan, expires_at)
VALUES (
    %(environment)s, %(flow)s, %(flow_run_id)s, %(plan_digest)s, %(plan)s, now() + make_interval(secs => %(patience_s)s)
)
ON CONFLICT ON CONSTRAINT one_approval_of_a_plan DO NOTHING;

-- decide --
-- The first decision stands. It may come before the table did: then the question is written with it.
INSERT INTO release_approvals (
    environment, flow, flow_run_id, plan_digest, plan, expires_at, decision, approver, reason, decided_at, release_id,
    closed_as
)
VALUES (
    %(environment)s, %(flow)s, %(flow_run_id)s, %(plan_digest)s, %(plan)s, now() + make_interval(secs => %(patience_s)s),
    %(decision)s, %(approver)s, %(reason)s, %(decided_at)s, %(release_id)s, %(closed_as)s
)
ON CONFLICT ON CONSTRAINT one_approval_of_a_plan DO UPDATE
SET decision = coalesce(release_approvals.decision, excluded.decision),
    approver = CASE WHEN release_approvals.decision IS NULL THEN excluded.approver ELSE release_approvals.approver END,
    reason = CASE WHEN release_approvals.decision IS NULL THEN excluded.reason ELSE release_approvals.reason END,
    closed_as = CASE
        WHEN release_approvals.decision IS NULL THEN excluded.closed_as ELSE release_approvals.closed_as
    END,
    decided_at = coalesce(release_approvals.decided_at, excluded.decided_at),
    release_id = coalesce(release_approvals.release_id, excluded.release_id);

-- waiting --
SELECT DISTINCT flow_run_id
FROM release_approvals
WHERE environment = %(environment)s AND decision IS NULL AND closed_as IS NULL;

-- close --
UPDATE release_approvals
SET closed_as = %(closed_as)s
WHERE flow_run_id = %(flow_run_id)s AND decision IS NULL AND closed_as IS NULL;

-- page --
SELECT
    id, environment, flow, flow_run_id, plan_digest, plan,
    coalesce(
        closed_as, decision, CASE WHEN expires_at < now() THEN 'timed out' ELSE 'waiting' END
    ) AS outcome,
    approver, reason, asked_at, expires_at, decided_at, release_id
FROM release_approvals
WHERE environment = %(environment)s
ORDER BY asked_at DESC
LIMIT %(limit)s;
