-- Imports that go on where they were broken off, whoever died.

create table imports (
    id         uuid primary key,
    state      text not null default 'open',
    dry_run    boolean not null,
    -- that of rows which do not name one
    type       text,
    -- what its client calls it
    source     text not null,
    actor      text not null,
    -- whether the lines of its rows grow, so that those which were stored can be told from the others
    ordered    boolean not null,
    -- the stream that may store rows: each one that goes on with the import has the next number
    epoch      integer not null default 0,
    -- how many batches were stored, and the line of the last row
    batches    integer not null default 0,
    last_line  integer not null default 0,
    created    integer not null default 0,
    updated    integer not null default 0,
    rejected   integer not null default 0,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create index imports_by_age on imports (updated_at);

create trigger imports_inserted after insert on imports
    referencing new table as inserted for each statement execute function count_inserted();
create trigger imports_removed after delete on imports
    for each row execute function count_removed();

create table import_rejections (
    id        bigint generated always as identity primary key,
    import_id uuid not null references imports on delete cascade,
    line      integer not null,
    field     text not null,
    issue     text not null
);

create index import_rejections_by_import on import_rejections (import_id, id);

-- Imports go on after a crash, and have not forgotten which products they had.
alter table import_lines set logged;
