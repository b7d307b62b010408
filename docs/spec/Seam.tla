-------------------------------- MODULE Seam --------------------------------
(* The seam between batch and speed, of one partition and several views of    *)
(* it: a snapshot of a view covers the offsets < V, Redis holds those >= V.   *)
(* Whatever crashes, fails over, is wiped, cut, rolled back or dropped, an    *)
(* answer is the fold of exactly [0, t) for some t >= V, or says `partial`.   *)
(*                                                                            *)
(* Fix names the guards. With all of them this is what the code does; take    *)
(* one out and TLC prints the loss that it prevents (Fix = {} is the draft):  *)
(*  start   an epoch is NAMED BY ITS START OFFSET: same name, same content    *)
(*  reload  any mismatch at a flush drops the memory, but for two exceptions  *)
(*  load    reading a cell back checks epoch and offset, like a flush         *)
(*  tile    a reader serves speed only if V is the start of a held epoch      *)
(*  torn    a reader that needs several calls compares meta at the end        *)
(*  lowest  the log is read from the lowest offset of the partition's views   *)
(*  own     and each view takes only records from its own offset on           *)
(*  wait    a run publishes V only when the lake has reached it               *)
(*  repair  an owner, idle or not, polls meta and CURRENT, and starts afresh  *)
(*          at V of CURRENT where that is no start of a held epoch            *)
(*  mono    publish: CURRENT unchanged since the run began, and V not below   *)
(*  closed  the epoch that is being written is never merged                   *)
(*  named   nor is a boundary taken away that a snapshot or an open run names *)
(*  swap    a merge takes place only if the epochs are those that it read     *)
(* and of the grains that lag (Env "coarse"), which have an offset `co` of     *)
(* their own, at most off, and cells of their own in each epoch:               *)
(*  again   a take reads again from co, for the lagging grains only           *)
(*  base    reading a lagging cell back checks co as well                     *)
(*  theirs  what is pending is written to the epoch whose records it holds    *)
(*  moved   a flush of it checks co, and the starts from that epoch on        *)
(*  rest    it is written up to a cut before anything beyond the cut          *)
(*  passed  epochs are merged only where co has passed both                   *)
(*  asof    a reader answers a lagging grain as of Max(co, V)                 *)
(* Env says what may happen: crash, lost (the reply of a flush), failover,    *)
(* wipe, evict (a cell from memory), rollback, drop (of epochs), pin (readers *)
(* keep old snapshots), torn (readers need two calls), lag (of the archive),  *)
(* merge (of adjacent epochs, in two steps: read and swap), coarse (grains    *)
(* that are flushed seldom).                                                  *)
(* Left out, so that safety does not rest on them: the owner's token, and the *)
(* random id `inst` of a life of the state.  Assumed: what a record adds to a *)
(* state is a function of the log alone.  `go:` names what does the step.     *)
EXTENDS Integers, FiniteSets, Sequences, TLC
CONSTANTS G, W, B,            \* views; workers that believe they own the partition; runs per view
          N, K,               \* the log holds 0..N-1; K cells
          Fix, Env, MaxFaults
VARIABLES red, rep,           \* red[g]: Redis; rep: what a failover brings back
          wk,                 \* wk[w]: a worker
          run,                \* run[g][b]: a batch run of a view
          snaps, cur, ver,    \* per view: published snapshots, CURRENT, its ETag
          lake,               \* `next` of the archive: committed chunks hold [0, lake)
          rd,                 \* a reader between two calls
          mg,                 \* a merge of epochs between reading and swapping
          faults
base == <<red, rep, wk, run, snaps, cur, ver, lake, rd, faults>>
vars == <<base, mg>>

F(x) == x \in Fix
Lags == "coarse" \in Env                   \* go: speed/coarse.go:mayLag
Off  == 0..(N-1)
Cell == 0..(K-1)                           \* record o falls into cell o % K
Max(a, b) == IF a > b THEN a ELSE b
Ids  == 0..Max(N, Cardinality(B))          \* names of epochs
\* A state is a bag of offsets; 2 means "twice or more".
Zero == [o \in Off |-> 0]
Rng(a, b) == [o \in Off |-> IF a <= o /\ o < b THEN 1 ELSE 0]
Two(n) == IF n > 2 THEN 2 ELSE n
x ++ y == [o \in Off |-> Two(x[o] + y[o])]
Of(x, C) == [o \in Off |-> IF o % K \in C THEN x[o] ELSE 0]
Put(x, y, C) == [o \in Off |-> IF o % K \in C THEN y[o] ELSE x[o]]
Sum(cells, S) == [o \in Off |-> Two(Cardinality({e \in S : cells[e][o] >= 1})
                                   + Cardinality({e \in S : cells[e][o] = 2}))]

Nothing == [i \in Ids |-> Zero]
Missing == [up |-> FALSE, off |-> 0, ep |-> 0, eps |-> {}, cells |-> Nothing, co |-> 0, lag |-> Nothing]
Fresh(v) == LET e == IF F("start") THEN v ELSE 0 IN
            [Missing EXCEPT !.up = TRUE, !.off = v, !.ep = e, !.eps = {e}, !.co = IF Lags THEN v ELSE 0]
All(x) == [g \in G |-> x]
Idle == [pc |-> "off", v |-> All(0), todo |-> {},
         pos |-> 0, hi |-> 0,              \* folded up to pos; the micro-batch in hand is [pos, hi)
         ep |-> All(0), off |-> All(0), ld |-> All({}), base |-> All(Zero),
         eps |-> All({}), co |-> All(0),   \* of the grains that lag: Redis has them below co,
         at |-> All(0), in |-> All(FALSE), \* memory below at, in the epoch of co, once the base is read
         mem |-> All(Zero)]
NoRun == [pc |-> "idle", tag |-> 0, before |-> 0, V |-> 0, E |-> 0]
NoRd  == [on |-> FALSE, bad |-> FALSE]
NoMg  == [on |-> FALSE]
V(g) == snaps[g][cur[g]].V

Init == /\ red = All(Missing) /\ rep = red
        /\ wk = [w \in W |-> Idle]
        /\ run = All([b \in B |-> NoRun])
        /\ snaps = All(<<[V |-> 0, E |-> 0, has |-> 0]>>)    \* go: internal/lake/snapshot.go:EnsureFirst
        /\ cur = All(1) /\ ver = All(0)
        /\ lake = (IF "lag" \in Env THEN 0 ELSE N)
        /\ rd = NoRd /\ mg = NoMg /\ faults = 0

Fault(x) == x \in Env /\ faults < MaxFaults /\ faults' = faults + 1
-----------------------------------------------------------------------------
(* Worker: look at CURRENT, take every view, load cells, flush, poll.         *)
Set(w, x) == wk' = [wk EXCEPT ![w] = x]
WorkerOnly == UNCHANGED <<red, rep, run, snaps, cur, ver, lake, rd, faults>>
Lowest(S) == CHOOSE x \in S : \A y \in S : IF F("lowest") THEN x <= y ELSE x >= y

Look(w) ==                                 \* go: speed/partition.go:boundary, speed/current.go:current
  /\ wk[w].pc = "off" /\ WorkerOnly
  /\ Set(w, [Idle EXCEPT !.pc = "take", !.todo = G, !.v = [g \in G |-> V(g)]])

Take(w, g) ==                              \* go: internal/live/take.go:takeScript, speed/partition.go:take, speed/group.go:adopt
  LET u == wk[w]
      r == red[g]
      n == IF ~r.up \/ (F("repair") /\ u.v[g] \notin r.eps) THEN Fresh(u.v[g]) ELSE r
      at == IF F("again") THEN n.co ELSE n.off
      y == [u EXCEPT !.todo = @ \ {g}, !.v[g] = 0, !.ep[g] = n.ep, !.off[g] = n.off]
      x == IF Lags THEN [y EXCEPT !.eps[g] = n.eps, !.co[g] = n.co, !.at[g] = at] ELSE y
      p == Lowest({x.off[h] : h \in G})    \* go: speed/partition.go:begin
  IN /\ u.pc = "take" /\ g \in u.todo
     /\ red' = [red EXCEPT ![g] = n]
     /\ Set(w, IF x.todo = {} THEN [x EXCEPT !.pc = "on", !.pos = p, !.hi = p] ELSE x)
     /\ UNCHANGED <<rep, run, snaps, cur, ver, lake, rd, faults>>

Same(w, g) == LET r == red[g] u == wk[w] IN
  r.up /\ r.ep = u.ep[g] /\ r.off = u.off[g]
WasCut(w, g) == LET r == red[g] u == wk[w] IN   \* a cut ended the epoch exactly where memory stands
  F("start") /\ r.up /\ r.ep # u.ep[g] /\ r.ep = u.off[g] /\ r.off = u.off[g]
Follow(u, g, e) ==                         \* go: speed/group.go:cut
  LET x == [u EXCEPT !.ep[g] = e, !.base[g] = Zero, !.ld[g] = Cell] IN
  IF ~Lags THEN x ELSE IF u.co[g] # e THEN [x EXCEPT !.eps[g] = @ \cup {e}]
  ELSE [x EXCEPT !.eps[g] = @ \cup {e}, !.mem[g] = Zero, !.in[g] = TRUE]
\* The lagging grains of the epochs E at offset x: the epoch that x lies in, the starts from it on, the next of them.
Within(E, x) == IF \E e \in E : e <= x THEN {CHOOSE e \in E : e <= x /\ \A d \in E : d > x \/ d <= e} ELSE {}
Onward(E, x) == {e \in E : e > x} \cup Within(E, x)
Room(E, x, y) == \A e \in E : e <= x \/ e >= y   \* no epoch begins between x and y

Load(w, g, c) ==                           \* go: internal/live/load.go:loadScript, speed/flush.go:readBack
  LET u == wk[w] IN
  /\ u.pc = "on" /\ c \notin u.ld[g] /\ WorkerOnly
  /\ Set(w, IF Same(w, g) \/ ~F("load")
            THEN [u EXCEPT !.ld[g] = @ \cup {c}, !.base[g] = Put(@, red[g].cells[u.ep[g]], {c})]
            ELSE IF WasCut(w, g) THEN Follow(u, g, red[g].ep) ELSE Idle)

Evict(w, g, c) ==                          \* go: speed/memory.go:evict
  LET u == wk[w] IN
  /\ "evict" \in Env /\ u.pc = "on" /\ c \in u.ld[g] /\ u.hi = u.pos /\ WorkerOnly
  /\ Set(w, [u EXCEPT !.ld[g] = @ \ {c}, !.base[g] = Put(@, Zero, {c})])

\* One view's share of the micro-batch [pos, k), as one script; the same k until every view has it.
Even(u, g) == ~Lags \/ (u.at[g] = u.off[g] /\ u.in[g] /\ (F("rest") => Room(u.eps[g], u.co[g], u.off[g] + 1)))
Flush(w, g, k, learn) ==                   \* go: internal/live/flush.go:flushScript, speed/batch.go:spans, speed/flush.go:prepare
  LET r == red[g]
      u == [wk[w] EXCEPT !.hi = k]
      from == IF F("own") THEN Max(u.off[g], u.pos) ELSE u.pos
      D == {o % K : o \in from..(k-1)}     \* dirty cells
      abs == u.base[g] ++ Rng(from, k)     \* absolute states
      Done(x) == IF \A h \in G : x.off[h] >= k THEN [x EXCEPT !.pos = k] ELSE x
      ack == [u EXCEPT !.off[g] = k, !.base[g] = Put(@, abs, D)]           \* go: speed/flush.go:acknowledge
      acked == Done(IF Lags THEN [ack EXCEPT !.at[g] = k, !.mem[g] = @ ++ Rng(from, k)] ELSE ack)
      Only(x) == Set(w, x) /\ UNCHANGED red
  IN /\ u.pc = "on" /\ u.off[g] < k /\ D \subseteq u.ld[g] /\ Even(u, g)
     /\ IF wk[w].hi > wk[w].pos THEN k = wk[w].hi ELSE k > u.pos
     /\ (learn \/ "lost" \in Env)
     /\ IF Same(w, g) THEN
             /\ red' = [red EXCEPT ![g].off = k, ![g].cells[u.ep[g]] = Put(@, abs, D)]
             /\ Set(w, IF learn THEN acked ELSE u)               \* applied, perhaps the reply was lost
        ELSE IF ~r.up THEN Only(Idle)                            \* what follows: go: speed/flush.go:settleGroup
        ELSE IF F("reload") THEN
             Only(IF r.ep = u.ep[g] /\ r.off = k THEN acked      \* go: internal/live/flush.go:WasApplied
                  ELSE IF WasCut(w, g) THEN Follow(u, g, r.ep)   \* go: internal/live/flush.go:WasCut, speed/flush.go:followCut
                  ELSE Idle)                                     \* go: speed/partition.go:drop
        ELSE IF r.ep # u.ep[g] THEN Only(Follow(u, g, r.ep))     \* the draft: "a cut happened"
        ELSE Only(Done([u EXCEPT !.off[g] = r.off, !.base[g] = Put(@, abs, D)]))   \* "a failover lost the newest writes"
     /\ UNCHANGED <<rep, run, snaps, cur, ver, lake, rd, faults>>

\* The grains that lag: what a take finds between co and off is read again, up to the next epoch at a time.
LoadLag(w, g) ==                           \* go: speed/flush.go:readBack
  LET r == red[g] u == wk[w] e == Within(u.eps[g], u.co[g]) IN
  /\ Lags /\ u.pc = "on" /\ ~u.in[g] /\ WorkerOnly
  /\ Set(w, IF (Same(w, g) /\ r.co = u.co[g] /\ e \subseteq r.eps) \/ ~F("base")
            THEN [u EXCEPT !.in[g] = TRUE, !.mem[g] = IF e = {} THEN Zero ELSE red[g].lag[CHOOSE x \in e : TRUE]]
            ELSE IF WasCut(w, g) THEN Follow(u, g, r.ep) ELSE Idle)
CatchUp(w, g, k) ==                        \* go: speed/coarse.go:catchUp
  LET u == wk[w] IN
  /\ Lags /\ u.pc = "on" /\ u.in[g] /\ u.at[g] < k /\ k <= u.off[g] /\ Room(u.eps[g], u.co[g], k) /\ WorkerOnly
  /\ Set(w, [u EXCEPT !.at[g] = k, !.mem[g] = IF Within(u.eps[g], u.co[g]) = {} THEN @ ELSE @ ++ Rng(u.at[g], k)])
FlushLag(w, g, learn) ==                   \* go: speed/coarse.go:flushCoarse, internal/live/flush.go:flushScript
  LET r == red[g] u == wk[w]
      e == IF F("theirs") THEN Within(u.eps[g], u.co[g]) ELSE {u.ep[g]}
      same == r.up /\ r.off = u.off[g] /\ (F("moved") => r.co = u.co[g] /\ Onward(r.eps, u.co[g]) = Onward(u.eps[g], u.co[g]))
      put == IF e = {} THEN r.lag ELSE [r.lag EXCEPT ![CHOOSE x \in e : TRUE] = u.mem[g]]
      acked == [u EXCEPT !.co[g] = u.at[g], !.mem[g] = IF u.at[g] \in u.eps[g] THEN Zero ELSE @]
      Only(x) == Set(w, x) /\ UNCHANGED red
  IN /\ Lags /\ u.pc = "on" /\ u.in[g] /\ u.co[g] < u.at[g]
     /\ (learn \/ "lost" \in Env)
     /\ IF same THEN /\ red' = [red EXCEPT ![g].co = u.at[g], ![g].lag = put]
                     /\ Set(w, IF learn THEN acked ELSE u)
        ELSE Only(IF ~r.up THEN Idle
                  ELSE IF r.ep = u.ep[g] /\ r.off = u.off[g] /\ r.co = u.at[g] THEN acked
                  ELSE IF WasCut(w, g) /\ r.co = u.co[g] THEN Follow(u, g, r.ep)
                  ELSE Idle)
     /\ UNCHANGED <<rep, run, snaps, cur, ver, lake, rd, faults>>

Poll(w, g) ==                              \* go: speed/partition.go:poll, internal/live/peek.go:Heads
  LET r == red[g] u == wk[w] IN
  /\ F("repair") /\ u.pc = "on" /\ u.hi = u.pos /\ WorkerOnly
  /\ IF ~r.up \/ r.off # u.off[g] \/ (Lags /\ r.co # u.co[g]) \/ (r.ep # u.ep[g] /\ r.ep # u.off[g]) \/ V(g) \notin r.eps
     THEN Set(w, Idle)
     ELSE r.ep # u.ep[g] /\ Set(w, Follow(u, g, r.ep))

CrashW(w) == "crash" \in Env /\ wk[w].pc = "on" /\ Set(w, Idle) /\ WorkerOnly
-----------------------------------------------------------------------------
(* Redis.  Replication is in order, so the replica is some earlier state; a   *)
(* partition's views share a hash slot, so it is one state of all of them.    *)
RedisOnly == UNCHANGED <<wk, run, snaps, cur, ver, lake, rd>>
Replicate == "failover" \in Env /\ faults < MaxFaults /\ rep # red /\ rep' = red /\ RedisOnly /\ UNCHANGED <<red, faults>>
Failover == rep # red /\ Fault("failover") /\ red' = rep /\ RedisOnly /\ UNCHANGED rep
Wipe == (\E g \in G : red[g].up) /\ Fault("wipe") /\ red' = All(Missing) /\ rep' = red' /\ RedisOnly
-----------------------------------------------------------------------------
(* Archive and batch.                                                         *)
Archive == /\ \E n \in (lake+1)..N : lake' = n     \* go: batch/partition.go:write   (see Archive.tla)
           /\ UNCHANGED <<red, rep, wk, run, snaps, cur, ver, rd, faults>>
SetRun(g, b, x) == run' = [run EXCEPT ![g][b] = x]
Begin(g, b) ==                             \* go: batch/job.go:begin
  /\ run[g][b].pc = "idle"
  /\ SetRun(g, b, [NoRun EXCEPT !.pc = "cut", !.tag = ver[g], !.before = V(g)])
  /\ UNCHANGED <<red, rep, wk, snaps, cur, ver, lake, rd, faults>>
Cut(g, b) ==                               \* go: batch/job.go:newCut, internal/live/cut.go:cutScript
  LET r == red[g]
      v == Max(IF r.up THEN r.off ELSE lake, run[g][b].before)    \* no speed state: where the archive stands
      e == IF F("start") THEN r.off ELSE r.ep + 1
  IN /\ run[g][b].pc = "cut" /\ (r.up => e \in Ids)
     /\ red' = IF r.up THEN [red EXCEPT ![g].ep = e, ![g].eps = @ \cup {e}] ELSE red
     /\ SetRun(g, b, [run[g][b] EXCEPT !.pc = "wait", !.V = v,
                        !.E = IF F("start") THEN v ELSE IF r.up THEN e ELSE 0])
     /\ UNCHANGED <<rep, wk, snaps, cur, ver, lake, rd, faults>>
Publish(g, b) ==                           \* go: batch/job.go:await, batch/publish.go:publish, internal/lake/snapshot.go:Publish
  LET r == run[g][b]
      has == IF lake < r.V THEN lake ELSE r.V
      ok == F("mono") => (r.tag = ver[g] /\ r.V >= V(g))          \* go: internal/lake/past.go:follows
  IN /\ r.pc = "wait" /\ (F("wait") => lake >= r.V)
     /\ SetRun(g, b, [NoRun EXCEPT !.pc = "done"])
     /\ IF ok THEN /\ snaps' = [snaps EXCEPT ![g] = Append(@, [V |-> r.V, E |-> r.E, has |-> has])]
                   /\ cur' = [cur EXCEPT ![g] = Len(snaps[g]) + 1] /\ ver' = [ver EXCEPT ![g] = @ + 1]
              ELSE UNCHANGED <<snaps, cur, ver>>
     /\ UNCHANGED <<red, rep, wk, lake, rd, faults>>
CrashB(g, b) == /\ "crash" \in Env /\ run[g][b].pc \in {"cut", "wait"}
                /\ SetRun(g, b, [NoRun EXCEPT !.pc = "done"])
                /\ UNCHANGED <<red, rep, wk, snaps, cur, ver, lake, rd, faults>>
Drop(g) ==                                 \* go: batch/publish.go:drop, internal/live/drop.go:dropScript
  LET s == snaps[g][cur[g]]
      gone == {e \in red[g].eps : e < s.E}
  IN /\ "drop" \in Env /\ gone # {} /\ (F("tile") => s.V \in red[g].eps)
     /\ red' = [red EXCEPT ![g].eps = @ \ gone,
                  ![g].cells = [i \in Ids |-> IF i \in gone THEN Zero ELSE @[i]],
                  ![g].lag = [i \in Ids |-> IF i \in gone THEN Zero ELSE @[i]]]
     /\ UNCHANGED <<rep, wk, run, snaps, cur, ver, lake, rd, faults>>
\* A run is open from its cut on until it publishes or is given up.
End(r, e) == CHOOSE h \in {r.off} \cup r.eps : (h > e \/ h = r.off) /\ \A d \in r.eps : d > e => h <= d
Kept(g) == {snaps[g][i].V : i \in 1..Len(snaps[g])} \cup {run[g][b].V : b \in {c \in B : run[g][c].pc = "wait"}}
MergeRead(g, b) ==                         \* go: internal/live/merge.go:startMerge, internal/live/merge.go:stage, batch/merge_epochs.go:namedBoundaries
  LET r == red[g]
      below == {e \in r.eps : e < b}
      a == CHOOSE e \in below : \A d \in below : d <= e
  IN /\ "merge" \in Env /\ ~mg.on /\ b \in r.eps /\ below # {}
     /\ F("closed") => b # r.ep
     /\ F("named") => b \notin Kept(g)
     /\ (Lags /\ F("passed")) => r.co >= End(r, b)
     /\ mg' = [on |-> TRUE, g |-> g, a |-> a, b |-> b, eps |-> r.eps, x |-> r.cells[a] ++ r.cells[b], lag |-> r.lag[a] ++ r.lag[b]]
     /\ UNCHANGED <<red, rep, wk, run, snaps, cur, ver, lake, rd, faults>>
MergeSwap ==                               \* go: internal/live/merge.go:swapScript
  LET g == mg.g IN
  /\ mg.on /\ mg' = NoMg
  /\ IF (IF F("swap") THEN red[g].eps = mg.eps /\ (Lags /\ F("passed") => red[g].co >= End(red[g], mg.b)) ELSE {mg.a, mg.b} \subseteq red[g].eps)
     THEN red' = [red EXCEPT ![g].eps = @ \ {mg.b}, ![g].cells = [@ EXCEPT ![mg.a] = mg.x, ![mg.b] = Zero],
                        ![g].lag = [@ EXCEPT ![mg.a] = mg.lag, ![mg.b] = Zero]]
     ELSE UNCHANGED red
  /\ UNCHANGED <<rep, wk, run, snaps, cur, ver, lake, rd, faults>>
Rollback(g) ==                             \* go: batch/rollback.go:Rollback, internal/lake/snapshot.go:Rollback
  /\ cur[g] > 1 /\ Fault("rollback")
  /\ \E i \in 1..(cur[g]-1) : cur' = [cur EXCEPT ![g] = i]
  /\ ver' = [ver EXCEPT ![g] = @ + 1] /\ UNCHANGED <<red, rep, wk, run, snaps, lake, rd>>
-----------------------------------------------------------------------------
(* Reader.  It pins a snapshot s.  A span of the question is one script, so   *)
(* with one span the answer is a state function; with more, see Read1, Read2. *)
Pinned(g) == IF "pin" \in Env THEN {snaps[g][i] : i \in 1..Len(snaps[g])} ELSE {snaps[g][cur[g]]}
Partial(r, s) == ~r.up \/ (F("tile") /\ s.V \notin r.eps)      \* go: serving/merge.go:readPartition
Speed(r, s) == Sum(r.cells, {e \in r.eps : e >= s.E})          \* go: internal/live/read.go:readScript
Right(x, s) == \E t \in s.V..N : Rng(0, s.has) ++ x = Rng(0, t)
Read1(g, s) ==                             \* go: serving/merge.go:readSpeed, serving/speed.go:readOnce
  /\ "torn" \in Env /\ ~rd.on /\ ~Partial(red[g], s)
  /\ rd' = [on |-> TRUE, bad |-> FALSE, s |-> s, g |-> g, off |-> red[g].off, x |-> Of(Speed(red[g], s), {0})]
  /\ UNCHANGED <<red, rep, wk, run, snaps, cur, ver, lake, faults>>
Read2 ==                                   \* go: serving/speed.go:read
  /\ rd.on
  /\ LET r == red[rd.g]
         again == F("torn") /\ (Partial(r, rd.s) \/ r.off # rd.off)
         x == rd.x ++ Of(Speed(r, rd.s), Cell \ {0})
     IN rd' = [NoRd EXCEPT !.bad = ~again /\ r.up /\ ~Right(x, rd.s)]
  /\ UNCHANGED <<red, rep, wk, run, snaps, cur, ver, lake, faults>>
-----------------------------------------------------------------------------
Step == \/ \E w \in W : Look(w) \/ CrashW(w)
        \/ \E w \in W, g \in G : \/ Take(w, g) \/ Poll(w, g)
                                 \/ \E c \in Cell : Load(w, g, c) \/ Evict(w, g, c)
                                 \/ \E k \in 1..N, l \in BOOLEAN : Flush(w, g, k, l)
                                 \/ LoadLag(w, g) \/ \E k \in 1..N : CatchUp(w, g, k)
                                 \/ \E l \in BOOLEAN : FlushLag(w, g, l)
        \/ Replicate \/ Failover \/ Wipe \/ Archive \/ Read2
        \/ \E g \in G : \/ Drop(g) \/ Rollback(g)
                        \/ \E b \in B : Begin(g, b) \/ CrashB(g, b) \/ Cut(g, b) \/ Publish(g, b)
                        \/ \E s \in Pinned(g) : Read1(g, s)
Next == \/ Step /\ UNCHANGED mg
        \/ MergeSwap
        \/ \E g \in G, b \in Ids : MergeRead(g, b)
Spec == Init /\ [][Next]_vars
Fair == \A w \in W, g \in G :              \* an owner polls CURRENT, begins again, flushes
          /\ WF_base(Look(w)) /\ WF_base(Take(w, g)) /\ WF_base(Poll(w, g))
          /\ \A c \in Cell : WF_base(Load(w, g, c))
          /\ \A k \in 1..N : SF_base(Flush(w, g, k, TRUE)) /\ WF_base(CatchUp(w, g, k))
          /\ WF_base(LoadLag(w, g)) /\ SF_base(FlushLag(w, g, TRUE))
LiveSpec == Spec /\ Fair
Sym == Permutations(G) \cup Permutations(W) \cup Permutations(B)

Seam == \A g \in G : \A s \in Pinned(g) : Partial(red[g], s) \/ Right(Speed(red[g], s), s)
Untorn == ~rd.bad
\* The lemma behind the fix: an epoch holds exactly the offsets its name says,
\* up to the start of the next one or the flushed offset.
Named == F("start") => \A g \in G : \A e \in red[g].eps :
           red[g].cells[e] = Rng(e, End(red[g], e))
\* The same of the grains that lag, up to their own offset; and what a reader makes of them is an answer as of Max(co, V).
NamedLag == Lags => \A g \in G : \A e \in red[g].eps :
           red[g].lag[e] = LET h == End(red[g], e) IN Rng(e, IF red[g].co < h THEN red[g].co ELSE h)
AsOf(r, s) == IF F("asof") THEN Max(r.co, s.V) ELSE r.off      \* go: serving/coarse.go:standsAt
SeamLag == Lags => \A g \in G : \A s \in Pinned(g) : LET r == red[g] IN
           Partial(r, s) \/ Rng(0, s.has) ++ Sum(r.lag, {e \in r.eps : e >= s.E}) = Rng(0, AsOf(r, s))
\* A merge takes away no boundary from which somebody may want to go on.
Instant == [][mg.on /\ ~mg'.on => \A g \in G : Kept(g) \cap red[g].eps \subseteq red'[g].eps]_vars
Monotone == [][\A g \in G : cur'[g] < cur[g] \/ snaps'[g][cur'[g]].V >= V(g)]_vars
\* With finitely many faults every view ends up served, whole.
Heals == <>[](\A g \in G : ~Partial(red[g], snaps[g][cur[g]]) /\ red[g].off = N /\ (Lags => red[g].co = N))
=============================================================================
