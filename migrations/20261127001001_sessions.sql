-- Sign-ins, and the refresh tokens that each of them has had: every token is good once, and one that comes again
-- means that it was stolen. Tokens are kept as SHA-256 of what the client holds.

CREATE TABLE auth_sessions (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    organization_id UUID REFERENCES organizations (id) ON DELETE SET NULL,  -- that the user acts for
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    expires_at TIMESTAMPTZ NOT NULL,                                        -- of its newest token
    revoked_at TIMESTAMPTZ,
    revoked_because TEXT CHECK (revoked_because IN ('logout', 'reuse'))
);

CREATE TABLE refresh_tokens (
    hash BYTEA PRIMARY KEY,
    session_id UUID NOT NULL REFERENCES auth_sessions (id) ON DELETE CASCADE,
    issued_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    expires_at TIMESTAMPTZ NOT NULL,
    used_at TIMESTAMPTZ
);

CREATE INDEX idx_auth_sessions_user_id ON auth_sessions (user_id);
CREATE INDEX idx_auth_sessions_organization_id ON auth_sessions (organization_id) WHERE organization_id IS NOT NULL;
CREATE INDEX idx_refresh_tokens_session_id ON refresh_tokens (session_id);

-- States of sign-ins with GitHub that have come back: each counts once.
CREATE TABLE used_oauth_states (
    hash BYTEA PRIMARY KEY,
    expires_at TIMESTAMPTZ NOT NULL
);
