-- What an account itself may do, whatever the organization; has_permission asks about one.

SET LOCAL lock_timeout = '10s';

CREATE FUNCTION is_granted(p_user_id UUID, p_permission_code VARCHAR)
RETURNS BOOLEAN LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM user_permissions AS up JOIN permissions AS p ON p.id = up.permission_id
        WHERE up.user_id = p_user_id AND up.organization_id IS NULL AND p.code = p_permission_code
            AND (up.expires_at IS NULL OR up.expires_at > now())
    );
$$;
