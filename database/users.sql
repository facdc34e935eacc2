-- get --
SELECT id, github_id, email, name, avatar_url FROM users WHERE id = %(user_id)s;

-- create_mock --
-- Never touches an account that exists, nor takes the address of one that signs in with GitHub.
INSERT INTO users (github_id, email, name, avatar_url, access_token)
SELECT %(github_id)s, %(email)s::text, %(name)s, %(avatar_url)s, %(mock)s::text
WHERE NOT EXISTS (
    SELECT FROM users WHERE lower(email) = lower(%(email)s::text) AND access_token <> %(mock)s::text
)
ON CONFLICT (github_id) DO NOTHING
RETURNING id, github_id, email, name, avatar_url;

-- find_mock --
-- The account that the same mock login made before.
SELECT id, github_id, email, name, avatar_url
FROM users
WHERE github_id = %(github_id)s AND lower(email) = lower(%(email)s) AND access_token = %(mock)s;
