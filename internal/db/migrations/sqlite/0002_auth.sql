-- compatible_to: 1
-- Who may do what. Times are unix milliseconds; secrets are never stored, only their hashes.
create table auth_user (
    name          text primary key,
    role          text not null check (role in ('viewer', 'operator', 'admin')),
    password_hash text not null,
    created_at    bigint not null,
    password_at   bigint not null
);

create table auth_session (
    id         text primary key,
    hash       text not null unique,
    user_name  text not null references auth_user (name) on delete cascade,
    remote     text not null,
    created_at bigint not null,
    seen_at    bigint not null,
    expires_at bigint not null
);
create index auth_session_user on auth_session (user_name, created_at);

create table auth_token (
    id         text primary key,
    hash       text not null unique,
    name       text not null unique,
    role       text not null check (role in ('viewer', 'operator', 'admin')),
    created_by text not null,
    created_at bigint not null,
    seen_at    bigint,
    expires_at bigint
);

-- One row. Every change to the tables above adds one, so that a running server sees a change by reading one number.
create table auth_change (
    id integer primary key check (id = 1),
    n  bigint not null
);
insert into auth_change (id, n) values (1, 0);

create table audit (
    id      integer primary key autoincrement,
    at      bigint not null,
    actor   text not null,
    kind    text not null,
    action  text not null,
    target  text not null,
    outcome text not null,
    detail  text not null,
    remote  text not null
);
create index audit_at on audit (at);

