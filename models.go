package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caudal/caudal/batch/models"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
)

func modelsCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "models", Short: "Trained models in the lake: versions, what they were trained on, and which one is in use",
		Example: "  caudal models publish fraud ./out --training ./set\n  caudal models promote fraud 000003 --by pr_auc\n  caudal models list fraud\n  caudal models fetch fraud --out ./model",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usageError{errors.New("say publish, promote, list or fetch")}
		},
	}
	c.AddCommand(modelsPublishCommand(a), modelsPromoteCommand(a), modelsListCommand(a), modelsFetchCommand(a))
	return c
}

// withModels runs do over the models of the project's lake.
func (a *app) withModels(ctx context.Context, do func(*models.Models) error) error {
	return a.withLake(ctx, func(_ *view.Project, _ string, l *lake.Lake) error {
		return do(&models.Models{Lake: l, Clock: time.Now})
	})
}

func modelsPublishCommand(a *app) *cobra.Command {
	var set string
	c := &cobra.Command{
		Use: "publish NAME FOLDER --training FOLDER", Short: "Make a folder's files the next version of a model",
		Long: "The folder holds the model's files and metrics.json: {\"metrics\": {\"pr_auc\": 0.61}, \"in_use\": {\"version\": \"000002\", \"metrics\": {\"pr_auc\": 0.58}}},\n" +
			"in_use being how the version in use does on the same rows. --training is the folder of the set that it was trained on; the versions of the\n" +
			"tables that the set was made of stay as long as the model.",
		Example: "  caudal models publish fraud ./out --training .caudal/training/fraud/1f3a5c7e9b2d", Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if set == "" {
				return usageError{errors.New("--training is missing: the folder of the set that the model was trained on")}
			}
			return a.withModels(c.Context(), func(m *models.Models) error {
				model, err := m.Publish(c.Context(), args[0], args[1], set)
				if err != nil {
					return err
				}
				if a.output != "table" {
					return a.print(model, []string{"name", "version"}, [][]string{{model.Name, model.Version}})
				}
				fmt.Fprintf(a.stdout, "model %s: version %s published, %d files, %s\n", model.Name, model.Version, len(model.Files), metricsText(model.Metrics))
				return nil
			})
		},
	}
	c.Flags().StringVar(&set, "training", "", "folder of the training set, as `caudal export training` wrote it")
	return c
}

func modelsPromoteCommand(a *app) *cobra.Command {
	var by string
	var regardless, fail bool
	c := &cobra.Command{
		Use: "promote NAME VERSION --by METRIC", Short: "Put a version into use, unless it is worse than the one that is",
		Long: "Compares the version with the one in use by a metric of which more is better, as both were measured on the same rows. One that is worse is\n" +
			"not promoted, which is no failure: the exit status is 0, or 1 with --fail. One that was compared with another version is refused.",
		Example: "  caudal models promote fraud 000003 --by pr_auc\n  caudal models promote fraud 000002 --regardless", Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if (by == "") != regardless {
				return usageError{errors.New("say by which metric, `--by pr_auc`, or `--regardless` of any")}
			}
			return a.withModels(c.Context(), func(m *models.Models) error {
				v, err := m.Promote(c.Context(), args[0], args[1], by)
				if err != nil {
					return err
				}
				if a.output != "table" {
					err = a.print(v, []string{"name", "version", "promoted", "in_use", "why"}, [][]string{{v.Name, v.Version, fmt.Sprint(v.Promoted), v.InUse, v.Why}})
				} else if v.Promoted {
					fmt.Fprintf(a.stdout, "model %s: version %s is in use: %s\n", v.Name, v.Version, v.Why)
				} else {
					fmt.Fprintf(a.stdout, "model %s: version %s is not promoted, version %s stays in use: %s\n", v.Name, v.Version, v.InUse, v.Why)
				}
				if err == nil && fail && !v.Promoted {
					return errReported
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&by, "by", "", "metric of metrics.json that decides; more is better")
	c.Flags().BoolVar(&regardless, "regardless", false, "whatever the metrics say, e.g. to go back to an earlier version")
	c.Flags().BoolVar(&fail, "fail", false, "exit with status 1 where the version is not promoted")
	return c
}

func modelsListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list NAME", Short: "The versions of a model, oldest first", Example: "  caudal models list fraud -o json", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withModels(c.Context(), func(m *models.Models) error {
				list, current, err := m.List(c.Context(), args[0])
				if err != nil {
					return err
				}
				rows := make([][]string, len(list))
				for i, model := range list {
					inUse := ""
					if model.Version == current.Version {
						inUse = "in use"
					}
					rows[i] = []string{model.Version, model.Created.Format(time.RFC3339), model.Training.ID, metricsText(model.Metrics), inUse}
				}
				return a.print(map[string]any{"in_use": current.Version, "versions": list}, []string{"version", "created", "training set", "metrics", ""}, rows)
			})
		},
	}
}

func modelsFetchCommand(a *app) *cobra.Command {
	var version, out string
	c := &cobra.Command{
		Use: "fetch NAME --out FOLDER", Short: "Write the files of the version in use, or of another one, into a folder",
		Example: "  caudal models fetch fraud --out ./model\n  caudal models fetch fraud --version 000002 --out ./model", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if out == "" {
				return usageError{errors.New("--out is missing: the folder for the files")}
			}
			return a.withModels(c.Context(), func(m *models.Models) error {
				if version == "" {
					_, current, err := m.List(c.Context(), args[0])
					if err != nil {
						return err
					}
					if version = current.Version; version == "" {
						return fmt.Errorf("no version of model %s is in use: promote one", args[0])
					}
				}
				model, err := m.Fetch(c.Context(), args[0], version, out)
				if err != nil {
					return err
				}
				if a.output != "table" {
					return a.print(model, []string{"name", "version"}, [][]string{{model.Name, model.Version}})
				}
				fmt.Fprintf(a.stdout, "model %s: version %s in %s\n", model.Name, model.Version, out)
				return nil
			})
		},
	}
	c.Flags().StringVar(&version, "version", "", "default: the one in use")
	c.Flags().StringVar(&out, "out", "", "folder for the files")
	return c
}

// metricsText writes metrics by name.
func metricsText(metrics map[string]float64) string {
	out := make([]string, 0, len(metrics))
	for name, x := range metrics {
		out = append(out, fmt.Sprintf("%s %.4g", name, x))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}
