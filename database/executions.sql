-- create --
-- Nothing is returned if the user may not execute agents on the repository.
-- A repository without an organization is its owner's; in an organization the roles of has_permission decide.
-- What concerns the whole installation is granted to accounts. The lock keeps the repository active until the row is there:
-- who deactivates it cancels what it finds.
INSERT INTO agent_executions
    (user_id, repository_id, agent_type, issue_number, status, priority, options, input, max_attempts)
SELECT %(user_id)s, id, %(agent_type)s, %(issue_number)s, 'pending', %(priority)s, %(options)s, %(input)s,
    %(max_attempts)s
FROM repositories
WHERE id = %(repository_id)s AND is_active IS NOT FALSE
    AND CASE WHEN organization_id IS NULL THEN user_id = %(user_id)s
        ELSE has_permission(%(user_id)s, organization_id, 'agents.execute') END
    AND NOT EXISTS (SELECT FROM unnest(%(grants)s::text[]) AS g WHERE NOT is_granted(%(user_id)s, g))
FOR SHARE
RETURNING
    id, repository_id, issue_number, agent_type, status, priority, started_at, completed_at, result_summary,
    quality_score, pr_number, error_message, created_at, updated_at;

-- sees_repository --
SELECT EXISTS (
    SELECT FROM repositories
    WHERE id = %(repository_id)s
        AND CASE WHEN organization_id IS NULL THEN user_id = %(user_id)s
            ELSE has_permission(%(user_id)s, organization_id, 'repositories.read') END
) AS seen;

-- is_inactive --
SELECT is_active IS FALSE AS inactive FROM repositories WHERE id = %(repository_id)s;

-- hold_place --
-- Whether the repository of an execution was deactivated; if it was not, it stays so until the transaction ends.
SELECT is_active IS FALSE AS inactive
FROM repositories
WHERE id = (SELECT repository_id FROM agent_executions WHERE id = %(execution_id)s)
FOR SHARE;

-- get --
-- In an organization, of who may read agents there; elsewhere one's own. What is granted to an account counts everywhere.
SELECT
    e.id, e.repository_id, e.issue_number, e.agent_type, e.status, e.priority, e.started_at, e.completed_at,
    e.result_summary, e.quality_score, e.pr_number, e.error_message, e.created_at, e.updated_at,
    r.full_name AS repository, e.options, e.input, e.result, e.attempt, e.max_attempts, e.timeout_seconds,
    e.flow_run_id, e.parent_id, e.heartbeat_at, e.run_after, e.cancel_requested_at, e.cancelled_at,
    is_granted(%(user_id)s, 'agents.stop') OR CASE WHEN r.organization_id IS NULL THEN e.user_id = %(user_id)s
        ELSE has_permission(%(user_id)s, r.organization_id, 'agents.stop') END AS may_stop,
    is_granted(%(user_id)s, 'agents.execute') OR CASE WHEN r.organization_id IS NULL THEN e.user_id = %(user_id)s
        ELSE has_permission(%(user_id)s, r.organization_id, 'agents.execute') END AS may_execute
FROM agent_executions AS e
LEFT JOIN repositories AS r ON r.id = e.repository_id
WHERE e.id = %(execution_id)s
    AND (
        CASE WHEN r.organization_id IS NULL THEN e.user_id = %(user_id)s
            ELSE has_permission(%(user_id)s, r.organization_id, 'agents.read') END
        OR is_granted(%(user_id)s, 'agents.read')
    );

-- steps --
SELECT number, name, status, error, started_at, completed_at
FROM execution_steps
WHERE execution_id = %(execution_id)s
ORDER BY number;

