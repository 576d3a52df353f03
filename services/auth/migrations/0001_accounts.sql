-- Accounts, their sessions, the keys that sign access tokens, and the audit log.

create table accounts (
    id uuid primary key,
    email text not null check (char_length(email) between 3 and 254),
    name text not null check (char_length(name) between 1 and 200),
    -- a PHC string: algorithm and parameters travel with each hash, so they can change over time
    password_hash text not null,
    roles text[] not null,
    created_at timestamptz not null default now(),
    constraint accounts_roles_known check (roles <@ array['user', 'admin'])
);

-- one account per address, in any case of letters
create unique index accounts_email_key on accounts (lower(email));

-- A sign-in and everything that comes of it: ending it ends the whole family of refresh tokens.
create table sessions (
    id uuid primary key,
    account_id uuid not null references accounts on delete cascade,
    created_at timestamptz not null default now(),
    revoked_at timestamptz
);

create index sessions_account_id_idx on sessions (account_id);

create table refresh_tokens (
    -- SHA-256 of the token: whoever reads this table cannot use it
    hash bytea primary key check (octet_length(hash) = 32),
    session_id uuid not null references sessions on delete cascade,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    -- when it was exchanged for its successor; a token is good for one exchange
    rotated_at timestamptz
);

create index refresh_tokens_session_id_idx on refresh_tokens (session_id);
create index refresh_tokens_expires_at_idx on refresh_tokens (expires_at);

create table signing_keys (
    -- the JWK thumbprint of the public key (RFC 7638)
    kid text primary key,
    -- published: verifiers may know it already; active: it signs; retired: it only verifies
    state text not null check (state in ('published', 'active', 'retired')),
    public_key bytea not null check (octet_length(public_key) = 32),
    -- nonce and XChaCha20-Poly1305 ciphertext of the private key, bound to the kid
    sealed_key bytea not null,
    created_at timestamptz not null default now(),
    retired_at timestamptz,
    constraint signing_keys_retired check ((state = 'retired') = (retired_at is not null))
);

-- one key signs, whoever starts at the same time
create unique index signing_keys_active_key on signing_keys (state) where state = 'active';

create table audit_log (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    actor text not null,
    action text not null,
    subject text not null,
    request_id text not null
);
