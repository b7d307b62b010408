------------------------------- MODULE Lives -------------------------------
(* One partition of a topic that is deleted and created again while roles    *)
(* run: each of them looks at the broker when it likes, and works on in the  *)
(* life that it knows.  A record is <<topic id, offset>>.  Crashes, cuts and *)
(* zombies within a life are in Seam.tla.                                    *)
(*  once   a life is opened where none stands under its number               *)
(*  id     records are read of the life that was opened, and of no other     *)
(*  leave  whoever finds its topic gone goes on to the life that there is    *)
(*  seal   a run that closes a life takes it from whoever may still write it *)
(*  past   a snapshot covers the lives before its own                        *)
(*  tail   it states what of them had been counted and was never archived    *)
(*  over   lives that no snapshot covers yet are read from the speed layer   *)
EXTENDS Integers, Sequences, FiniteSets
CONSTANTS N, Topics, Fix
VARIABLES real, hi,           \* the topic id that brokers show; how many records each has had
          lives,              \* the lake: the topic id of each life, by its number
          seen,               \* what a role saw before it opens a life: [n, id]
          mem, red,           \* the worker: [life, off, next, recs]; Redis, by life: [off, recs, shut]
          keeper, arch,       \* the archive: its life; the lake, by life: [next, recs]
          cur, run            \* CURRENT and a run: [top, V, miss], by life; run.on
vars == <<real, hi, lives, seen, mem, red, keeper, arch, cur, run>>
F(x) == x \in Fix
Ids == 1..Topics
Number == 1..(Topics + 1)     \* of lives: one more than there can be, for a life that is opened twice
Roles == {"speed", "archive"}
None == [n |-> -1, id |-> 0]
Idle == [life |-> 0, off |-> 0, next |-> 0, recs |-> {}]
Empty == [top |-> 0, V |-> [l \in Number |-> 0], miss |-> [l \in Number |-> {}]]
Newest == Len(lives)
Known == {l \in 1..Newest : lives[l] = real}
IsOpen == Known # {}
LifeNow == CHOOSE l \in Known : TRUE

Init == /\ real = 1 /\ hi = [i \in Ids |-> 0] /\ lives = <<>> /\ seen = [r \in Roles |-> None]
        /\ mem = Idle /\ red = [l \in Number |-> [off |-> 0, recs |-> {}, shut |-> FALSE]]
        /\ keeper = 0 /\ arch = [l \in Number |-> [next |-> 0, recs |-> {}]]
        /\ cur = Empty /\ run = [on |-> FALSE, s |-> Empty]
-----------------------------------------------------------------------------
Produce == hi[real] < N /\ hi' = [hi EXCEPT ![real] = @ + 1] /\ UNCHANGED <<real, lives, seen, mem, red, keeper, arch, cur, run>>
Recreate == real < Topics /\ real' = real + 1 /\ UNCHANGED <<hi, lives, seen, mem, red, keeper, arch, cur, run>>

Look(r) == /\ ~IsOpen /\ seen[r] = None            \* go: speed/life.go:lifeOf, batch/life.go:lifeOf
           /\ seen' = [seen EXCEPT ![r] = [n |-> Newest, id |-> real]]
           /\ UNCHANGED <<real, hi, lives, mem, red, keeper, arch, cur, run>>
Open(r) == /\ seen[r] # None /\ Newest < Topics + 1   \* go: internal/lake/incarnation.go:Incarnation
           /\ lives' = IF F("once") /\ Newest > seen[r].n THEN lives ELSE Append(lives, seen[r].id)
           /\ seen' = [seen EXCEPT ![r] = None]
           /\ UNCHANGED <<real, hi, mem, red, keeper, arch, cur, run>>
-----------------------------------------------------------------------------
Gone(life) == IF life = 0 THEN TRUE ELSE lives[life] # real /\ F("leave")    \* go: speed/life.go:over, batch/life.go:over
Enter == /\ IsOpen /\ Gone(mem.life)               \* go: speed/partition.go:take
         /\ \E l \in Known : mem' = [life |-> l, off |-> red[l].off, next |-> red[l].off, recs |-> {}]
         /\ UNCHANGED <<real, hi, lives, seen, red, keeper, arch, cur, run>>
