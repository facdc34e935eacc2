-- add --
INSERT INTO site_manifests (environment, bucket, files)
VALUES (%(environment)s, %(bucket)s, %(files)s)
RETURNING id;

-- published --
-- Also for one that was published before, and is again: then it is the current one once more.
UPDATE site_manifests
SET files = %(files)s, published_at = clock_timestamp()
WHERE id = %(id)s;

-- latest --
-- The current manifest of a bucket, and the one before it.
SELECT id, bucket, files FROM site_manifests
WHERE bucket = %(bucket)s AND published_at IS NOT NULL
ORDER BY published_at DESC
LIMIT 2;

-- get --
SELECT id, bucket, files FROM site_manifests
WHERE id = %(id)s;

-- keys --
-- What any attempt has put into the bucket.
SELECT DISTINCT jsonb_object_keys(files) AS key FROM site_manifests
WHERE bucket = %(bucket)s;

-- drop_unfinished --
-- Attempts that died, once nothing of theirs is left in the bucket.
DELETE FROM site_manifests
WHERE bucket = %(bucket)s AND published_at IS NULL;
