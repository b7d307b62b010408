package serving

import (
	"context"
	"net/http"
	"time"

	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

// ViewInfo is what the catalogue says of a view.
type ViewInfo struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Source      string          `json:"source"`
	Definition  string          `json:"definition"`         // hash of the one that answers come from, and that the rest is about
	Pending     string          `json:"pending,omitempty"`  // hash of one that was rebuilt beside it
	Previous    string          `json:"previous,omitempty"` // hash of the one before, to which an undo goes back
	Declared    string          `json:"declared,omitempty"` // hash of the one in the project's file, where answers come from another
	Switched    *Switch         `json:"switched,omitempty"` // how answers came to come from it
	Timezone    string          `json:"timezone"`
	Grains      []string        `json:"grains"` // finest first
	Windows     []WindowInfo    `json:"windows"`
	Dimensions  []DimensionInfo `json:"dimensions"`
	Measures    []MeasureInfo   `json:"measures"`
	Snapshot    string          `json:"snapshot,omitempty"`  // that is served; absent before the first
	Freshness   *Freshness      `json:"freshness,omitempty"` // absent before the first snapshot
	Range       *TimeRange      `json:"range,omitempty"`     // of what the snapshot holds; the speed layer may hold more
}

// Switch is a change of the definition that answers come from.
type Switch struct {
	At       string `json:"at"`       // RFC 3339
	From     string `json:"from"`     // hash of the definition before
	Snapshot string `json:"snapshot"` // id, of the new definition, that answers began with
}

func switchOf(a lake.Active) *Switch {
	if a.Switched == nil {
		return nil
	}
	return &Switch{formatTime(a.Switched.At.UnixMicro(), time.UTC), a.Switched.From, a.Switched.Snapshot}
}

// DimensionInfo describes a dimension.
type DimensionInfo struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	Description string `json:"description,omitempty"`
}

// WindowInfo describes a window. Lengths are as definitions write them.
type WindowInfo struct {
	Name        string   `json:"name"`
	Kind        string   `json:"kind"` // hopping or session
	Description string   `json:"description,omitempty"`
	Pane        string   `json:"pane"`            // the grain whose buckets rows are composed of
	Size        string   `json:"size,omitempty"`  // of hops
	Every       string   `json:"every,omitempty"` // of hops
	Gap         string   `json:"gap,omitempty"`   // of sessions
	Max         string   `json:"max,omitempty"`   // of sessions
	By          []string `json:"by,omitempty"`    // of sessions: the dimensions that one is of
}

// MeasureInfo describes a measure. Additive: its buckets may be added up, or merged without an error.
type MeasureInfo struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	Aggregation string `json:"aggregation"`
	Additive    bool   `json:"additive"`
	Unit        string `json:"unit,omitempty"`
	Description string `json:"description,omitempty"`
}

// TimeRange is [From, To) in RFC 3339.
type TimeRange struct {
	From string `json:"from"`
	To   string `json:"to"`
}

func (s *Server) info(ctx context.Context, v *view.View) ViewInfo {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.SpeedTimeout)
	defer cancel()
	vs := s.state(v)
	info := ViewInfo{
		Name: v.Name, Description: v.Description, Source: v.Source.Name, Definition: v.Hash, Timezone: v.Location.String(),
		Grains: grainNames(v), Windows: windowInfos(v), Dimensions: []DimensionInfo{}, Measures: []MeasureInfo{},
	}
	a := s.active(v)
	info.Pending, info.Previous, info.Switched = a.Pending, a.Previous, switchOf(a)
	if declared := s.definitions.slots[v.Name].declared; declared.As(v) == nil {
		info.Declared = declared.Hash
	}
	for _, d := range v.Dimensions {
		info.Dimensions = append(info.Dimensions, DimensionInfo{d.Name, d.Type.String(), d.Description})
	}
	for i, m := range v.Measures {
		info.Measures = append(info.Measures, MeasureInfo{m.Name, m.Type.String(), string(m.Agg), m.Agg.Stored() && vs.plan.Additive(i), m.Unit, m.Description})
	}
	vs.mu.Lock()
	snap := vs.current
	vs.mu.Unlock()
	if snap != nil {
		info.Snapshot = snap.manifest.ID
		fresh := s.freshness(ctx, vs, snap)
		info.Freshness = &fresh
		if snap.from < snap.to {
			info.Range = &TimeRange{formatTime(snap.from, v.Location), formatTime(snap.to, v.Location)}
		}
	}
	return info
}

// Catalogue lists what can be asked.
type Catalogue struct {
	Project string     `json:"project"`
	Views   []ViewInfo `json:"views"`
	SQL     *SQLDoor   `json:"sql,omitempty"` // where the same is answered in SQL; absent where it is not
}

// SQLDoor is where the process answers SQL, by PostgreSQL's protocol: on the host of the API.
type SQLDoor struct {
	Port     int    `json:"port"`
	Database string `json:"database"`
}

// OpenSQL notes where the process answers SQL, for the catalogue and the page.
func (s *Server) OpenSQL(door SQLDoor) { s.sql.Store(&door) }

// catalogueRoutes say what can be asked.
func catalogueRoutes() []route {
	return []route{
		{
			method: http.MethodGet, path: "/v1/views", id: "list_views", tag: "catalogue", summary: "List the views",
			description: "Every view with its grains, its dimensions and measures with types, units and descriptions, what batch holds of it, and how fresh it is.",
			answers:     []answerKind{{http.StatusOK, "all views of the project", []string{mediaJSON}, Catalogue{}}}, problems: []int{http.StatusServiceUnavailable}, serve: (*Server).serveViews,
		},
		{
			method: http.MethodGet, path: "/v1/views/{view}", id: "get_view", tag: "catalogue", summary: "Describe a view",
			description: "What the list of views says of one of them.", parameters: []parameter{viewParameter()},
			answers: []answerKind{{http.StatusOK, "the view", []string{mediaJSON}, ViewInfo{}}}, problems: []int{http.StatusNotFound, http.StatusServiceUnavailable}, serve: (*Server).serveView,
		},
	}
}

func (s *Server) serveViews(w http.ResponseWriter, r *http.Request, rt *route) {
	if _, err := rt.readArguments(r, nil); err != nil {
		s.writeError(w, r, err)
		return
	}
	list := Catalogue{Project: s.cfg.Project.Name, Views: []ViewInfo{}, SQL: s.sql.Load()}
	own, err := s.own(r.Context())
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	for _, declared := range own.Views {
		v, err := s.find(r.Context(), declared.Name)
		if err != nil {
			s.writeError(w, r, err)
			return
		}
		list.Views = append(list.Views, s.info(r.Context(), v))
	}
	s.writeValue(w, r, list)
}

func (s *Server) serveView(w http.ResponseWriter, r *http.Request, rt *route) {
	if _, err := rt.readArguments(r, nil); err != nil {
		s.writeError(w, r, err)
		return
	}
	v, err := s.find(r.Context(), r.PathValue("view"))
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	s.writeValue(w, r, s.info(r.Context(), v))
}
