------------------------------ MODULE Archive ------------------------------
(* One partition of the lake: intent, files (one per event date), commit.     *)
(* Archivers may be zombies, crash anywhere, and run different definitions    *)
(* (Def[a]: it decides the date of a record, or its dead letter); retention   *)
(* takes records that were not read yet.                                      *)
(*  pin      whoever finishes a chunk uses the intent's definition, not his   *)
(*  once     an intent is put only where none stands                          *)
(*  begin    the first chunk begins at 0, wherever retention has brought the  *)
(*           log to when an archiver looks                                    *)
(*  standing a file that stands with other rows than were just read is not    *)
(*           committed as if it held these                                    *)
(*  state    a commit says which offsets of its range were gone               *)
(*  gone     an intent says which were gone beyond its last record: whoever   *)
(*           finishes it reads no further than that                           *)
EXTENDS Integers, FiniteSets
CONSTANTS A, N, Fix, MaxRetain
VARIABLES chunk,            \* chunk[first] = [last, read, def, done, list, rows, miss] or NoChunk; read: the last record
          file,             \* file[<<first, date>>] = offsets, or {}
          ar,               \* ar[a]: [pc, first, last, def, got, put, gone]
          lo, retained      \* the log holds [lo, N)
F(x) == x \in Fix
Def(a) == IF a = CHOOSE x \in A : TRUE THEN 1 ELSE 2
Date(o, d) == IF o = 0 /\ d = 2 THEN 1 ELSE o % 2       \* date 0, date 1
Dates == {0, 1}
Off == 0..(N-1)
NoChunk == [last |-> -1, read |-> -1, def |-> 0, done |-> FALSE, list |-> {}, rows |-> {}, miss |-> {}]
Idle == [pc |-> "idle", first |-> 0, last |-> 0, def |-> 0, got |-> {}, put |-> {}, gone |-> {}]
vars == <<chunk, file, ar, lo, retained>>
Init == /\ chunk = [o \in Off |-> NoChunk] /\ file = [x \in Off \X Dates |-> {}]
        /\ ar = [a \in A |-> Idle] /\ lo = 0 /\ retained = 0
There == {o \in Off : chunk[o].last >= 0}
Open == {o \in There : ~chunk[o].done}
End  == LET S == {chunk[o].last + 1 : o \in There}
        IN IF S = {} THEN IF F("begin") THEN 0 ELSE lo
           ELSE CHOOSE e \in S : \A s \in S : s <= e
Set(a, x) == ar' = [ar EXCEPT ![a] = x]
Read(f, l) == {o \in f..l : o >= lo}
LastOf(f, S) == IF S = {} THEN f - 1 ELSE CHOOSE x \in S : \A y \in S : y <= x
Retain == /\ retained < MaxRetain /\ retained' = retained + 1
          /\ \E l \in (lo+1)..N : lo' = l /\ UNCHANGED <<chunk, file, ar>>
List(a) ==                    \* what to do is read from the lake itself;  go: batch/partition.go:life, batch/partition.go:finishOpen, batch/chunk.go:readRange
  /\ ar[a].pc = "idle" /\ UNCHANGED <<chunk, file, lo, retained>>
  /\ IF Open # {} THEN \E f \in Open : Set(a, [Idle EXCEPT !.pc = "files", !.first = f, !.last = chunk[f].last,
                                     !.def = IF F("pin") THEN chunk[f].def ELSE Def(a), !.got = Read(f, chunk[f].read),
                                     !.gone = IF F("gone") THEN (chunk[f].read + 1)..chunk[f].last ELSE {}])
     ELSE /\ End < N
          /\ \E l \in End..(N-1) : /\ l >= lo - 1
                                   /\ Set(a, [Idle EXCEPT !.pc = "intent", !.first = End, !.last = l, !.def = Def(a), !.got = Read(End, l)])
