package testservices

import "testing"

func TestARedisClusterPromotesTheReplicaOfADeadMasterAndMovesASlot(t *testing.T) {
	c, err := StartRedisCluster(3, 1)
	if err != nil {
		Missing(t, "a Redis cluster", err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	slot, err := c.Slot("{k}")
	if err != nil {
		t.Fatal(err)
	}
	master, err := c.Master(slot)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"{k}a", "{k}b"} {
		if _, err := master.Do("SET", key, "1"); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := master.Do("WAIT", "1", "5000"); n != "1" || err != nil {
		t.Fatalf("%s replicas have it: %v", n, err)
	}
	replica, err := c.Replica(master)
	if err != nil {
		t.Fatal(err)
	}
	if err := master.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := c.Promoted(slot, replica); err != nil {
		t.Fatal(err)
	}
	if err := master.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := c.Whole(); err != nil {
		t.Fatal(err)
	}
	other, err := c.Master((slot + clusterSlots/3) % clusterSlots)
	if err != nil {
		t.Fatal(err)
	}
	moved := 0
	if err := c.Move(slot, replica, other, func() { moved++ }); err != nil {
		t.Fatal(err)
	}
	if v, err := other.Do("GET", "{k}b"); v != "1" || err != nil || moved != 2 {
		t.Errorf("after %d keys were moved, the new master holds %q: %v", moved, v, err)
	}
}
