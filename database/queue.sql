-- lock --
-- Who takes work does so one after the other: what the rules allow depends on what is taken already. It is sent in one
-- message with the statement it guards, so nobody holds it while a client thinks. The number is ours alone.
-- The settings make the plan of that statement what it is meant to be, whatever PostgreSQL knew of the table when it was
-- last analysed: read indexes in their order, look rows up one by one; and not compile (100 ms for what runs in 5).
SELECT
    pg_advisory_xact_lock(20261121000013), set_config('jit', 'off', true),
    set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
    set_config('enable_sort', 'off', true);

-- release_unknown --
-- What is marked as this owner's and unknown to it was claimed in a call whose answer was lost. A call under way and a
-- heartbeat do not take five seconds.
WITH unknown AS (
    SELECT id, CASE WHEN cancel_requested_at IS NULL THEN 'pending' ELSE 'cancelled' END AS next
    FROM agent_executions
    WHERE status = 'running' AND lease_owner = %(owner)s AND id <> ALL (%(running)s::uuid[])
        AND heartbeat_at < now() - interval '5 s'
    ORDER BY id
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE agent_executions AS e
SET status = unknown.next, attempt = e.attempt - 1, lease_owner = NULL, lease_expires_at = NULL,
    completed_at = CASE WHEN unknown.next = 'cancelled' THEN now() END,
    cancelled_at = CASE WHEN unknown.next = 'cancelled' THEN now() END
FROM unknown
WHERE e.id = unknown.id;

-- permitted --
-- The rows that may be taken now, best first; `take` and `reserve` go on from here.
--   occupied   what runs, or is on its way through Prefect
--   places     repositories where something does: all of a name are one, they share the clone and its branches
--   held       what is occupied, once for each of these
--   working    what counts against the limits: a parent whose children have not ended waits for them
--   waiting    of each agent type the first rows that nothing occupied forbids
--   ranked     how these stand to each other
WITH busy AS (
    SELECT id, agent_type, repository_id, parent_id, ancestors
    FROM agent_executions
    WHERE status = 'running'
    UNION ALL
    SELECT id, agent_type, repository_id, parent_id, ancestors
    FROM agent_executions
    WHERE status = 'pending' AND dispatched_until > now()
), occupied AS MATERIALIZED (
    SELECT id, agent_type, parent_id, ancestors, agent_type = ANY (%(red)s::text[]) AS red,
        (SELECT lower(full_name) FROM repositories AS r WHERE r.id = busy.repository_id) AS place
    FROM busy
), places AS MATERIALIZED (
    SELECT r.id AS repository_id, o.place
    FROM (SELECT DISTINCT place FROM occupied) AS o
    CROSS JOIN LATERAL (SELECT id FROM repositories WHERE lower(full_name) = o.place OFFSET 0) AS r
), held AS MATERIALIZED (
    SELECT o.id, o.agent_type, o.ancestors, o.red, p.repository_id FROM occupied AS o JOIN places AS p USING (place)
), working AS MATERIALIZED (
    SELECT o.place
    FROM occupied AS o
    WHERE (%(total)s::integer IS NOT NULL OR %(per_repository)s::integer IS NOT NULL)
        AND NOT EXISTS (
            SELECT FROM agent_executions AS c WHERE c.parent_id = o.id AND c.status IN ('pending', 'running')
        )
), in_repository AS MATERIALIZED (
    SELECT p.repository_id, count(*) AS n FROM working JOIN places AS p USING (place) GROUP BY p.repository_id
), of_parent AS MATERIALIZED (
    SELECT parent_id, count(*) AS n FROM occupied WHERE parent_id IS NOT NULL GROUP BY parent_id
), waiting AS MATERIALIZED (
    SELECT c.*, (SELECT lower(full_name) FROM repositories AS r WHERE r.id = c.repository_id) AS place
    FROM unnest(%(agent_types)s::text[]) AS wanted (agent_type)
    CROSS JOIN LATERAL (
        SELECT
            e.id, e.agent_type, e.repository_id, e.parent_id, e.ancestors, e.priority, e.created_at,
            e.agent_type = ANY (%(red)s::text[]) AS red
        FROM agent_executions AS e
        WHERE e.status = 'pending' AND e.agent_type = wanted.agent_type
            AND (e.run_after IS NULL OR e.run_after <= now())
            AND (e.dispatched_until IS NULL OR e.dispatched_until <= now())
            AND (%(only)s::uuid IS NULL OR e.id = %(only)s::uuid)
            AND e.id <> ALL (%(running)s::uuid[])
            AND (
                e.repository_id IN (SELECT repository_id FROM in_repository WHERE n >= %(per_repository)s::integer)
            ) IS NOT TRUE
            AND (e.parent_id IN (SELECT parent_id FROM of_parent WHERE n >= %(per_parent)s::integer)) IS NOT TRUE
            AND (
                (e.agent_type, e.repository_id) IN (
                    SELECT agent_type, repository_id FROM held WHERE agent_type = ANY (%(yellow)s::text[])
                )
            ) IS NOT TRUE
            -- Red runs alone in its repository, but for its ancestors and descendants. The sets are looked up for
            -- every row; the exact question is asked of the few that have such relatives.
            AND (
                (
                    (e.repository_id IN (SELECT repository_id FROM held WHERE red)) IS NOT TRUE
                    AND (
                        e.agent_type <> ALL (%(red)s::text[])
                        OR (e.repository_id IN (SELECT repository_id FROM held)) IS NOT TRUE
                    )
                )
                OR (
                    (e.ancestors <> '{}' OR e.id IN (SELECT unnest(ancestors) FROM occupied))
                    AND NOT EXISTS (
                        SELECT FROM held AS o
                        WHERE o.repository_id = e.repository_id
                            AND (o.red OR e.agent_type = ANY (%(red)s::text[]))
                            AND o.id <> ALL (e.ancestors) AND e.id <> ALL (o.ancestors)
                    )
                )
            )
        ORDER BY e.priority, e.created_at, e.id
        LIMIT %(window)s
    ) AS c
    ORDER BY c.priority, c.created_at, c.id
    LIMIT %(window)s
), ranked AS (
    SELECT
        w.*,
        row_number() OVER (PARTITION BY w.place ORDER BY w.priority, w.created_at, w.id) AS nth_here,
        row_number() OVER (PARTITION BY w.place, w.agent_type ORDER BY w.priority, w.created_at, w.id)
            AS nth_of_type,
        row_number() OVER (PARTITION BY w.parent_id ORDER BY w.priority, w.created_at, w.id) AS nth_of_parent,
        count(*) FILTER (WHERE w.red)
            OVER (PARTITION BY w.place ORDER BY w.priority, w.created_at, w.id) AS reds_so_far
    FROM waiting AS w
), chosen AS (
    SELECT r.id
    FROM ranked AS r
    WHERE (
            r.parent_id IS NULL
            OR r.nth_of_parent + coalesce((SELECT n FROM of_parent AS p WHERE p.parent_id = r.parent_id), 0)
                <= %(per_parent)s::integer
        ) AND (
            r.repository_id IS NULL
            OR (
                CASE WHEN r.red THEN r.nth_here = 1 ELSE r.reds_so_far = 0 END
                AND (r.agent_type <> ALL (%(yellow)s::text[]) OR r.nth_of_type = 1)
                AND (
                    %(per_repository)s::integer IS NULL
                    OR r.nth_here
                        + coalesce((SELECT n FROM in_repository AS h WHERE h.repository_id = r.repository_id), 0)
                        <= %(per_repository)s::integer
                )
                -- A red one that waits holds back what comes after it in its repository, or its turn would never
                -- come. Not the descendants of those it waits for.
                AND (
                    NOT EXISTS (
                        SELECT FROM agent_executions WHERE status = 'pending' AND agent_type = ANY (%(red)s::text[])
                    )
                    OR (r.ancestors <> '{}' AND EXISTS (SELECT FROM occupied AS o WHERE o.id = ANY (r.ancestors)))
                    OR NOT EXISTS (
                        SELECT FROM repositories AS here
                        CROSS JOIN LATERAL (
                            SELECT FROM agent_executions AS first
                            WHERE first.status = 'pending' AND first.repository_id = here.id
                                AND first.agent_type = ANY (%(red)s::text[])
                                AND (first.priority, first.created_at, first.id) < (r.priority, r.created_at, r.id)
                                AND (first.run_after IS NULL OR first.run_after <= now())
                                AND (first.dispatched_until IS NULL OR first.dispatched_until <= now())
                            LIMIT 1
                        ) AS earlier
                        WHERE lower(here.full_name) = r.place
                    )
                )
            )
        )
    ORDER BY r.priority, r.created_at, r.id
    LIMIT greatest(0, least(%(limit)s, %(total)s::integer - (SELECT count(*) FROM working)))
), free AS (
    SELECT id, status
    FROM agent_executions
    WHERE id = ANY (ARRAY (SELECT id FROM chosen))
    FOR UPDATE SKIP LOCKED
);

-- take --
-- `more` says whether another look may find more.
, taken AS (
    UPDATE agent_executions AS e
    SET status = 'running', attempt = e.attempt + 1, dispatch = e.dispatch + 1,
        lease_owner = %(owner)s, lease_expires_at = now() + make_interval(secs => %(lease_s)s), heartbeat_at = now(),
        started_at = coalesce(e.started_at, now()), run_after = NULL, dispatched_until = NULL
    WHERE e.id = ANY (ARRAY (SELECT id FROM free WHERE status = 'pending'))
    RETURNING e.*
)
SELECT
    t.id, t.agent_type, t.repository_id,
    (SELECT full_name FROM repositories AS r WHERE r.id = t.repository_id) AS repository, t.issue_number, t.user_id,
    t.priority, coalesce(t.options, '{}') AS options, t.input, t.attempt, t.max_attempts, t.timeout_seconds, t.parent_id,
    t.flow_run_id, t.created_at, (SELECT count(*) FROM waiting) > (SELECT count(*) FROM taken) AS more
FROM taken AS t
ORDER BY t.priority, t.created_at, t.id;

-- reserve --
-- An earlier run does not show it any more: its end is no reason to take the next one back.
, taken AS (
    UPDATE agent_executions AS e
    SET dispatched_until = now() + make_interval(secs => %(hold_s)s), flow_run_id = NULL
    WHERE e.id = ANY (ARRAY (SELECT id FROM free WHERE status = 'pending'))
    RETURNING e.*
)
SELECT
    t.id, t.agent_type, t.repository_id,
    (SELECT full_name FROM repositories AS r WHERE r.id = t.repository_id) AS repository, t.issue_number, t.user_id,
    t.priority, coalesce(t.options, '{}') AS options, t.input, t.attempt, t.max_attempts, t.timeout_seconds, t.parent_id,
    t.flow_run_id, t.created_at, t.dispatch,
    (SELECT count(*) FROM waiting) > (SELECT count(*) FROM taken) AS more
FROM taken AS t
ORDER BY t.priority, t.created_at, t.id;

-- take_reserved --
-- The rules were asked when it was reserved.
WITH taken AS (
    UPDATE agent_executions AS e
    SET status = 'running', attempt = e.attempt + 1, dispatch = e.dispatch + 1,
        lease_owner = %(owner)s, lease_expires_at = now() + make_interval(secs => %(lease_s)s), heartbeat_at = now(),
        started_at = coalesce(e.started_at, now()), run_after = NULL, dispatched_until = NULL
    WHERE e.id = %(only)s AND e.status = 'pending' AND e.dispatched_until > now()
    RETURNING e.*
)
SELECT
    t.id, t.agent_type, t.repository_id,
    (SELECT full_name FROM repositories AS r WHERE r.id = t.repository_id) AS repository, t.issue_number, t.user_id,
    t.priority, coalesce(t.options, '{}') AS options, t.input, t.attempt, t.max_attempts, t.timeout_seconds, t.parent_id,
    t.flow_run_id, t.created_at
FROM taken AS t;

-- agent_type --
SELECT agent_type FROM agent_executions WHERE id = %(only)s AND status = 'pending';

-- submitted --
UPDATE agent_executions
SET flow_run_id = %(flow_run_id)s, dispatched_until = now() + make_interval(secs => %(patience_s)s)
WHERE id = %(execution_id)s AND dispatch = %(dispatch)s AND status = 'pending';

-- withdraw --
UPDATE agent_executions
SET dispatch = dispatch + 1, dispatched_until = NULL,
    attempt = attempt + %(used)s,
    run_after = now() + make_interval(secs => %(delay_s)s),
    status = CASE WHEN attempt + %(used)s >= max_attempts THEN 'failed' ELSE 'pending' END,
    completed_at = CASE WHEN attempt + %(used)s >= max_attempts THEN now() END,
    error_message = coalesce(%(error)s, error_message)
WHERE id = %(execution_id)s AND dispatch = %(dispatch)s AND status = 'pending'
RETURNING status;

-- renew --
-- In the order of their ids, as all statements that lock many rows do: two of them cannot wait for each other.
WITH mine AS (
    SELECT id FROM agent_executions
    WHERE id = ANY (%(executions)s) AND status = 'running' AND lease_owner = %(owner)s
    ORDER BY id
    FOR NO KEY UPDATE
)
UPDATE agent_executions AS e
SET lease_expires_at = now() + make_interval(secs => %(lease_s)s), heartbeat_at = now()
FROM mine
WHERE e.id = mine.id
RETURNING e.id, e.cancel_requested_at IS NOT NULL AS cancel;

-- link --
UPDATE agent_executions
SET flow_run_id = %(flow_run_id)s
WHERE id = %(execution_id)s AND status = 'running' AND lease_owner = %(owner)s
RETURNING id;

-- give_back --
-- One that is to be cancelled has nobody to do it later.
WITH mine AS (
    SELECT id,
        CASE WHEN cancel_requested_at IS NOT NULL THEN 'cancelled'
             WHEN %(used)s AND attempt >= max_attempts THEN 'failed'
             ELSE 'pending' END AS next
    FROM agent_executions
    WHERE id = %(execution_id)s AND status = 'running' AND lease_owner = %(owner)s
    FOR NO KEY UPDATE
), given_up AS (
    UPDATE execution_steps AS s
    SET status = 'failed', error = 'the execution ended', completed_at = now()
    FROM mine
    WHERE mine.next <> 'pending' AND s.execution_id = mine.id AND s.status = 'running'
)
UPDATE agent_executions AS e
SET status = mine.next,
    attempt = e.attempt - CASE WHEN %(used)s THEN 0 ELSE 1 END,
    lease_owner = NULL, lease_expires_at = NULL,
    run_after = CASE WHEN mine.next = 'pending' THEN now() + make_interval(secs => %(delay_s)s) END,
    completed_at = CASE WHEN mine.next <> 'pending' THEN now() END,
    cancelled_at = CASE WHEN mine.next = 'cancelled' THEN now() END,
    error_message = CASE WHEN mine.next = 'cancelled' AND e.cancelled_with IS NOT NULL THEN e.error_message
        ELSE coalesce(%(error)s, e.error_message) END
FROM mine
WHERE e.id = mine.id
RETURNING e.status;

-- reap --
-- A server that has just started gives the owners time to come back: their leases ran out while it was away. A row
-- that runs without a lease was not started by us, and is not started again: nobody knows what it did.
WITH expired AS (
    SELECT id,
        CASE WHEN cancel_requested_at IS NOT NULL THEN 'cancelled'
             WHEN attempt >= max_attempts OR lease_expires_at IS NULL THEN 'failed'
             ELSE 'pending' END AS next,
        CASE WHEN lease_expires_at IS NULL THEN 'it ran for an hour without a lease, so no worker of ours has it'
             ELSE format(
                 'its worker %%s stopped answering in attempt %%s of %%s: the lease ran out at %%s UTC',
                 quote_literal(lease_owner), attempt, max_attempts,
                 to_char(lease_expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
             ) END AS reason
    FROM agent_executions
    WHERE status = 'running'
        AND (lease_expires_at < now() OR (lease_expires_at IS NULL AND updated_at < now() - interval '1 hour'))
        AND now() > pg_postmaster_start_time() + make_interval(secs => %(grace_s)s)
    ORDER BY id
    FOR NO KEY UPDATE SKIP LOCKED
), given_up AS (
    UPDATE execution_steps AS s
    SET status = 'failed', error = 'the execution ended', completed_at = now()
    FROM expired
    WHERE expired.next <> 'pending' AND s.execution_id = expired.id AND s.status = 'running'
)
UPDATE agent_executions AS e
SET status = expired.next, lease_owner = NULL, lease_expires_at = NULL,
    completed_at = CASE WHEN expired.next <> 'pending' THEN now() END,
    cancelled_at = CASE WHEN expired.next = 'cancelled' THEN now() END,
    error_message = CASE WHEN expired.next = 'cancelled' AND e.cancelled_with IS NOT NULL THEN e.error_message
        ELSE expired.reason END
FROM expired
WHERE e.id = expired.id
RETURNING e.id, e.status;

-- request_cancel --
-- What waits is cancelled at once, what runs is asked to stop. The descendants follow by a trigger.
WITH asked AS (
    UPDATE agent_executions
    SET cancel_requested_at = coalesce(cancel_requested_at, now()),
        status = CASE status WHEN 'pending' THEN 'cancelled' ELSE status END,
        cancelled_at = CASE status WHEN 'pending' THEN now() END,
        completed_at = CASE status WHEN 'pending' THEN now() END
    WHERE id = %(execution_id)s AND status IN ('pending', 'running')
    RETURNING id, status
)
SELECT coalesce(asked.status, e.status)
FROM agent_executions AS e LEFT JOIN asked USING (id)
WHERE e.id = %(execution_id)s;

-- retry --
-- With all its attempts anew; the finished steps stay finished. What was cancelled with it waits again, too: nothing is
-- done as long as one of these has not stopped yet.
WITH RECURSIVE again AS (
    SELECT id FROM agent_executions WHERE id = %(execution_id)s AND status = 'failed'
    UNION
    SELECT e.id FROM agent_executions AS e JOIN again ON e.cancelled_with = again.id
), back AS (
    UPDATE agent_executions AS e
    SET status = 'pending', attempt = 0, started_at = NULL, completed_at = NULL, run_after = NULL, error_message = NULL,
        lease_owner = NULL, lease_expires_at = NULL, dispatched_until = NULL, cancel_requested_at = NULL,
        cancelled_at = NULL, cancelled_with = NULL, result = NULL, result_summary = NULL, quality_score = NULL
    FROM again
    WHERE e.id = again.id AND e.status IN ('failed', 'cancelled')
        AND NOT EXISTS (
            SELECT FROM agent_executions AS stopping JOIN again USING (id) WHERE stopping.status = 'running'
        )
    RETURNING e.id
)
SELECT id FROM back WHERE id = %(execution_id)s;

-- refuse_unknown --
-- The types that wait are few and are looked up one after the other; the rows are many.
WITH RECURSIVE waiting (agent_type) AS (
    SELECT min(agent_type) FROM agent_executions WHERE status = 'pending'
    UNION ALL
    SELECT (SELECT min(e.agent_type) FROM agent_executions AS e
            WHERE e.status = 'pending' AND e.agent_type > waiting.agent_type)
    FROM waiting
    WHERE waiting.agent_type IS NOT NULL
)
UPDATE agent_executions
SET status = 'failed', completed_at = now(),
    error_message = format('there is no agent %%s', quote_literal(agent_type))
WHERE status = 'pending'
    AND id = ANY (ARRAY (
        SELECT found.id
        FROM waiting
        CROSS JOIN LATERAL (
            SELECT id FROM agent_executions WHERE status = 'pending' AND agent_type = waiting.agent_type LIMIT 100
        ) AS found
        WHERE waiting.agent_type <> ALL (%(known)s::text[])
    ))
RETURNING id;

-- linked --
-- Three short lists, each with an index of its own: what runs, what is on its way through Prefect, what ended of late.
WITH found AS (
    SELECT * FROM agent_executions WHERE status = 'running'
    UNION ALL
    SELECT * FROM agent_executions WHERE status = 'pending' AND dispatched_until IS NOT NULL
    UNION ALL
    (
        SELECT * FROM agent_executions
        WHERE completed_at > now() - make_interval(secs => %(ended_within_s)s)
            AND status NOT IN ('running', 'pending') AND flow_run_id IS NOT NULL
        ORDER BY completed_at DESC
        LIMIT %(limit)s
    )
)
SELECT
    id, agent_type, status, flow_run_id, attempt, dispatch, lease_owner, lease_expires_at < now() AS lease_expired,
    cancel_requested_at IS NOT NULL AS cancel_requested, completed_at, error_message
FROM found
WHERE flow_run_id IS NOT NULL
ORDER BY completed_at DESC NULLS FIRST
LIMIT %(limit)s;
