package serving

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/caudal/caudal/internal/view"
)

// ViewInfo is what the catalogue says of a view.
type ViewInfo struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Source      string          `json:"source"`
	Definition  string          `json:"definition"` // hash
	Timezone    string          `json:"timezone"`
	Grains      []string        `json:"grains"` // finest first
	Dimensions  []DimensionInfo `json:"dimensions"`
	Measures    []MeasureInfo   `json:"measures"`
	Snapshot    string          `json:"snapshot,omitempty"` // that is served; absent before the first
	Range       *TimeRange      `json:"range,omitempty"`    // of what the snapshot holds; the speed layer may hold more
}

// DimensionInfo describes a dimension.
type DimensionInfo struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	Description string `json:"description,omitempty"`
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

func (s *Server) info(v *view.View) ViewInfo {
	vs := s.views[v.Name]
	info := ViewInfo{
		Name: v.Name, Description: v.Description, Source: v.Source.Name, Definition: v.Hash, Timezone: v.Location.String(),
		Grains: grainNames(v), Dimensions: []DimensionInfo{}, Measures: []MeasureInfo{},
	}
	for _, d := range v.Dimensions {
		info.Dimensions = append(info.Dimensions, DimensionInfo{d.Name, d.Type.String(), d.Description})
	}
	for i, m := range v.Measures {
		info.Measures = append(info.Measures, MeasureInfo{m.Name, m.Type.String(), string(m.Agg), m.Agg != view.Derived && vs.plan.Additive(i), m.Unit, m.Description})
	}
	vs.mu.Lock()
	snap := vs.current
	vs.mu.Unlock()
	if snap != nil {
		info.Snapshot = snap.manifest.ID
		if snap.from < snap.to {
			info.Range = &TimeRange{formatTime(snap.from, v.Location), formatTime(snap.to, v.Location)}
		}
	}
	return info
}

func (s *Server) serveViews(w http.ResponseWriter, r *http.Request) {
	list := struct {
		Project string     `json:"project"`
		Views   []ViewInfo `json:"views"`
	}{Project: s.cfg.Project.Name, Views: []ViewInfo{}}
	for _, v := range s.cfg.Project.Views {
		list.Views = append(list.Views, s.info(v))
	}
	s.writeValue(w, r, list)
}

func (s *Server) serveView(w http.ResponseWriter, r *http.Request) {
	v, err := findView(s.cfg.Project, r.PathValue("view"))
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	s.writeValue(w, r, s.info(v))
}

func (s *Server) writeValue(w http.ResponseWriter, r *http.Request, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		s.writeError(w, r, fmt.Errorf("write the answer: %w", err))
		return
	}
	writeJSON(w, r, text)
}
