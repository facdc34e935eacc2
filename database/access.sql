-- organization --
-- Who has a membership of it, whatever its state, or is invited knows that it exists; what is not active is as good as deleted.
SELECT id AS organization_id, NULL::uuid AS user_id, true AS known_to_members
FROM organizations
WHERE id = %(id)s AND is_active;

-- repository --
SELECT organization_id, user_id, false AS known_to_members FROM repositories WHERE id = %(id)s;

-- execution --
SELECT r.organization_id, e.user_id, false AS known_to_members
FROM agent_executions AS e
LEFT JOIN repositories AS r ON r.id = e.repository_id
WHERE e.id = %(id)s;

-- task --
SELECT r.organization_id, t.user_id, false AS known_to_members
FROM tasks AS t
LEFT JOIN repositories AS r ON r.id = t.repository_id
WHERE t.id = %(id)s;

-- workflow --
SELECT r.organization_id, w.user_id, false AS known_to_members
FROM workflows AS w
LEFT JOIN repositories AS r ON r.id = w.repository_id
WHERE w.id = %(id)s;

-- standing --
-- Of a user towards `place`, which is one of the above. What belongs to no organization is its owner's; in one
-- has_permission decides alone, also about what one has made oneself. `seen`: whether a refusal may say that there is such a thing.
SELECT place.organization_id, CASE WHEN member.status = 'active' THEN member.role::text END AS role, may.permitted,
    may.permitted
    OR (place.known_to_members AND (member.user_id IS NOT NULL OR EXISTS (
        SELECT FROM invitations_to(%(user_id)s) AS i WHERE i.organization_id = place.organization_id
    )))
    OR CASE WHEN place.organization_id IS NULL THEN is_granted(%(user_id)s, %(read)s)
        ELSE has_permission(%(user_id)s, place.organization_id, %(read)s) END AS seen
FROM place
LEFT JOIN organization_members AS member
    ON member.organization_id = place.organization_id AND member.user_id = %(user_id)s
CROSS JOIN LATERAL (
    SELECT CASE WHEN place.organization_id IS NULL
        THEN place.user_id IS NOT DISTINCT FROM %(user_id)s::uuid OR is_granted(%(user_id)s, %(code)s)
        ELSE has_permission(%(user_id)s, place.organization_id, %(code)s) END AS permitted
) AS may;

-- roles --
-- Every permission with the roles that have it.
SELECT p.code, COALESCE(array_agg(r.code ORDER BY r.code) FILTER (WHERE r.code IS NOT NULL), '{}') AS roles
FROM permissions AS p
LEFT JOIN role_permissions AS rp ON rp.permission_id = p.id
LEFT JOIN roles AS r ON r.id = rp.role_id
GROUP BY p.code;
