-- list --
-- A team that is not visible is seen by its members and by those who manage teams.
SELECT t.id, t.organization_id, t.name, t.slug, t.description, t.settings, t.is_visible, t.created_at, t.updated_at
FROM teams AS t
WHERE t.organization_id = %(organization_id)s
    AND (t.is_visible IS NOT FALSE OR %(manages)s
        OR EXISTS (SELECT FROM team_members AS m WHERE m.team_id = t.id AND m.user_id = %(user_id)s))
    AND (%(team_id)s::uuid IS NULL OR t.id = %(team_id)s::uuid)
    AND (%(after_at)s::timestamptz IS NULL OR (t.created_at, t.id) > (%(after_at)s::timestamptz, %(after_id)s::uuid))
ORDER BY t.created_at, t.id
LIMIT %(limit)s;

-- manages --
-- Whether the user has the permission by what he is in the organization, not by leading some team of it.
SELECT is_granted(%(user_id)s, %(code)s) OR EXISTS (
    SELECT FROM user_effective_permissions
    WHERE user_id = %(user_id)s AND organization_id = %(organization_id)s AND permission_code = %(code)s
        AND source <> 'team_role'
) AS manages;

-- leads --
SELECT EXISTS (
    SELECT FROM team_members WHERE team_id = %(team_id)s AND user_id = %(user_id)s AND role = 'lead'
) AS leads;

-- create --
-- With its first member, who leads it; nothing if the organization has a team of that slug.
WITH made AS (
    INSERT INTO teams (organization_id, name, slug, description, is_visible, settings)
    VALUES (%(organization_id)s, %(name)s, %(slug)s, %(description)s, %(is_visible)s, %(settings)s)
    ON CONFLICT (organization_id, slug) DO NOTHING
    RETURNING id, organization_id, name, slug, description, settings, is_visible, created_at, updated_at
), lead AS (
    INSERT INTO team_members (team_id, user_id, role)
    SELECT made.id, m.user_id, 'lead'
    FROM made JOIN organization_members AS m USING (organization_id)
    WHERE m.user_id = %(user_id)s AND m.status = 'active'
)
SELECT * FROM made;

-- update --
-- `given` names the columns to write.
UPDATE teams
SET name = CASE WHEN 'name' = ANY (%(given)s) THEN %(name)s ELSE name END,
    description = CASE WHEN 'description' = ANY (%(given)s) THEN %(description)s ELSE description END,
    is_visible = CASE WHEN 'is_visible' = ANY (%(given)s) THEN %(is_visible)s ELSE is_visible END,
    settings = CASE WHEN 'settings' = ANY (%(given)s) THEN %(settings)s ELSE settings END
WHERE organization_id = %(organization_id)s AND id = %(team_id)s
RETURNING id, organization_id, name, slug, description, settings, is_visible, created_at, updated_at;

-- delete --
DELETE FROM teams WHERE organization_id = %(organization_id)s AND id = %(team_id)s;

-- members --
SELECT tm.id, tm.team_id, tm.user_id, tm.role::text AS role, tm.created_at, tm.updated_at, u.email, u.name, u.avatar_url
FROM team_members AS tm
JOIN users AS u ON u.id = tm.user_id
WHERE tm.team_id = %(team_id)s AND (%(member)s::uuid IS NULL OR tm.user_id = %(member)s::uuid)
    AND (%(after_at)s::timestamptz IS NULL OR (tm.created_at, tm.id) > (%(after_at)s::timestamptz, %(after_id)s::uuid))
ORDER BY tm.created_at, tm.id
LIMIT %(limit)s;

-- add --
-- Only an active member of the organization; nothing if there is none, or if it is a member of the team.
INSERT INTO team_members (team_id, user_id, role)
SELECT t.id, m.user_id, %(role)s
FROM teams AS t JOIN organization_members AS m USING (organization_id)
WHERE t.id = %(team_id)s AND m.user_id = %(member)s AND m.status = 'active'
ON CONFLICT (team_id, user_id) DO NOTHING
RETURNING id, team_id, user_id, role::text AS role, created_at, updated_at;

-- is_in --
SELECT EXISTS (SELECT FROM team_members WHERE team_id = %(team_id)s AND user_id = %(member)s) AS member;

-- remove --
DELETE FROM team_members WHERE team_id = %(team_id)s AND user_id = %(member)s;
