package check

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// costs is terraform/cost.yaml. Prices are US dollars.
type costs struct {
	Prices struct {
		Noted         string             `json:"noted"`
		Broker        map[string]float64 `json:"msk_broker_hour"`
		BrokerStorage float64            `json:"msk_storage_gb_month"`
		Node          map[string]float64 `json:"valkey_node_hour"`
		CPU           float64            `json:"fargate_vcpu_hour"`
		Memory        float64            `json:"fargate_gb_hour"`
		Standard      float64            `json:"s3_standard_gb_month"`
		Infrequent    float64            `json:"s3_infrequent_gb_month"`
		Put           float64            `json:"s3_put_thousand"`
		Get           float64            `json:"s3_get_thousand"`
		NAT           float64            `json:"nat_hour"`
		Balancer      float64            `json:"balancer_hour"`
		BetweenZones  float64            `json:"between_zones_gb"`
	} `json:"prices"`
	Assumptions struct {
		Hours         float64    `json:"hours_a_month"`
		EventBytes    float64    `json:"event_bytes"`
		SegmentBytes  [2]float64 `json:"segment_bytes"`
		Replicas      float64    `json:"replicas"`
		Retention     float64    `json:"retention_hours"`
		DiskShare     float64    `json:"disk_share"`
		Consumers     float64    `json:"consumers"`
		OtherZone     float64    `json:"other_zone"`
		ChunkSeconds  float64    `json:"chunk_seconds"`
		GetsByPut     float64    `json:"gets_by_put"`
		Months        float64    `json:"months"`
		StandardDays  float64    `json:"standard_days"`
		BalancerUnits float64    `json:"balancer_units"`
	} `json:"assumptions"`
	Loads []load `json:"loads"`
}

type load struct {
	Events     float64 `json:"events_a_minute"`
	Partitions float64 `json:"partitions"`
	Kafka      struct {
		Type    string  `json:"type"`
		Brokers float64 `json:"brokers"`
	} `json:"kafka"`
	Redis struct {
		Type  string  `json:"type"`
		Nodes float64 `json:"nodes"`
	} `json:"redis"`
	Roles map[string]struct {
		Count  float64 `json:"count"`
		CPU    float64 `json:"cpu"`
		Memory float64 `json:"memory"`
		Hours  float64 `json:"hours"`
	} `json:"roles"`
}

// item is one row of the table for one load: what it is made of, and dollars a month from and to.
type item struct {
	what     string
	from, to float64
}

const gb = 1e9

// bill is what a load costs in a month, by what is paid for.
func (c *costs) bill(l load) (names []string, items map[string]item) {
	p, a := c.Prices, c.Assumptions
	items = map[string]item{}
	add := func(name string, from, to float64, what string, args ...any) {
		names = append(names, name)
		items[name] = item{fmt.Sprintf(what, args...), from, to}
	}
	same := func(name string, dollars float64, what string, args ...any) {
		add(name, dollars, dollars, what, args...)
	}

	month := l.Events * 60 * a.Hours // events
	disk := l.Events * 60 * a.Retention * a.EventBytes * a.Replicas / l.Kafka.Brokers / a.DiskShare / gb
	disk = math.Ceil(disk/100) * 100
	same("Kafka: brokers", l.Kafka.Brokers*p.Broker[l.Kafka.Type]*a.Hours, "%.0f × %s", l.Kafka.Brokers, l.Kafka.Type)
	same("Kafka: disks", l.Kafka.Brokers*disk*p.BrokerStorage, "%.0f × %.0f GB", l.Kafka.Brokers, disk)
	read := month * a.EventBytes * a.Consumers * a.OtherZone / gb
	same("Kafka: reading across zones", read*p.BetweenZones, "%.0f TB", read/1000)
	same("Redis", l.Redis.Nodes*p.Node[l.Redis.Type]*a.Hours, "%.0f × %s", l.Redis.Nodes, l.Redis.Type)
	for _, name := range []string{"speed", "archive", "serve", "watch", "batch"} {
		r := l.Roles[name]
		hours := a.Hours * r.Hours / 24
		same("Fargate: "+name, r.Count*hours*(r.CPU*p.CPU+r.Memory*p.Memory), "%.0f × %g vCPU, %g GB, %g h a day", r.Count, r.CPU, r.Memory, r.Hours)
	}
	stored := func(bytes float64) (size, dollars float64) {
		size = month * a.Months * bytes / gb
		standard := math.Min(size, month*bytes/gb*a.StandardDays*24/a.Hours)
		return size, standard*p.Standard + (size-standard)*p.Infrequent
	}
	least, from := stored(a.SegmentBytes[0])
	most, to := stored(a.SegmentBytes[1])
	add("S3: segments of a year", from, to, "%.1f to %.1f TB", least/1000, most/1000)
	puts := l.Partitions * a.Hours * 3600 / a.ChunkSeconds * 3
	same("S3: requests", puts/1000*(p.Put+a.GetsByPut*p.Get), "%.1f M puts", puts/1e6)
	same("NAT and load balancer", a.Hours*(p.NAT+p.Balancer*(1+a.BalancerUnits/3)), "one each")
	return names, items
}

