-- The tasks of an organization in the order of their list are those of its repositories. The longer index does the other's
-- work.

SET LOCAL lock_timeout = '10s';

DROP INDEX idx_tasks_repository_id;

CREATE INDEX idx_tasks_repository_order ON tasks (repository_id, priority, created_at DESC, id);
