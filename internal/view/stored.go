package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// presented is what a definition says to people and not to cells, so that its hash is the same without it: descriptions, units, the order of
// the measures, derived ones, windows, and how many values of a dimension the speed layer knows.
type presented struct {
	Description string             `json:"description,omitempty"`
	MaxValues   int                `json:"max_values,omitempty"`
	Dimensions  []string           `json:"dimensions"` // their descriptions
	Measures    []presentedMeasure `json:"measures"`   // in the order of the file
	Windows     []presentedWindow  `json:"windows,omitempty"`
}

type presentedMeasure struct {
	Name        string   `json:"name"`
	Expr        string   `json:"expr,omitempty"` // of a derived one, as is the type
	Type        *Type    `json:"type,omitempty"`
	Share       string   `json:"share,omitempty"`
	Within      []string `json:"within,omitempty"`
	Running     string   `json:"running,omitempty"`
	Description string   `json:"description,omitempty"`
	Unit        string   `json:"unit,omitempty"`
}

// Presentation returns the bytes that are kept beside Canonical, so that ParseView finds all of the view again.
func (v *View) Presentation() []byte {
	p := presented{Description: v.Description, MaxValues: v.MaxValues, Dimensions: []string{}}
	for i := range v.Dimensions {
		p.Dimensions = append(p.Dimensions, v.Dimensions[i].Description)
	}
	for i := range v.Measures {
		m := &v.Measures[i]
		said := presentedMeasure{Name: m.Name, Description: m.Description, Unit: m.Unit}
		switch m.Agg {
		case Derived:
			said.Expr, said.Type = m.Expr, &m.Type
		case Share:
			said.Share, said.Within = m.Of, m.Within
		case Running:
			said.Running = m.Of
		}
		p.Measures = append(p.Measures, said)
	}
	for i := range v.Windows {
		p.Windows = append(p.Windows, presentWindow(&v.Windows[i]))
	}
	return canonicalJSON(p)
}

// ParseView makes a view again from the bytes that Canonical and Presentation held; without a presentation (nil) it has no derived measures
// and no descriptions. Partitions and Key of its source are zero. It refuses what this release would compute otherwise than the one that
// wrote it: another version of the algebra, or a time zone whose rules have changed since.
func ParseView(name string, canonical, presentation []byte) (*View, error) {
	fail := func(format string, args ...any) (*View, error) {
		return nil, fmt.Errorf("read stored definition of view %s: %w", name, fmt.Errorf(format, args...))
	}
	var c canonicalView
	if err := decodeWhole(canonical, &c); err != nil {
		return fail("%w", err)
	}
	if c.Algebra != AlgebraVersion {
		return fail("it is of version %d of the algebra, this release computes version %d: `caudal replay %s --switch` rebuilds the view", c.Algebra, AlgebraVersion, name)
	}
	source, err := ParseSource(c.Source)
	if err != nil {
		return fail("%w", err)
	}
	source.FullDedup = c.BatchDedup == "full"
	v := &View{Name: name, Source: source, Where: c.Where, Timezone: c.Zone, MaxValues: defaultMaxValues, Times: c.Times}
	if v.Location, err = loadZone(c.Zone); err != nil {
		return fail("%w", err)
	}
	for _, d := range c.Dimensions {
		v.Dimensions = append(v.Dimensions, Dimension{Name: d.Name, Expr: d.Expr, Type: d.Type})
	}
	for _, text := range c.Grains {
		g, err := ParseGrain(text)
		if err != nil {
			return fail("%w", err)
		}
		v.Grains = append(v.Grains, g)
	}
	if len(v.Grains) == 0 || len(c.Measures) == 0 {
		return fail("grains or measures are missing")
	}
	for _, m := range c.Measures {
		measure := Measure{Name: m.Name, Agg: m.Agg, Expr: m.Expr, Filter: m.Filter, Type: m.Type, P: m.P, K: m.K, Bounds: m.Bounds}
		if m.Input != "" {
			if err := measure.Input.UnmarshalText([]byte(m.Input)); err != nil {
				return fail("measure %s: %w", m.Name, err)
			}
		}
		v.Measures = append(v.Measures, measure)
	}
	if presentation != nil {
		if err := v.present(presentation); err != nil {
			return fail("%w", err)
		}
	}
	v.seal()
	if v.Hash != hashOf(canonical) {
		return fail("the rules of a time zone have changed since it was written: `caudal replay %s --switch` rebuilds the view", name)
	}
	return v, nil
}

// present puts what is for people back.
func (v *View) present(text []byte) error {
	var p presented
	if err := decodeWhole(text, &p); err != nil {
		return err
	}
	v.Description = p.Description
	if p.MaxValues > 0 {
		v.MaxValues = p.MaxValues
	}
	if len(p.Dimensions) != len(v.Dimensions) {
		return fmt.Errorf("%d dimensions are described, and there are %d", len(p.Dimensions), len(v.Dimensions))
	}
	for i, text := range p.Dimensions {
		v.Dimensions[i].Description = text
	}
	stored := v.Measures
	v.Measures = nil
	for _, said := range p.Measures {
		m := Measure{Name: said.Name, Agg: Derived, Expr: said.Expr}
		if i := slices.IndexFunc(stored, func(m Measure) bool { return m.Name == said.Name }); i >= 0 {
			m = stored[i]
			stored = slices.Delete(slices.Clone(stored), i, i+1)
		} else if said.Type != nil {
			m.Type, m.Input = *said.Type, *said.Type
		} else if said.Share != "" || said.Running != "" {
			m = Measure{Name: said.Name, Agg: Share, Of: said.Share, Within: said.Within}
			if said.Running != "" {
				m.Agg, m.Of = Running, said.Running
			}
		}
		m.Description, m.Unit = said.Description, said.Unit
		v.Measures = append(v.Measures, m)
	}
	for _, said := range p.Windows {
		w, err := said.window(v)
		if err != nil {
			return err
		}
		v.Windows = append(v.Windows, w)
	}
	if len(stored) > 0 {
		return fmt.Errorf("measure %s is not among those that are described", stored[0].Name)
	}
	for i := range v.Measures {
		m := &v.Measures[i]
		if m.Agg != Share && m.Agg != Running {
			continue
		}
		of := v.Measure(m.Of)
		if of < 0 {
			return fmt.Errorf("measure %s is of %q, which there is not", m.Name, m.Of)
		}
		m.Input, m.Type = v.Measures[of].Type, composedType(m.Agg, v.Measures[of])
	}
	return nil
}

// decodeWhole reads one JSON value with no key that is not known, and nothing after it.
func decodeWhole(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("there is more after it")
	}
	return nil
}
