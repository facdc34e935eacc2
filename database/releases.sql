-- close_abandoned --
-- A release that is still 'running' when the next one of its environment starts has died: one runs at a time.
UPDATE releases
SET status = 'failed', error = %(reason)s, finished_at = now()
WHERE environment = %(environment)s AND status = 'running';

-- start --
INSERT INTO releases (environment, requested_by, git_sha, source, flow_run_id, kind, target_id)
VALUES (
    %(environment)s, %(requested_by)s, %(git_sha)s, %(source)s, %(flow_run_id)s, %(kind)s, %(target_id)s
)
RETURNING id;

-- take_over --
-- What failed releases changed and nobody has undone (the run, or its undoing, died) becomes the first steps of this
-- release, in the same order: who undoes this one wants the state before those. They are moved, not copied, so that
-- nothing is undone twice.
UPDATE release_steps
SET release_id = %(release_id)s, number = moved.new_number
FROM (
    SELECT
        release_steps.release_id, release_steps.number,
        row_number() OVER (ORDER BY releases.started_at, releases.id, release_steps.number) AS new_number
    FROM release_steps
    JOIN releases ON releases.id = release_steps.release_id
    WHERE releases.environment = %(environment)s AND releases.status = 'failed'
        AND release_steps.status IN ('started', 'done')
) AS moved
WHERE release_steps.release_id = moved.release_id AND release_steps.number = moved.number;

-- finish --
-- One that was rolled back on its way stays so, and gets the reason.
UPDATE releases
SET status = CASE status WHEN 'rolled_back' THEN status ELSE %(status)s END,
    code_sha256 = %(code_sha256)s,
    schema_version = %(schema_version)s,
    lambda_version_before = %(lambda_version_before)s,
    lambda_version_after = %(lambda_version_after)s,
    api_url = %(api_url)s,
    verdicts = %(verdicts)s,
    site_manifest = %(site_manifest)s,
    error = %(error)s,
    finished_at = now()
WHERE id = %(release_id)s AND (status = 'running' OR status = 'rolled_back' AND %(status)s <> 'succeeded')
RETURNING id;

-- is_running --
SELECT id FROM releases WHERE id = %(release_id)s AND status = 'running';

-- roll_back --
UPDATE releases
SET status = 'rolled_back', finished_at = coalesce(finished_at, now())
WHERE id = %(release_id)s AND status IN ('running', 'succeeded', 'failed')
RETURNING id;

-- read --
-- Those that begin with WHERE go on from here.
SELECT
    id, environment, kind, target_id, status, requested_by, git_sha, source, code_sha256, schema_version,
    lambda_version_before, lambda_version_after, api_url, site_manifest, verdicts, flow_run_id, error, started_at,
    finished_at
FROM releases;

-- get --
WHERE id = %(release_id)s;

-- latest --
WHERE environment = %(environment)s
ORDER BY started_at DESC
LIMIT 1;

-- latest_that_changed --
-- The last one that moved anything: a release that found everything in place has nothing to put back, and one that put
-- back all of it itself has left things as the one before made them. One that was put back after its end stays: to roll
-- back twice is not to go two releases back.
WHERE environment = %(environment)s
    AND EXISTS (
        SELECT FROM release_steps
        WHERE release_steps.release_id = releases.id
            AND (releases.status <> 'rolled_back' OR releases.error IS NULL OR undone_at > releases.finished_at)
    )
ORDER BY started_at DESC
LIMIT 1;

-- others_that_were_well --
-- For each version but the one that serves the last release that was well with it, newest first.
WHERE id IN (
    SELECT DISTINCT ON (lambda_version_after) id
    FROM releases
    WHERE environment = %(environment)s AND lambda_version_after <> %(version)s
        AND (status = 'succeeded' OR status = 'rolled_back' AND error IS NULL)
    ORDER BY lambda_version_after, started_at DESC
)
ORDER BY started_at DESC
LIMIT 5;

-- latest_of_code --
WHERE environment = %(environment)s AND code_sha256 = %(code_sha256)s
ORDER BY started_at DESC
LIMIT 1;

-- by_prefix --
-- Two at most: more than one is too many.
WHERE environment = %(environment)s AND id::text LIKE %(prefix)s || '%%'
ORDER BY started_at DESC
LIMIT 2;

-- by_version --
-- The last one that put all traffic on this version and was well.
WHERE environment = %(environment)s AND lambda_version_after = %(version)s
    AND (status = 'succeeded' OR status = 'rolled_back' AND error IS NULL)
ORDER BY started_at DESC
LIMIT 1;

-- before_version --
-- The last one that was well before the release which made the version that serves, with another version.
WHERE environment = %(environment)s AND lambda_version_after <> %(version)s AND status = 'succeeded'
    AND started_at < coalesce(
        (
            SELECT max(started_at) FROM releases
            WHERE environment = %(environment)s AND lambda_version_after = %(version)s AND kind = 'release'
        ),
        now()
    )
ORDER BY started_at DESC
LIMIT 1;

-- good_versions --
-- Versions of the newest releases that were well, newest first.
SELECT lambda_version_after
FROM releases
WHERE environment = %(environment)s AND status = 'succeeded' AND lambda_version_after IS NOT NULL
GROUP BY lambda_version_after
ORDER BY max(started_at) DESC
LIMIT %(count)s;

-- note_step --
-- Nothing is returned if the release is not running any more: then nothing may be changed in its name.
INSERT INTO release_steps (release_id, number, name, kind, resource, before)
SELECT
    id, (SELECT coalesce(max(number), 0) + 1 FROM release_steps WHERE release_id = %(release_id)s),
    %(name)s, %(kind)s, %(resource)s, %(before)s
FROM releases
WHERE id = %(release_id)s AND status = 'running'
RETURNING number;

-- step_done --
UPDATE release_steps
SET status = 'done', done_at = now()
WHERE release_id = %(release_id)s AND number = %(number)s AND status = 'started'
RETURNING number;

-- step_undone --
UPDATE release_steps
SET status = 'undone', undone_at = now()
WHERE release_id = %(release_id)s AND number = %(number)s AND status IN ('started', 'done')
RETURNING number;

-- to_undo --
-- Last change first. One that is only 'started' may have happened: undoing it twice does no harm.
SELECT release_id, number, name, kind, resource, before, status
FROM release_steps
WHERE release_id = %(release_id)s AND status IN ('started', 'done')
ORDER BY number DESC;

-- by_flow_run --
WHERE flow_run_id = %(flow_run_id)s
ORDER BY started_at DESC
LIMIT 1;
