-- beat --
-- It lives, and this is how it does. What ended since it was last heard of is counted by the index on completed_at.
INSERT INTO agent_processes AS p
    (id, kind, name, environment, host, pool, capacity, cpu_usage, memory_usage, disk_usage, latency_ms, patience_s,
     started_at, heartbeat_at, stopped_at)
VALUES
    (%(id)s, %(kind)s, %(name)s, %(environment)s, %(host)s, %(pool)s, %(capacity)s, %(cpu_usage)s, %(memory_usage)s,
     %(disk_usage)s, %(latency_ms)s, %(patience_s)s, coalesce(%(started_at)s, now()), coalesce(%(heartbeat_at)s, now()),
     CASE WHEN %(stopped)s THEN now() END)
ON CONFLICT (id) DO UPDATE
SET name = excluded.name, host = excluded.host, pool = excluded.pool, capacity = excluded.capacity,
    cpu_usage = excluded.cpu_usage, memory_usage = excluded.memory_usage, disk_usage = excluded.disk_usage,
    latency_ms = excluded.latency_ms, patience_s = excluded.patience_s, heartbeat_at = excluded.heartbeat_at,
    stopped_at = excluded.stopped_at,
    completed = p.completed + (
        SELECT count(*) FROM agent_executions
        WHERE completed_at > p.heartbeat_at AND completed_at <= now() AND lease_owner = p.id AND status = 'completed'
    ),
    failed = p.failed + (
        SELECT count(*) FROM agent_executions
        WHERE completed_at > p.heartbeat_at AND completed_at <= now() AND lease_owner = p.id AND status = 'failed'
    );

-- forget --
DELETE FROM agent_processes WHERE heartbeat_at < now() - interval '7 days';

-- workers --
-- With what each has at work. The oldest of it is told to whom may see it, and to no one else. What runs in a process of
-- its own was started by one of Prefect's workers; by which of several nobody says.
WITH running AS (
    SELECT e.id, e.lease_owner, e.agent_type, e.started_at, e.options, e.user_id, r.full_name, r.organization_id
    FROM agent_executions AS e
    LEFT JOIN repositories AS r ON r.id = e.repository_id
    WHERE e.status = 'running'
), visible AS (
    SELECT * FROM running
    WHERE CASE WHEN organization_id IS NULL THEN user_id = %(user_id)s
            ELSE organization_id IN (SELECT organizations_permitting(%(user_id)s, 'agents.read')) END
        OR (SELECT is_granted(%(user_id)s, 'agents.read'))
)
SELECT p.id AS worker_id, p.name, p.kind, p.environment, p.pool,
    CASE WHEN p.stopped_at IS NOT NULL OR p.heartbeat_at < now() - make_interval(secs => p.patience_s) THEN 'offline'
         WHEN EXISTS (
             SELECT FROM running AS r
             WHERE CASE p.kind WHEN 'worker' THEN r.lease_owner = p.id
                 ELSE r.lease_owner NOT IN (SELECT id FROM agent_processes) END
         ) THEN 'busy'
         ELSE 'idle' END AS status,
    task.id AS task_id, task.title, task.started_at, task.progress,
    p.cpu_usage, p.memory_usage, p.completed AS tasks_completed, p.failed AS tasks_failed, p.capacity,
    extract(epoch FROM coalesce(p.stopped_at, p.heartbeat_at) - p.started_at)::bigint AS uptime_seconds,
    p.heartbeat_at AS last_heartbeat
FROM agent_processes AS p
LEFT JOIN LATERAL (
    SELECT v.id, coalesce(v.options ->> 'title', concat_ws(' ', v.agent_type, v.full_name)) AS title, v.started_at,
        (SELECT (100 * count(*) FILTER (WHERE status = 'completed') / nullif(count(*), 0))::integer
         FROM execution_steps WHERE execution_id = v.id) AS progress
    FROM visible AS v
    WHERE v.lease_owner = p.id
    ORDER BY v.started_at, v.id
    LIMIT 1
) AS task ON true
WHERE p.kind IN ('worker', 'prefect') AND (%(id)s::text IS NULL OR p.id = %(id)s::text)
    AND (%(after)s::text IS NULL OR p.id > %(after)s::text)
ORDER BY p.id
LIMIT %(limit)s;

-- coordinators --
-- Each dispatcher, with the workers of its environment that live.
SELECT p.id AS coordinator_id, p.name, p.environment, p.host, NULL::integer AS port,
    CASE WHEN p.stopped_at IS NOT NULL OR p.heartbeat_at < now() - make_interval(secs => p.patience_s) THEN 'offline'
         ELSE 'online' END AS status,
    w.ids AS workers_managed, (SELECT count(*) FROM agent_executions WHERE status = 'running') AS active_tasks,
    w.capacity AS total_capacity, p.cpu_usage, p.memory_usage, p.disk_usage, p.latency_ms AS network_latency_ms,
    p.heartbeat_at AS last_heartbeat
FROM agent_processes AS p
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(o.id ORDER BY o.id), '{}') AS ids, coalesce(sum(o.capacity), 0)::bigint AS capacity
    FROM agent_processes AS o
    WHERE o.kind IN ('worker', 'prefect') AND o.environment = p.environment AND o.stopped_at IS NULL
        AND o.heartbeat_at >= now() - make_interval(secs => o.patience_s)
) AS w
WHERE p.kind = 'dispatcher' AND (%(id)s::text IS NULL OR p.id = %(id)s::text)
    AND (%(after)s::text IS NULL OR p.id > %(after)s::text)
ORDER BY p.id
LIMIT %(limit)s;

-- count --
SELECT count(*) FROM agent_processes WHERE kind = ANY (%(kinds)s);
