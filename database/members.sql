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

-- is_member --
-- Whether the address or number is that of somebody in it: whoever may invite sees both in the list.
SELECT EXISTS (
    SELECT FROM organization_members AS m JOIN users AS u ON u.id = m.user_id
    WHERE m.organization_id = %(organization_id)s AND (lower(u.email) = %(email)s OR u.github_id = %(github_id)s)
) AS it;

-- count --
-- Against the plan's limit: who is invited takes a place.
SELECT (SELECT count(*) FROM organization_members WHERE organization_id = %(organization_id)s)
    + (SELECT count(*) FROM organization_invitations WHERE organization_id = %(organization_id)s) AS members;

-- invite --
-- The same whether or not there is such an account.
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

-- mine --
SELECT i.organization_id, o.name AS organization_name, o.slug AS organization_slug, i.role::text AS role, i.invited_by,
    i.created_at
FROM invitations_to(%(user_id)s) AS i
JOIN organizations AS o ON o.id = i.organization_id
ORDER BY i.created_at, i.organization_id
LIMIT %(limit)s;

-- accept --
-- Takes the invitations of this organization to the user, by address and by number, and gives the first one's membership.
WITH taken AS (
    DELETE FROM organization_invitations AS i USING users AS u, organizations AS o
    WHERE u.id = %(user_id)s AND (i.email = lower(u.email) OR i.github_id = u.github_id)
        AND i.organization_id = %(organization_id)s AND o.id = i.organization_id AND o.is_active
    RETURNING i.role, i.invited_by, i.created_at
)
INSERT INTO organization_members (organization_id, user_id, role, status, invited_by, accepted_at)
SELECT %(organization_id)s, %(user_id)s, role, 'active', invited_by, now() FROM taken ORDER BY created_at LIMIT 1
ON CONFLICT (organization_id, user_id) DO UPDATE SET status = 'active', accepted_at = now()
    WHERE organization_members.status = 'invited'
RETURNING id, organization_id, user_id, role::text AS role, status, invited_by, accepted_at, created_at, updated_at;

-- accept_membership --
-- The mission's backend invites by making a membership.
UPDATE organization_members AS m
SET status = 'active', accepted_at = now()
FROM organizations AS o
WHERE o.id = m.organization_id AND o.is_active
    AND m.organization_id = %(organization_id)s AND m.user_id = %(user_id)s AND m.status = 'invited'
RETURNING m.id, m.organization_id, m.user_id, m.role::text AS role, m.status, m.invited_by, m.accepted_at, m.created_at,
    m.updated_at;

-- decline --
WITH place AS (
    SELECT id FROM organizations WHERE id = %(organization_id)s AND is_active
), declined AS (
    DELETE FROM organization_invitations AS i USING users AS u, place
    WHERE u.id = %(user_id)s AND (i.email = lower(u.email) OR i.github_id = u.github_id) AND i.organization_id = place.id
    RETURNING i.id
), left_out AS (
    DELETE FROM organization_members AS m USING place
    WHERE m.organization_id = place.id AND m.user_id = %(user_id)s AND m.status = 'invited'
    RETURNING m.id
)
SELECT id FROM declined UNION ALL SELECT id FROM left_out;

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
