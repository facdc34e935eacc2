-- A system-wide grant (organization_id null) could be stored twice, because null never equals null.
-- Of several equal ones the longest lasting stays, so that nobody loses a permission.

SET LOCAL lock_timeout = '10s';

LOCK TABLE user_permissions IN SHARE ROW EXCLUSIVE MODE;

DELETE FROM user_permissions WHERE id IN (
    SELECT id FROM (
        SELECT id, row_number() OVER (
            PARTITION BY user_id, permission_id
            ORDER BY expires_at DESC NULLS FIRST, created_at, id
        ) AS place
        FROM user_permissions
        WHERE organization_id IS NULL
    ) AS ranked
    WHERE place > 1
);

CREATE UNIQUE INDEX user_permissions_one_grant
    ON user_permissions (user_id, permission_id, organization_id) NULLS NOT DISTINCT;