Mine(life) == life > 0 /\ (lives[life] = real \/ ~F("id"))      \* go: internal/stream/reader.go:connect
Read == /\ Mine(mem.life) /\ mem.next < hi[real]
        /\ mem' = [mem EXCEPT !.next = @ + 1, !.recs = @ \cup {<<real, mem.next>>}]
        /\ UNCHANGED <<real, hi, lives, seen, red, keeper, arch, cur, run>>
Flush == /\ mem.life > 0 /\ mem.next > mem.off     \* go: internal/live/flush.go:Flush
         /\ ~red[mem.life].shut /\ red[mem.life].off = mem.off
         /\ red' = [red EXCEPT ![mem.life].off = mem.next, ![mem.life].recs = @ \cup mem.recs]
         /\ mem' = [mem EXCEPT !.off = mem.next, !.recs = {}]
         /\ UNCHANGED <<real, hi, lives, seen, keeper, arch, cur, run>>
Follow == /\ IsOpen /\ Gone(keeper) /\ \E l \in Known : keeper' = l    \* go: batch/partition.go:life
          /\ UNCHANGED <<real, hi, lives, seen, mem, red, arch, cur, run>>
Archive == /\ Mine(keeper) /\ arch[keeper].next < hi[real]      \* go: batch/partition.go:write
           /\ arch' = [arch EXCEPT ![keeper].next = @ + 1, ![keeper].recs = @ \cup {<<real, arch[keeper].next>>}]
           /\ UNCHANGED <<real, hi, lives, seen, mem, red, keeper, cur, run>>
-----------------------------------------------------------------------------
Cut == /\ ~run.on /\ Newest > 0                    \* go: batch/job.go:newCut, batch/pastlife.go:cutPast
       /\ LET past == {l \in Number : l < Newest} IN
          /\ run' = [on |-> TRUE, s |-> [top |-> Newest,
                     V |-> [l \in Number |-> IF l \in past THEN arch[l].next ELSE IF l = Newest THEN red[l].off ELSE 0],
                     miss |-> [l \in Number |-> IF l \in past /\ F("tail") THEN arch[l].next..(red[l].off - 1) ELSE {}]]]   \* go: batch/pastlife.go:tail
          /\ red' = [l \in Number |-> IF l \in past /\ F("seal") THEN [red[l] EXCEPT !.shut = TRUE] ELSE red[l]]   \* go: internal/live/seal.go:Seal
       /\ UNCHANGED <<real, hi, lives, seen, mem, keeper, arch, cur>>
Publish == /\ run.on /\ run' = [run EXCEPT !.on = FALSE]        \* go: batch/job.go:await, internal/lake/past.go:follows
           /\ IF arch[run.s.top].next >= run.s.V[run.s.top] THEN cur' = run.s ELSE UNCHANGED cur
           /\ UNCHANGED <<real, hi, lives, seen, mem, red, keeper, arch>>
-----------------------------------------------------------------------------
Batch(l) == IF l = cur.top \/ (l < cur.top /\ F("past")) THEN {r \in arch[l].recs : r[2] < cur.V[l]} ELSE {}
Speed(l) == IF l < cur.top \/ (l < Newest /\ ~F("over")) THEN {} ELSE {r \in red[l].recs : r[2] >= cur.V[l]}
Answer(l) == Batch(l) \cup Speed(l)                \* go: serving/lives.go:partitions, serving/lives.go:readOver
\* What a life holds is of its topic alone.
Own == \A l \in 1..Newest : \A r \in red[l].recs \cup arch[l].recs : r[1] = lives[l]
\* No record is in two lives of an answer.
Single == \A l, k \in 1..Newest : l # k => Answer(l) \cap Answer(k) = {}
\* Whatever the speed layer has counted, which answers may have held, is in the answers, or they say that it is gone.
Accounted == \A l \in 1..Newest : \A r \in red[l].recs : r \in Answer(l) \/ r[2] \in cur.miss[l]
Next == \/ Produce \/ Recreate \/ Enter \/ Read \/ Flush \/ Follow \/ Archive \/ Cut \/ Publish
        \/ \E r \in Roles : Look(r) \/ Open(r)
Spec == Init /\ [][Next]_vars /\ WF_vars(Enter) /\ WF_vars(Read) /\ WF_vars(Flush) /\ \A r \in Roles : WF_vars(Look(r)) /\ WF_vars(Open(r))
\* In the end the life that there is is served whole.
Heals == <>[](IsOpen /\ red[LifeNow].off = hi[real])
=============================================================================