-- page --
-- Newest first: of the organization whose repositories `places` are; without one the user's own, with `visible` also
-- others' that one may look at. `before` is the last row of the page before: its time, and its id because times can be
-- equal. A text is looked for in the first `scanned` rows; the last of these comes too, found or not: the next page
-- begins there.
SELECT *
FROM (
    SELECT
        e.id, e.repository_id, e.issue_number, e.agent_type, e.status, e.priority, e.started_at, e.completed_at,
        e.result_summary, e.quality_score, e.pr_number, e.error_message, e.created_at, e.updated_at,
        r.full_name AS repository, e.parent_id, e.options ->> 'title' AS title,
        row_number() OVER (ORDER BY e.created_at DESC, e.id DESC) AS place,
        %(text)s::text IS NULL OR strpos(
            lower(concat_ws(' ', e.agent_type, r.full_name, e.options ->> 'title', '#' || e.issue_number, '#' || e.pr_number, e.result_summary,
                e.error_message, e.id)),
            lower(%(text)s::text)
        ) > 0 AS found
    FROM agent_executions AS e
    LEFT JOIN repositories AS r ON r.id = e.repository_id
    WHERE (%(places)s::uuid[] IS NULL OR e.repository_id = ANY (%(places)s::uuid[]))
        AND (
            %(places)s::uuid[] IS NOT NULL
            OR (e.user_id = %(user_id)s AND (
                r.organization_id IS NULL
                OR r.organization_id IN (SELECT organizations_permitting(%(user_id)s, 'agents.read'))
            ))
            OR (%(visible)s::boolean AND (
                (SELECT is_granted(%(user_id)s, 'agents.read'))
                OR r.organization_id IN (
                    SELECT organization_id FROM user_effective_permissions
                    WHERE user_id = %(user_id)s AND permission_code = 'agents.read'
                )
            ))
        )
        AND (%(status)s::text IS NULL OR e.status = %(status)s::text)
        AND (%(agent_type)s::text IS NULL OR e.agent_type = %(agent_type)s::text)
        AND (%(repository_id)s::uuid IS NULL OR e.repository_id = %(repository_id)s::uuid)
        AND (%(parent_id)s::uuid IS NULL OR e.parent_id = %(parent_id)s::uuid)
        AND (%(before_at)s::timestamptz IS NULL
            OR (e.created_at, e.id) < (%(before_at)s::timestamptz, %(before_id)s::uuid))
    ORDER BY e.created_at DESC, e.id DESC
    LIMIT %(scanned)s
) AS newest
WHERE found OR place = %(scanned)s
ORDER BY place
LIMIT %(limit)s;

-- sees_more --
-- Whether there may be others' executions that one may look at.
SELECT EXISTS (
    SELECT FROM user_effective_permissions WHERE user_id = %(user_id)s AND permission_code = 'agents.read'
) AS more;

-- standing --
-- Of an execution that the user sees, and whether the user may do more with it than look.
SELECT e.status, e.agent_type, pg_current_snapshot()::text AS snapshot,
    is_granted(%(user_id)s, %(permission)s) OR CASE WHEN r.organization_id IS NULL THEN e.user_id = %(user_id)s
        ELSE has_permission(%(user_id)s, r.organization_id, %(permission)s) END AS permitted
FROM agent_executions AS e
LEFT JOIN repositories AS r ON r.id = e.repository_id
WHERE e.id = %(execution_id)s
    AND (
        CASE WHEN r.organization_id IS NULL THEN e.user_id = %(user_id)s
            ELSE has_permission(%(user_id)s, r.organization_id, 'agents.read') END
        OR is_granted(%(user_id)s, 'agents.read')
    );

-- logs --
-- An answer of Lambda has at most 6 MB: a page ends with the line that fills `bytes`.
SELECT sequence, id, execution_id, log_level, message, timestamp, metadata
FROM (
    SELECT l.*, sum(l.size) OVER (ORDER BY l.sequence) - l.size AS before
    FROM (
        SELECT *, octet_length(message) + coalesce(octet_length(metadata::text), 0) AS size
        FROM execution_logs
        WHERE execution_id = %(execution_id)s AND sequence > %(since)s
        ORDER BY sequence
        LIMIT %(limit)s
    ) AS l
) AS sized
WHERE before < %(bytes)s
ORDER BY sequence;

-- row --
SELECT
    id, repository_id, issue_number, agent_type, status, priority, started_at, completed_at, result_summary,
    quality_score, pr_number, error_message, created_at, updated_at
FROM agent_executions
WHERE id = %(execution_id)s;
