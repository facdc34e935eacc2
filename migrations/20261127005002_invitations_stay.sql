-- An invitation to an address or a GitHub number stays one until it is accepted, whether or not there is an account: what
-- the inviter sees must not tell. (Members that are 'invited' are those of the mission's backend.) And who has deleted an
-- organization leaves its slug to others.

SET LOCAL lock_timeout = '10s';

DROP TRIGGER claim_invitations_of_new ON users;
DROP TRIGGER claim_invitations_of_changed ON users;
DROP FUNCTION claim_invitations_of_account();
-- claim_invitations() stays for the version that asks for it.

INSERT INTO organization_invitations (organization_id, email, github_id, role, invited_by, created_at)
SELECT organization_id, CASE WHEN invited_as LIKE '%@%' THEN lower(invited_as) END,
    CASE WHEN invited_as NOT LIKE '%@%' THEN invited_as::bigint END, role, invited_by, created_at
FROM organization_members
WHERE status = 'invited' AND invited_as IS NOT NULL
ON CONFLICT DO NOTHING;

DELETE FROM organization_members WHERE status = 'invited' AND invited_as IS NOT NULL;

-- What a user may accept, of each organization the first.
CREATE FUNCTION invitations_to(p_user_id UUID)
RETURNS TABLE (organization_id UUID, role org_member_role, invited_by UUID, created_at TIMESTAMPTZ)
LANGUAGE sql STABLE AS $$
    SELECT DISTINCT ON (found.organization_id) found.organization_id, found.role, found.invited_by, found.created_at
    FROM (
        SELECT i.organization_id, i.role, i.invited_by, i.created_at
        FROM users AS u
        JOIN organization_invitations AS i ON i.email = lower(u.email) OR i.github_id = u.github_id
        WHERE u.id = p_user_id AND NOT EXISTS (
            SELECT FROM organization_members AS m WHERE m.organization_id = i.organization_id AND m.user_id = u.id
        )
        UNION ALL
        SELECT m.organization_id, m.role, m.invited_by, m.created_at
        FROM organization_members AS m
        WHERE m.user_id = p_user_id AND m.status = 'invited'
    ) AS found
    JOIN organizations AS o ON o.id = found.organization_id AND o.is_active
    ORDER BY found.organization_id, found.created_at;
$$;

CREATE TRIGGER live_new_invitations AFTER INSERT ON organization_invitations
    FOR EACH ROW EXECUTE FUNCTION notify_live_invitation();

-- No slug that is given has a tilde.
CREATE FUNCTION leave_slug() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    NEW.slug := left(OLD.slug, 63) || '~' || OLD.id;
    RETURN NEW;
END;
$$;

CREATE TRIGGER leave_slug BEFORE UPDATE OF is_active ON organizations
    FOR EACH ROW WHEN (OLD.is_active AND NOT NEW.is_active) EXECUTE FUNCTION leave_slug();

UPDATE organizations SET slug = left(slug, 63) || '~' || id WHERE NOT is_active;
