-- Who leaves an organization leaves its teams and the grants there; and people can be invited who have no account yet.

SET LOCAL lock_timeout = '10s';

CREATE FUNCTION leave_organization() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM team_members AS tm USING teams AS t
    WHERE t.id = tm.team_id AND t.organization_id = OLD.organization_id AND tm.user_id = OLD.user_id;
    DELETE FROM user_permissions WHERE organization_id = OLD.organization_id AND user_id = OLD.user_id;
    RETURN NULL;
END;
$$;

CREATE TRIGGER leave_organization AFTER DELETE ON organization_members
    FOR EACH ROW EXECUTE FUNCTION leave_organization();

-- Those who had left before.
DELETE FROM team_members AS tm USING teams AS t
WHERE t.id = tm.team_id AND NOT EXISTS (
    SELECT FROM organization_members AS m WHERE m.organization_id = t.organization_id AND m.user_id = tm.user_id
);

-- What an inviter wrote: a member who has not accepted is shown by it, and not by what the account holds.
ALTER TABLE organization_members ADD COLUMN invited_as TEXT;

CREATE TABLE organization_invitations (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    email TEXT CHECK (email = lower(email)),
    github_id BIGINT,
    role org_member_role NOT NULL DEFAULT 'member' CHECK (role <> 'owner'),
    invited_by UUID REFERENCES users (id) ON DELETE SET NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CHECK (num_nonnulls(email, github_id) = 1),
    UNIQUE (organization_id, email),
    UNIQUE (organization_id, github_id)
);

CREATE INDEX idx_organization_invitations_email ON organization_invitations (email);
CREATE INDEX idx_organization_invitations_github_id ON organization_invitations (github_id);
CREATE INDEX idx_users_lower_email ON users (lower(email));

-- The invitations to an address or number become memberships of its account, which are still to be accepted.
CREATE FUNCTION claim_invitations(p_user_id UUID) RETURNS VOID LANGUAGE sql AS $$
    WITH mine AS (
        DELETE FROM organization_invitations AS i USING users AS u
        WHERE u.id = p_user_id AND (i.email = lower(u.email) OR i.github_id = u.github_id)
        RETURNING i.*
    )
    INSERT INTO organization_members (organization_id, user_id, role, status, invited_by, invited_as, created_at)
    SELECT DISTINCT ON (organization_id)
        organization_id, p_user_id, role, 'invited', invited_by, coalesce(email, github_id::text), created_at
    FROM mine
    ORDER BY organization_id, created_at
    ON CONFLICT (organization_id, user_id) DO NOTHING;
$$;

CREATE FUNCTION claim_invitations_of_account() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM claim_invitations(NEW.id);
    RETURN NULL;
END;
$$;

CREATE TRIGGER claim_invitations_of_new AFTER INSERT ON users
    FOR EACH ROW EXECUTE FUNCTION claim_invitations_of_account();
CREATE TRIGGER claim_invitations_of_changed AFTER UPDATE OF email ON users
    FOR EACH ROW WHEN (NEW.email IS DISTINCT FROM OLD.email) EXECUTE FUNCTION claim_invitations_of_account();
