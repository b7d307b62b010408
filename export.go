package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/caudal/caudal/serving"
)

func exportCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "export",
		Short:   "Write what other programs read of a project",
		Example: "  caudal export openapi > openapi.json",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(exportTrainingCommand(a), exportLakeCommand(a), exportGrafanaCommand(a))
	c.AddCommand(&cobra.Command{
		Use:     "openapi",
		Short:   "The HTTP API in OpenAPI 3.1, as the server has it at /openapi.json",
		Example: "  caudal export openapi > openapi.json",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.exportOpenAPI(c.Context()) },
	})
	return c
}

func (a *app) exportOpenAPI(ctx context.Context) error {
	_, project, err := a.openProject(ctx)
	if err != nil {
		return err
	}
	text, err := serving.Document(project)
	if err != nil {
		return err
	}
	if _, err := a.stdout.Write(text); err != nil {
		return fmt.Errorf("write the document: %w", err)
	}
	return nil
}
