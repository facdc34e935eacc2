-- forget --
DELETE FROM idempotency_keys WHERE user_id = %(user_id)s AND created_at < now() - interval '24 hours';

-- claim --
-- Waits for another transaction that has claimed the key and not ended. No row if the key is used.
INSERT INTO idempotency_keys (user_id, key, fingerprint)
VALUES (%(user_id)s, %(key)s, %(fingerprint)s)
ON CONFLICT (user_id, key) DO NOTHING
RETURNING true;

-- answered --
SELECT fingerprint = %(fingerprint)s AS same, status, headers, body
FROM idempotency_keys
WHERE user_id = %(user_id)s AND key = %(key)s;

-- answer --
UPDATE idempotency_keys SET status = %(status)s, headers = %(headers)s, body = %(body)s
WHERE user_id = %(user_id)s AND key = %(key)s;
