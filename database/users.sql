-- get --
SELECT id, github_id, email, name, avatar_url FROM users WHERE id = %(user_id)s;

-- grant --
-- System-wide.
INSERT INTO user_permissions (user_id, permission_id)
SELECT %(user_id)s, id FROM permissions WHERE code = ANY (%(codes)s)
ON CONFLICT (user_id, permission_id, organization_id) DO NOTHING;

-- is_granted --
SELECT is_granted(%(user_id)s, %(code)s) AS granted;

-- create_mock --
-- Never touches an account that exists, nor takes the address of one.
INSERT INTO users (github_id, email, name, avatar_url, access_token)
SELECT %(github_id)s, %(email)s::text, %(name)s, %(avatar_url)s, %(mock)s::text
WHERE NOT EXISTS (SELECT FROM users WHERE lower(email) = lower(%(email)s::text))
ON CONFLICT (github_id) DO NOTHING
RETURNING id, github_id, email, name, avatar_url;

-- find_mock --
-- The account that the same mock login made before.
SELECT id, github_id, email, name, avatar_url
FROM users
WHERE github_id = %(github_id)s AND lower(email) = lower(%(email)s) AND access_token = %(mock)s;

-- sign_in_github --
-- Who made a mock account could go on to use it, so nobody's real account is made of one. An address is that of who proved
-- it last: whoever had it before has none now, or could accept what is offered to its holder.
WITH known AS (
    INSERT INTO users (github_id, email, name, avatar_url, access_token)
    VALUES (%(github_id)s, %(email)s, %(name)s, %(avatar_url)s, %(token)s)
    ON CONFLICT (github_id) DO UPDATE
    SET email = excluded.email, name = excluded.name, avatar_url = excluded.avatar_url,
        access_token = excluded.access_token
    WHERE users.access_token <> %(mock)s
    RETURNING id, github_id, email, name, avatar_url
), former AS (
    UPDATE users SET email = ''
    FROM known
    WHERE lower(users.email) = lower(known.email) AND users.id <> known.id
)
SELECT id, github_id, email, name, avatar_url FROM known;
