create table notes (
    part integer not null,
    text text not null unique
);
