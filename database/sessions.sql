-- tidy --
-- A session is remembered for a day after its end, so that what comes again is still known.
DELETE FROM auth_sessions
WHERE user_id = %(user_id)s AND least(expires_at, revoked_at) < now() - interval '1 day';

-- begin --
WITH session AS (
    INSERT INTO auth_sessions (user_id, expires_at)
    VALUES (%(user_id)s, now() + make_interval(secs => %(lifetime_s)s))
    RETURNING id, expires_at
)
INSERT INTO refresh_tokens (hash, session_id, expires_at)
SELECT %(hash)s, id, expires_at FROM session
RETURNING session_id;

-- rotate --
-- The token is used up and `next` takes its place, in one statement: of two that come at once, one does it.
WITH spent AS (
    UPDATE refresh_tokens AS t SET used_at = now()
    FROM auth_sessions AS s
    WHERE t.hash = %(hash)s AND t.used_at IS NULL AND t.expires_at > now()
        AND s.id = t.session_id AND s.revoked_at IS NULL
    RETURNING t.session_id
), session AS (
    UPDATE auth_sessions AS s SET expires_at = now() + make_interval(secs => %(lifetime_s)s)
    FROM spent
    WHERE s.id = spent.session_id
    RETURNING s.id, s.expires_at
)
INSERT INTO refresh_tokens (hash, session_id, expires_at)
SELECT %(next)s, id, expires_at FROM session
RETURNING session_id;

-- repeated --
-- Used moments ago, and what took its place has not been used: the answer was lost, or a second tab asked.
SELECT t.session_id
FROM refresh_tokens AS t
JOIN auth_sessions AS s ON s.id = t.session_id AND s.revoked_at IS NULL
JOIN refresh_tokens AS next ON next.hash = %(next)s AND next.used_at IS NULL
WHERE t.hash = %(hash)s AND t.used_at > now() - make_interval(secs => %(leeway_s)s);

-- revoke_reused --
UPDATE auth_sessions AS s SET revoked_at = now(), revoked_because = 'reuse'
FROM refresh_tokens AS t
WHERE t.hash = %(hash)s AND t.used_at IS NOT NULL AND s.id = t.session_id AND s.revoked_at IS NULL
RETURNING s.user_id;

-- forget_expired --
DELETE FROM refresh_tokens WHERE session_id = %(session_id)s AND expires_at < now();

-- revoke --
-- By what the client holds: the refresh token, or the session that its access token names.
UPDATE auth_sessions AS s SET revoked_at = now(), revoked_because = 'logout'
WHERE s.revoked_at IS NULL
    AND (s.id = %(session_id)s::uuid OR s.id = (SELECT session_id FROM refresh_tokens WHERE hash = %(hash)s));

-- account --
-- Whose session it is, and for which organization the user acts there, if the membership still holds.
SELECT s.id, o.id, m.role::text, u.id, u.github_id, u.email, u.name, u.avatar_url
FROM auth_sessions AS s
JOIN users AS u ON u.id = s.user_id
LEFT JOIN organization_members AS m
    ON m.organization_id = s.organization_id AND m.user_id = s.user_id AND m.status = 'active'
LEFT JOIN organizations AS o ON o.id = m.organization_id AND o.is_active
WHERE s.id = %(session_id)s;

-- acting --
SELECT NULL::uuid, o.id, m.role::text, u.id, u.github_id, u.email, u.name, u.avatar_url
FROM users AS u
LEFT JOIN organization_members AS m
    ON m.organization_id = %(organization_id)s::uuid AND m.user_id = u.id AND m.status = 'active'
LEFT JOIN organizations AS o ON o.id = m.organization_id AND o.is_active
WHERE u.id = %(user_id)s;

-- switch --
-- No row if the session is over.
UPDATE auth_sessions SET organization_id = %(organization_id)s
WHERE id = %(session_id)s AND user_id = %(user_id)s AND revoked_at IS NULL AND expires_at > now()
RETURNING id;

-- use_state --
-- No row if it has been used.
WITH gone AS (DELETE FROM used_oauth_states WHERE expires_at < now())
INSERT INTO used_oauth_states (hash, expires_at)
VALUES (%(hash)s, now() + make_interval(secs => %(lifetime_s)s))
ON CONFLICT (hash) DO NOTHING
RETURNING true;
