-- list --
-- Members and who is invited, in the order in which they came. Of an account that has not accepted only what the inviter
-- wrote is shown: anybody may invite any number.
SELECT m.id, m.organization_id, m.user_id, m.role::text AS role, m.status, m.invited_by, m.accepted_at, m.created_at,
    m.updated_at, CASE WHEN known.it THEN u.email WHEN m.invited_as LIKE '%%@%%' THEN m.invited_as END AS email,
    CASE WHEN known.it THEN u.name END AS name, CASE WHEN known.it THEN u.avatar_url END AS avatar_url,
    CASE WHEN known.it THEN u.github_id WHEN m.invited_as ~ '^\d+$' THEN m.invited_as::bigint END AS github_id
FROM organization_members AS m
JOIN users AS u ON u.id = m.user_id
CROSS JOIN LATERAL (SELECT m.accepted_at IS NOT NULL OR m.invited_as IS NULL AS it) AS known
WHERE m.organization_id = %(organization_id)s AND (%(user_id)s::uuid IS NULL OR m.user_id = %(user_id)s::uuid)
    AND (%(after_at)s::timestamptz IS NULL OR (m.created_at, m.id) > (%(after_at)s::timestamptz, %(after_id)s::uuid))
ORDER BY m.created_at, m.id
LIMIT %(limit)s;

-- get --
SELECT id, organization_id, user_id, role::text AS role, status, invited_by, accepted_at, created_at, updated_at
FROM organization_members
WHERE organization_id = %(organization_id)s AND user_id = %(user_id)s;

-- accounts --
-- Whose address or number it is; an address may be that of several.
SELECT id FROM users WHERE lower(email) = %(email)s OR github_id = %(github_id)s LIMIT 2;

-- count --
-- Against the plan's limit: who is invited takes a place.
SELECT (SELECT count(*) FROM organization_members WHERE organization_id = %(organization_id)s)
    + (SELECT count(*) FROM organization_invitations WHERE organization_id = %(organization_id)s) AS members;

-- invite_account --
INSERT INTO organization_members (organization_id, user_id, role, status, invited_by, invited_as)
VALUES (%(organization_id)s, %(user_id)s, %(role)s, 'invited', %(invited_by)s, %(invited_as)s)
ON CONFLICT (organization_id, user_id) DO NOTHING
RETURNING id, organization_id, user_id, role::text AS role, status, invited_by, accepted_at, created_at, updated_at;

-- invite_stranger --
INSERT INTO organization_invitations (organization_id, email, github_id, role, invited_by)
VALUES (%(organization_id)s, %(email)s, %(github_id)s, %(role)s, %(invited_by)s)
ON CONFLICT DO NOTHING
RETURNING id, organization_id, email, github_id, role::text AS role, invited_by, created_at;

-- invitations --
SELECT id, organization_id, email, github_id, role::text AS role, invited_by, created_at
FROM organization_invitations
WHERE organization_id = %(organization_id)s AND (%(invitation_id)s::uuid IS NULL OR id = %(invitation_id)s::uuid)
ORDER BY created_at, id
LIMIT %(limit)s;

-- withdraw --
DELETE FROM organization_invitations
WHERE organization_id = %(organization_id)s AND id = %(invitation_id)s
RETURNING id;

-- claim --
-- Who was invited while the account was being made.
SELECT claim_invitations(%(user_id)s);

-- mine --
SELECT m.organization_id, o.name AS organization_name, o.slug AS organization_slug, m.role::text AS role, m.invited_by,
    m.created_at
FROM organization_members AS m
JOIN organizations AS o ON o.id = m.organization_id AND o.is_active
WHERE m.user_id = %(user_id)s AND m.status = 'invited'
ORDER BY m.created_at, m.organization_id
LIMIT %(limit)s;

-- accept --
UPDATE organization_members AS m
SET status = 'active', accepted_at = now()
FROM organizations AS o
WHERE o.id = m.organization_id AND o.is_active
    AND m.organization_id = %(organization_id)s AND m.user_id = %(user_id)s AND m.status = 'invited'
RETURNING m.id, m.organization_id, m.user_id, m.role::text AS role, m.status, m.invited_by, m.accepted_at, m.created_at,
    m.updated_at;

-- decline --
DELETE FROM organization_members AS m
USING organizations AS o
WHERE o.id = m.organization_id AND o.is_active
    AND m.organization_id = %(organization_id)s AND m.user_id = %(user_id)s AND m.status = 'invited'
RETURNING m.id;

-- change --
UPDATE organization_members
SET role = coalesce(%(role)s::org_member_role, role), status = coalesce(%(status)s, status)
WHERE organization_id = %(organization_id)s AND user_id = %(user_id)s
RETURNING id, organization_id, user_id, role::text AS role, status, invited_by, accepted_at, created_at, updated_at;

-- remove --
-- Teams and grants there follow by a trigger.
DELETE FROM organization_members WHERE organization_id = %(organization_id)s AND user_id = %(user_id)s;

-- other_owners --
SELECT count(*) FROM organization_members
WHERE organization_id = %(organization_id)s AND user_id <> %(user_id)s AND role = 'owner' AND status = 'active';

-- own --
-- organizations.owner_id is one of the owners: this one, else the one it is, else the one who came first.
UPDATE organizations AS o
SET owner_id = next.user_id
FROM (
    SELECT m.user_id
    FROM organization_members AS m JOIN organizations AS now ON now.id = m.organization_id
    WHERE m.organization_id = %(organization_id)s AND m.role = 'owner' AND m.status = 'active'
    ORDER BY m.user_id IS NOT DISTINCT FROM %(user_id)s::uuid DESC, m.user_id IS NOT DISTINCT FROM now.owner_id DESC,
        m.created_at, m.id
    LIMIT 1
) AS next
WHERE o.id = %(organization_id)s AND o.owner_id IS DISTINCT FROM next.user_id;
