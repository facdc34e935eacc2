-- The queue's rules go by a repository's name, whoever registered it: its clone and branches are the same.

SET LOCAL lock_timeout = '10s';

CREATE INDEX idx_repositories_lower_full_name ON repositories (lower(full_name));
