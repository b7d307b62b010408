package engine

import (
	"fmt"

	"github.com/caudal/caudal/internal/intake"
	"github.com/caudal/caudal/internal/view"
)

var _ view.Decoder = (*Checker)(nil)

// Decode reads one record as the intake of both layers does; see view.Decoder.
func (c *Checker) Decode(s *view.Source, value []byte) (at int64, problem string) {
	schema, err := intake.NewSchema(s)
	if err != nil {
		return 0, err.Error()
	}
	v := intake.NewFold(schema, intake.Start()).Append(intake.Record{Value: value}, intake.NewRows(s))
	if v.Kind != intake.DeadLetter {
		return v.EventTime, ""
	}
	if v.Dead.Field == "" {
		return 0, v.Dead.Detail
	}
	return 0, fmt.Sprintf("%s: %s", v.Dead.Field, v.Dead.Detail)
}
