-- compatible_to: 3
-- Bounds on what grows, and what the tables before could not tell. Times are unix milliseconds.

-- Who this fleet is, whatever its address: all its servers and workers share it, and no other fleet has it.
create table fleet_identity (
    one bigint primary key check (one = 1),
    id  text not null
);
insert into fleet_identity (one, id) values (1, replace(gen_random_uuid()::text, '-', ''));
