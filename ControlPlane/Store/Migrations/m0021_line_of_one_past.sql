-- What a revision can be taken for, decided where it is taken.

alter table revision_line
  -- The compiler in force: a commit of an older one, under way while another took over, must not get
  -- through after it. Here, because whoever takes a revision waits for this row.
  add column generation int not null default 0,
  -- The server's identity and timeline and the table's: another one in a copy, a restored dump or a
  -- database that was put back to an earlier time. Empty: not looked at yet.
  add column lineage text not null default '';

update revision_line
set generation = coalesce((select max(generation) from compiler_generations), 0);

grant update (generation, incarnation, lineage) on revision_line to bindery_app;