Intent(a) ==                  \* If-None-Match: *   (the loser lists again);  go: batch/partition.go:write, internal/lake/chunk.go:PutIntent
  LET u == ar[a]
      free == /\ (F("once") => chunk[u.first] = NoChunk)
              /\ \A o \in There : chunk[o].last >= u.first => (~F("once") /\ o = u.first)
              /\ \A o \in There : chunk[o].done /\ o < u.first => \E d \in There : chunk[d].done /\ chunk[d].last + 1 = u.first
  IN /\ u.pc = "intent" /\ UNCHANGED <<file, lo, retained>>
     /\ IF free THEN /\ chunk' = [chunk EXCEPT ![u.first] = [NoChunk EXCEPT !.last = u.last, !.read = LastOf(u.first, u.got), !.def = u.def]]
                     /\ Set(a, [u EXCEPT !.pc = "files", !.gone = (LastOf(u.first, u.got) + 1)..u.last])
                ELSE Set(a, Idle) /\ UNCHANGED chunk
Rows(a, d) == {o \in ar[a].got : Date(o, ar[a].def) = d}
ToPut(a) == {d \in Dates \ ar[a].put : Rows(a, d) # {}}
PutFile(a, d) ==              \* create-once; one that stands is read back;  go: batch/chunk_files.go:putFiles, internal/lake/lake.go:PutFile
  LET u == ar[a] stands == file[<<u.first, d>>] IN
  /\ u.pc = "files" /\ d \in ToPut(a) /\ UNCHANGED <<chunk, lo, retained>>
  /\ file' = IF stands = {} THEN [file EXCEPT ![<<u.first, d>>] = Rows(a, d)] ELSE file
  /\ Set(a, IF stands = {} \/ stands = Rows(a, d) \/ ~F("standing") THEN [u EXCEPT !.put = @ \cup {d}] ELSE Idle)
Commit(a) ==                  \* If-Match on the intent;  go: batch/partition.go:fulfil, internal/lake/chunk.go:Commit
  LET u == ar[a] c == chunk[u.first] IN
  /\ u.pc = "files" /\ ToPut(a) = {} /\ UNCHANGED <<file, lo, retained>>
  /\ chunk' = IF c.done \/ c.last # u.last THEN chunk ELSE
       [chunk EXCEPT ![u.first] = [@ EXCEPT !.done = TRUE, !.list = u.put, !.rows = u.got,
                                            !.miss = IF F("state") THEN ((u.first..c.read) \ u.got) \cup u.gone ELSE {}]]
  /\ Set(a, Idle)
Crash(a) == ar[a].pc # "idle" /\ Set(a, Idle) /\ UNCHANGED <<chunk, file, lo, retained>>
Next == Retain \/ \E a \in A : List(a) \/ Intent(a) \/ Commit(a) \/ Crash(a) \/ \E d \in Dates : PutFile(a, d)
Spec == Init /\ [][Next]_vars
Holds(S, o) == Cardinality({x \in S : o \in file[x]})
Done == {o \in Off : chunk[o].done}
\* The chunks are a chain without a gap or an overlap, and only its end is open.
Tiled == /\ Cardinality(Open) <= 1
         /\ \A f \in There : \A g \in There \ {f} : chunk[f].last < g \/ chunk[g].last < f
         /\ \A f \in There : (\A g \in There : f <= g) \/ (\E g \in Done : chunk[g].last + 1 = f)
         /\ \A f \in Open : \A g \in There : g <= f
\* Readers of manifests: every offset is in exactly one file of its chunk, which the commit counts, or stated as gone.
Committed == \A f \in Done : \A o \in f..chunk[f].last :
               LET n == Holds({<<f, d>> : d \in chunk[f].list}, o)
               IN IF o \in chunk[f].miss THEN n = 0 ELSE n = 1 /\ o \in chunk[f].rows
\* Readers of the folder: no offset twice, and none missing that no commit states.
Listed == There # {} /\ Open = {} => \A o \in 0..(End-1) : LET n == Holds(Off \X Dates, o) IN
            n = 1 \/ (n = 0 /\ \E f \in Done : o \in chunk[f].miss)
=============================================================================