// table is the bills of all loads side by side.
func (c *costs) table() string {
	var b strings.Builder
	b.WriteString("| a month, US $ |")
	var names []string
	bills := make([]map[string]item, len(c.Loads))
	for i, l := range c.Loads {
		fmt.Fprintf(&b, " %.0f M events a minute | |", l.Events/1e6)
		names, bills[i] = c.bill(l)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|---:|", len(c.Loads)) + "\n")
	totals := make([]item, len(c.Loads))
	for _, name := range names {
		fmt.Fprintf(&b, "| %s |", name)
		for i := range c.Loads {
			it := bills[i][name]
			totals[i].from, totals[i].to = totals[i].from+it.from, totals[i].to+it.to
			fmt.Fprintf(&b, " %s | %s |", it.what, dollars(it))
		}
		b.WriteString("\n")
	}
	b.WriteString("| **together** |")
	for i, l := range c.Loads {
		million := l.Events * 60 * c.Assumptions.Hours / 1e6
		fmt.Fprintf(&b, " $ %.3f to %.3f for a million events | **%s** |", totals[i].from/million, totals[i].to/million, dollars(totals[i]))
	}
	return b.String() + "\n"
}

func dollars(it item) string {
	if math.Round(it.from) == math.Round(it.to) {
		return fmt.Sprintf("%.0f", it.to)
	}
	return fmt.Sprintf("%.0f – %.0f", it.from, it.to)
}

func readCosts(t *testing.T) *costs {
	t.Helper()
	text, err := os.ReadFile(terraformRoot + "/cost.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := &costs{}
	if err := yaml.UnmarshalStrict(text, c); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestTheCostTableFollowsFromItsAssumptions holds terraform/README.md to what terraform/cost.yaml gives.
func TestTheCostTableFollowsFromItsAssumptions(t *testing.T) {
	c := readCosts(t)
	for _, l := range c.Loads {
		if c.Prices.Broker[l.Kafka.Type] == 0 || c.Prices.Node[l.Redis.Type] == 0 {
			t.Errorf("no price for %s or %s", l.Kafka.Type, l.Redis.Type)
		}
	}
	const begin, end = "<!-- computed from cost.yaml -->\n", "<!-- end -->"
	path := terraformRoot + "/README.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	stands, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", path)
	}
	if want := c.table(); stands != want {
		if os.Getenv("CAUDAL_FORMAT") != "" {
			if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		t.Errorf("the table is not what cost.yaml gives: CAUDAL_FORMAT=1 makes this test write it\n%s", want)
	}
}

// TestTheBillIsWhatAPersonWorksOut compares some rows with figures that were worked out by hand.
func TestTheBillIsWhatAPersonWorksOut(t *testing.T) {
	c := readCosts(t)
	_, items := c.bill(c.Loads[0])
	for name, want := range map[string][2]float64{
		"Kafka: brokers": {3 * 0.204 * 730, 3 * 0.204 * 730},
		// 1e6 × 60 × 72 h × 200 B × 3 copies on 3 brokers at 80 % are 1,080 GB for each
		"Kafka: disks": {3 * 1100 * 0.10, 3 * 1100 * 0.10},
		"Redis":        {2 * 0.1264 * 730, 2 * 0.1264 * 730},
		// 43.8e9 events a month: 547.5 GB of 12.5 B, 2,160 of 8,760 hours of the year standard
		"S3: segments of a year": {547.5 * 12 * (2160./8760*0.023 + 6600./8760*0.0125), 1265.82 * 12 * (2160./8760*0.023 + 6600./8760*0.0125)},
		// 16 × 43,800 chunks × 3
		"S3: requests": {2102.4 * (0.005 + 3*0.0004), 2102.4 * (0.005 + 3*0.0004)},
	} {
		if got := items[name]; math.Abs(got.from-want[0]) > 0.01 || math.Abs(got.to-want[1]) > 0.01 {
			t.Errorf("%s: %.2f to %.2f, want %.2f to %.2f", name, got.from, got.to, want[0], want[1])
		}
	}
}
