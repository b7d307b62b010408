package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/caudal/caudal/internal/view"
)

func exportGrafanaCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "grafana",
		Short: "A Grafana dashboard of the project's views, over its PostgreSQL source",
		Long: "The dashboard asks a PostgreSQL data source, chosen at its top, whose host is the address that `caudal run serve --sql` listens on: a panel for each measure of each view, in\n" +
			"buckets of the view's finest grain. It is a start to be changed by hand; the dashboard of caudal's own metrics is infra/grafana/dashboards/caudal.json.",
		Example: "  caudal export grafana > dashboard.json",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.exportGrafana(c.Context()) },
	}
}

func (a *app) exportGrafana(ctx context.Context) error {
	_, project, err := a.openProject(ctx)
	if err != nil {
		return err
	}
	return a.printJSON(dashboardOf(project))
}

// The dashboard model of Grafana, as far as it is written here. Grafana fills in the rest.
type (
	grafanaDashboard struct {
		UID           string         `json:"uid"`
		Title         string         `json:"title"`
		Timezone      string         `json:"timezone"`
		SchemaVersion int            `json:"schemaVersion"`
		Refresh       string         `json:"refresh"`
		Time          grafanaTime    `json:"time"`
		Templating    grafanaChoices `json:"templating"`
		Panels        []grafanaPanel `json:"panels"`
	}
	grafanaTime struct {
		From string `json:"from"`
		To   string `json:"to"`
	}
	grafanaChoices struct {
		List []grafanaChoice `json:"list"`
	}
	grafanaChoice struct {
		Name  string `json:"name"`
		Label string `json:"label"`
		Type  string `json:"type"`
		Query string `json:"query"`
	}
	grafanaPanel struct {
		ID          int             `json:"id"`
		Title       string          `json:"title"`
		Description string          `json:"description"`
		Type        string          `json:"type"`
		GridPos     grafanaPlace    `json:"gridPos"`
		Datasource  grafanaSource   `json:"datasource"`
		Targets     []grafanaTarget `json:"targets"`
	}
	grafanaPlace struct {
		X int `json:"x"`
		Y int `json:"y"`
		W int `json:"w"`
		H int `json:"h"`
	}
	grafanaSource struct {
		Type string `json:"type"`
		UID  string `json:"uid"`
	}
	grafanaTarget struct {
		RefID      string        `json:"refId"`
		Datasource grafanaSource `json:"datasource"`
		Format     string        `json:"format"`
		EditorMode string        `json:"editorMode"`
		RawQuery   bool          `json:"rawQuery"`
		RawSQL     string        `json:"rawSql"`
	}
)

// postgresType is how Grafana names its PostgreSQL source.
const postgresType = "grafana-postgresql-datasource"

// Panels stand two beside each other; Grafana's grid has 24 columns.
const (
	panelWidth  = 12
	panelHeight = 8
)

// dashboardOf has a panel for each measure of each view that is a single number and a column of its tables.
func dashboardOf(project *view.Project) grafanaDashboard {
	d := grafanaDashboard{
		UID: "caudal-" + project.Name, Title: project.Name, Timezone: "browser", SchemaVersion: 41, Refresh: "5s", Time: grafanaTime{"now-24h", "now"}, Panels: []grafanaPanel{},
		Templating: grafanaChoices{List: []grafanaChoice{{Name: "source", Label: "caudal", Type: "datasource", Query: postgresType}}},
	}
	source := grafanaSource{postgresType, "${source}"}
	for _, v := range project.Views {
		for i, m := range v.Measures {
			if m.Type.Kind == view.Array || v.Composed(i) {
				continue
			}
			n := len(d.Panels)
			title := v.Name + ": " + m.Name
			if m.Unit != "" {
				title += " (" + m.Unit + ")"
			}
			sql := fmt.Sprintf(`SELECT "time", "%s" FROM "%s_%s" WHERE $__timeFilter("time") ORDER BY "time"`, m.Name, v.Name, v.Grains[0].Name)
			d.Panels = append(d.Panels, grafanaPanel{
				ID: n + 1, Title: title, Description: m.Description, Type: "timeseries", Datasource: source,
				GridPos: grafanaPlace{X: n % 2 * panelWidth, Y: n / 2 * panelHeight, W: panelWidth, H: panelHeight},
				Targets: []grafanaTarget{{RefID: "A", Datasource: source, Format: "time_series", EditorMode: "code", RawQuery: true, RawSQL: sql}},
			})
		}
	}
	return d
}
