-- What a published site consists of: one row an attempt, published once the edges have forgotten what was there before.
-- The contents are in the site's bucket, which keeps earlier versions.

CREATE TABLE site_manifests (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    environment TEXT NOT NULL,
    bucket TEXT NOT NULL,
    files JSONB NOT NULL,
    made_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    published_at TIMESTAMPTZ
);

CREATE INDEX idx_site_manifests_published ON site_manifests (bucket, published_at DESC);
