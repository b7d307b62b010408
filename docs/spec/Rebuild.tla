------------------------------ MODULE Rebuild ------------------------------
(* One partition that Kafka, the lake and Redis each hold a part of: it may   *)
(* appear after the first snapshot, retention takes its beginning, Redis is   *)
(* wiped.  How a worker and its mismatches go is in Seam.tla, how a chunk is  *)
(* written in Archive.tla: here a flush and a chunk are one step.             *)
(*  zero     who is asked where a partition that no manifest names begins     *)
(*           says 0, not where retention has brought the log to by then       *)
(*  begin    the archive begins there too, and states what it finds missing   *)
(*  wait     a run publishes V only when the archive's `next` has reached it  *)
(*  floor    without speed state V is the archive's `next`, but never below   *)
(*           V of CURRENT                                                     *)
(*  replay   what Kafka has lost is read from committed chunks, not skipped   *)
(*  state    what retention took before the archive is stated in the commit   *)
(*  tell     what a replay passes over is stated with the epoch's cells       *)
EXTENDS Integers, FiniteSets
CONSTANTS N, Fix, MaxFaults, MaxRuns
VARIABLES there, lo, hi,      \* the log of the partition: [lo, hi)
          lake,               \* [next, held, miss]: committed chunks; next = -1: none
          red,                \* [up, off, eps, cells, miss]
          cur, run, runs,     \* CURRENT [V, has, miss]; V = Absent: the manifest does not name the partition
          faults
vars == <<there, lo, hi, lake, red, cur, run, runs, faults>>
F(x) == x \in Fix
Off == 0..(N-1)
Absent == -1
Max(a, b) == IF a > b THEN a ELSE b
Gone == [up |-> FALSE, off |-> 0, eps |-> {}, cells |-> [e \in 0..N |-> {}], miss |-> [e \in 0..N |-> {}]]
NoRun == [on |-> FALSE, V |-> 0]
Start == IF F("zero") THEN 0 ELSE lo               \* of a partition that the manifest does not name

Init == /\ there \in BOOLEAN /\ lo = 0 /\ hi = 0
        /\ lake = [next |-> -1, held |-> {}, miss |-> {}]
        /\ red = Gone /\ run = NoRun /\ runs = 0 /\ faults = 0
        /\ cur = [V |-> IF there THEN 0 ELSE Absent, has |-> {}, miss |-> {}]   \* go: internal/lake/snapshot.go:EnsureFirst
-----------------------------------------------------------------------------
Appear == ~there /\ there' = TRUE /\ UNCHANGED <<lo, hi, lake, red, cur, run, runs, faults>>
Produce == there /\ hi < N /\ hi' = hi + 1 /\ UNCHANGED <<there, lo, lake, red, cur, run, runs, faults>>
Retain == /\ faults < MaxFaults /\ faults' = faults + 1 /\ \E l \in (lo+1)..hi : lo' = l
          /\ UNCHANGED <<there, hi, lake, red, cur, run, runs>>
Wipe == /\ faults < MaxFaults /\ red.up /\ faults' = faults + 1 /\ red' = Gone
        /\ UNCHANGED <<there, lo, hi, lake, cur, run, runs>>

Chunk(n) ==                                        \* go: batch/partition.go:life, batch/chunk.go:fetch, internal/lake/chain.go:Next
  LET from == IF lake.next >= 0 THEN lake.next ELSE IF F("begin") THEN 0 ELSE lo
  IN /\ there /\ n > from /\ n >= lo /\ n <= hi
     /\ lake' = [next |-> n, held |-> lake.held \cup {o \in from..(n-1) : o >= lo},
                 miss |-> IF F("state") THEN lake.miss \cup {o \in from..(n-1) : o < lo} ELSE lake.miss]
     /\ UNCHANGED <<there, lo, hi, red, cur, run, runs, faults>>
-----------------------------------------------------------------------------
SpeedV == IF cur.V = Absent THEN 0 ELSE cur.V      \* go: speed/partition.go:boundary
Take == /\ there /\ (~red.up \/ SpeedV \notin red.eps)    \* go: speed/partition.go:take, speed/partition.go:poll
        /\ red' = [Gone EXCEPT !.up = TRUE, !.off = SpeedV, !.eps = {SpeedV}]
        /\ UNCHANGED <<there, lo, hi, lake, cur, run, runs, faults>>
Newest == CHOOSE e \in red.eps : \A d \in red.eps : d <= e
Add(k, S, M) == red' = [red EXCEPT !.off = k, !.cells[Newest] = @ \cup S, !.miss[Newest] = @ \cup M]
SpeedOnly == UNCHANGED <<there, lo, hi, lake, cur, run, runs, faults>>
Kafka(k) ==                                        \* go: speed/feed.go:run
  red.up /\ red.off >= lo /\ k > red.off /\ k <= hi /\ Add(k, red.off..(k-1), {}) /\ SpeedOnly
Replay ==                                          \* go: speed/replay.go:run, speed/replay.go:one, speed/replay.go:addStored, speed/gaps.go:pass
  /\ red.up /\ red.off < lo /\ SpeedOnly
  /\ IF F("replay") THEN /\ lake.next > red.off    \* else the error, and the next try
                         /\ (red.off \in lake.held \cup lake.miss \/ ~F("state"))
                         /\ Add(lake.next, {o \in lake.held : o >= red.off}, IF F("tell") THEN {o \in lake.miss : o >= red.off} ELSE {})
                    ELSE Add(lo, {}, {})
-----------------------------------------------------------------------------
Cut ==                                             \* go: batch/job.go:newCut
  LET before == IF cur.V = Absent THEN 0 ELSE cur.V
      v == IF red.up THEN red.off ELSE IF lake.next >= 0 THEN lake.next ELSE Max(before, IF cur.V = Absent THEN Start ELSE 0)
  IN /\ there /\ ~run.on /\ runs < MaxRuns /\ runs' = runs + 1
     /\ run' = [on |-> TRUE, V |-> IF F("floor") THEN Max(v, before) ELSE v]
     /\ red' = IF red.up THEN [red EXCEPT !.eps = @ \cup {red.off}] ELSE red
     /\ UNCHANGED <<there, lo, hi, lake, cur, faults>>
Reached == IF lake.next >= 0 THEN lake.next ELSE IF F("begin") THEN 0 ELSE lo     \* go: batch/job.go:behind
Publish ==                                         \* go: batch/job.go:await, batch/gate.go:covered, batch/gate.go:account
  /\ run.on /\ run' = NoRun
  /\ (F("wait") => Reached >= run.V)
  /\ cur' = [V |-> run.V, has |-> {o \in lake.held : o < run.V}, miss |-> {o \in lake.miss : o < run.V}]
  /\ UNCHANGED <<there, lo, hi, lake, red, runs, faults>>
-----------------------------------------------------------------------------
ReadV == IF cur.V = Absent THEN Start ELSE cur.V   \* go: serving/lives.go:partitions
Partial == ~red.up \/ ReadV \notin red.eps         \* go: serving/merge.go:readPartition
Served == {x \in red.eps : x >= ReadV}
Speed == UNION {red.cells[e] : e \in Served}
Told == cur.miss \cup UNION {red.miss[e] : e \in Served}    \* go: serving/speed.go:readOnce, serving/provenance.go:coverage
\* Every record below the offset served is counted once, or the answer says that it is gone; and of what it says so nothing is counted.
Honest == there => (Partial \/ (/\ \A o \in 0..(red.off-1) : o \in cur.has \cup Speed \cup Told
                                /\ cur.has \cap Speed = {} /\ (cur.has \cup Speed) \cap Told = {}))
\* So is every record that a snapshot covers.
Stated == \A o \in 0..(cur.V-1) : o \in cur.has \cup cur.miss
Monotone == [][cur'.V >= cur.V]_vars
Next == \/ Appear \/ Produce \/ Retain \/ Wipe \/ Take \/ Replay \/ Cut \/ Publish
        \/ \E n \in 1..N : Chunk(n) \/ Kafka(n)
Spec == Init /\ [][Next]_vars /\ WF_vars(Take) /\ WF_vars(Replay) /\ WF_vars(Publish)
        /\ \A n \in 1..N : WF_vars(Chunk(n)) /\ WF_vars(Kafka(n))
Heals == []<>~there \/ <>[](~Partial /\ red.off = hi)
=============================================================================
