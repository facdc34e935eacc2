-- GitHub's ids have outgrown 32 bits.

ALTER TABLE users ALTER COLUMN github_id TYPE BIGINT;
ALTER TABLE repositories ALTER COLUMN github_repo_id TYPE BIGINT;
