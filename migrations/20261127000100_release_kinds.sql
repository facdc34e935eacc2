-- Going back to an earlier release is a release of its own, so that it can be undone like any other.
ALTER TABLE releases
    ADD COLUMN kind TEXT NOT NULL DEFAULT 'release' CHECK (kind IN ('release', 'rollback')),
    ADD COLUMN target_id UUID REFERENCES releases (id) ON DELETE SET NULL,
    ADD COLUMN site_manifest TEXT;

-- What serves, and what served before it, are found by their versions.
CREATE INDEX idx_releases_version ON releases (environment, lambda_version_after, started_at DESC);
