-- list --
SELECT id, user_id, github_repo_id, owner, name, full_name, is_active, created_at, updated_at
FROM repositories
WHERE user_id = %(user_id)s
ORDER BY lower(full_name), id;

-- get --
SELECT id, user_id, github_repo_id, owner, name, full_name, is_active, created_at, updated_at
FROM repositories
WHERE id = %(repository_id)s AND user_id = %(user_id)s;

-- find --
SELECT id, user_id, github_repo_id, owner, name, full_name, is_active, created_at, updated_at
FROM repositories
WHERE user_id = %(user_id)s AND lower(full_name) = lower(%(full_name)s)
ORDER BY created_at
LIMIT 1;

-- create --
INSERT INTO repositories (user_id, github_repo_id, owner, name, full_name)
VALUES (%(user_id)s, %(github_repo_id)s, %(owner)s, %(name)s, %(full_name)s)
ON CONFLICT (github_repo_id) DO NOTHING
RETURNING id, user_id, github_repo_id, owner, name, full_name, is_active, created_at, updated_at;
